"""Reads a page as a browser does: the JSON and the streams, back to numbers."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

import numpy as np

from mgsc.experiments.report.arrays import Scale, restore

DTYPES = {"u1": "<u1", "u2": "<u2", "f4": "<f4"}


def contents(page: bytes) -> Any:
    """The page's JSON."""
    found = re.search(r'<script type="application/json" id="contents">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    return json.loads(found[1])


def stream(page: bytes, name: str) -> bytes:
    """One of the page's zlib streams."""
    found = re.search(rf'<script type="text/plain" id="{name}">(.*?)</script>', page.decode())
    assert found
    return base64.b64decode(found[1], validate=True)


def arrays(data: bytes, entries: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The numbers of one stream."""
    raw = zlib.decompress(data)
    found = {}
    for entry in entries:
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(raw, DTYPES[entry["type"]], count, entry["offset"]).reshape(entry["shape"])
        if entry["type"] != "f4":
            codes = np.cumsum(values, axis=-1, dtype=values.dtype)
            values = restore(codes, Scale(entry["low"], entry["high"], entry["power"]))
        found[entry["name"]] = values
    return found
