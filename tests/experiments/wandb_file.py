"""Reads an offline ``.wandb`` file: a log in LevelDB's form, whose records are protocol buffers of the package."""

from __future__ import annotations

import json
import struct
from pathlib import Path

HEADER, BLOCK, RECORD = 7, 32768, 7
"""Bytes of the file's header, of a block, and of a record's header: checksum, length, kind."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path):
    """All records of a file."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), HEADER, b""
    assert data[:4] == b":W&B"
    while at + RECORD <= len(data):
        left = BLOCK - at % BLOCK
        if left < RECORD:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + RECORD])
        piece = data[at + RECORD : at + RECORD + length]
        at += RECORD + length
        whole = piece if kind in (FULL, FIRST) else whole + piece
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record


def history(path: Path) -> list[dict[str, float]]:
    """What was logged, row by row, with its ``_step``; what the package adds is left out."""
    rows = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in record.history.item}
            rows.append({key: value for key, value in items.items() if key == "_step" or not key.startswith("_")})
    return rows


def about(path: Path):
    """The record of the run: its group, name, id and configuration."""
    (run,) = [record.run for record in records(path) if record.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    return run, config
