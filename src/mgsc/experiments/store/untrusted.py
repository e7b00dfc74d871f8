"""Checks of an untrusted store before it is read, so that it can neither block the reader nor fill memory.

zarr opens any file under a chunk's name and unpacks any contents. So names must be regular files inside the store,
arrays must be packed as mgsc packs them, and no chunk or array may be larger than its header or its files allow.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mgsc.experiments.store.checked import mapping, wholes
from mgsc.experiments.store.files import parse_json, read_bytes

METADATA = ".zmetadata"
CODEC = "blosc"
HEADER_LENGTH = 16
"""Bytes of the header of a chunk packed by blosc; its bytes 4 to 8 are the length of what was packed."""

MOST_FILES = 10_000
RATIO, SMALL = 512, 2**24
"""Largest length of all arrays over ``SMALL`` bytes, relative to all files: blosc packs zeros 255 to 1.

A single array may have no file at all: zarr leaves out chunks that hold nothing but the fill value.
"""


def check_files(store: Path) -> None:
    """Checks the files and the metadata of a zarr store, and the headers of its chunks.

    Raises:
        ValueError: one is not as mgsc writes it; the error names it.
        OSError: a file cannot be read.
    """
    lengths = dict(_files(store))
    metadata = mapping(mapping(parse_json(read_bytes(store / METADATA)), METADATA).get("metadata"), METADATA)
    left = SMALL + RATIO * sum(lengths.values())
    for key, entry in metadata.items():
        name, slash, kind = key.rpartition("/")
        if kind == ".zarray" and slash:
            left -= _check_array(store, name, mapping(entry, key), lengths, left)


def _files(store: Path) -> Iterator[tuple[str, int]]:
    """Every file below the store by its name in it, with its length."""
    count = 0
    for folder, folders, names in os.walk(store):
        for name in (*folders, *names):
            path = Path(folder) / name
            status = path.lstat()
            shown = path.relative_to(store)
            if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
                raise ValueError(f"holds {shown}, which is no regular file")
            if (count := count + 1) > MOST_FILES:
                raise ValueError(f"holds more than {MOST_FILES} files")
            if stat.S_ISREG(status.st_mode):
                yield str(shown), status.st_size


def _check_array(store: Path, name: str, entry: dict[str, Any], lengths: dict[str, int], left: int) -> int:
    """Checks one array, which may have ``left`` bytes unpacked; returns how many it has."""
    compressor = entry.get("compressor")
    if entry.get("filters") or not isinstance(compressor, dict) or compressor.get("id") != CODEC:
        raise ValueError(f"holds {name}, which is not packed as results of mgsc are")
    try:
        dtype = np.dtype(str(entry.get("dtype")))
    except SyntaxError:  # NumPy reads the names of some types as Python
        raise ValueError(f"holds {name} of no known type") from None
    if dtype.kind not in "biufU":
        raise ValueError(f"holds {name} of {dtype}, which is neither numbers, flags nor texts")
    chunk = prod(wholes(entry.get("chunks"), f"{name}.chunks")) * dtype.itemsize
    whole = prod(wholes(entry.get("shape"), f"{name}.shape")) * dtype.itemsize
    if max(chunk, whole) > left:
        raise ValueError(f"holds {name}, of which its files cannot hold {max(chunk, whole)} bytes")
    files = [file for file in lengths if file.startswith(f"{name}/") and not os.path.basename(file).startswith(".")]
    for file in files:
        with (store / file).open("rb") as packed:
            header = packed.read(HEADER_LENGTH)
        if int.from_bytes(header[4:8], "little") > chunk:
            raise ValueError(f"holds {file}, which unpacks to more than a chunk of {chunk} bytes")
    return max(chunk, whole)
