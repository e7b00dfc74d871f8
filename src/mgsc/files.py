"""Files that are whole or not there: written under a temporary name, flushed, renamed, and the folder flushed."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from mgsc.errors import UserError

TEMPORARY_PREFIX = ".tmp-"
"""Names that start so are debris of a killed writer."""


def temporary_name(directory: Path, label: str) -> Path:
    """A fresh name for something half-written, recognisable as debris after a kill."""
    return directory / f"{TEMPORARY_PREFIX}{label}-{uuid.uuid4().hex[:12]}"


def flush(path: Path) -> None:
    """Makes a file's contents, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(file: str, what: str) -> Any:
    """What a JSON file holds, which is to be a sweep, a summary, ...

    Raises:
        UserError: it cannot be read, or is no JSON.
    """
    try:
        with open(file, encoding="utf-8") as text:
            return json.load(text)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{file} is no {what}: it is not JSON") from None


def write_atomically(path: Path, contents: bytes) -> None:
    """Puts ``contents`` under ``path``: whoever looks sees all of the old or all of the new."""
    temporary = temporary_name(path.parent, path.name)
    try:
        with open(temporary, "xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)
