"""Files that are whole or not there: written under a temporary name, flushed, renamed, and the folder flushed."""

from __future__ import annotations

import json
import os
import re
import stat
import uuid
from pathlib import Path
from typing import Any

from mgsc.errors import UserError

TEMPORARY_PREFIX = ".tmp-"
"""How the names of half-written files begin."""

TEMPORARY_NAME = re.compile(r"\.tmp-.+-[0-9a-f]{12}", re.DOTALL)
"""Names of this form, ``.tmp-LABEL-`` and 12 hexadecimal digits, are debris of a killed writer; no others are."""


def temporary_name(directory: Path, label: str) -> Path:
    """A fresh name for something half-written, recognisable as debris after a kill."""
    return directory / f"{TEMPORARY_PREFIX}{label}-{uuid.uuid4().hex[:12]}"


def is_temporary(name: str) -> bool:
    """Whether ``temporary_name`` may have made a name."""
    return TEMPORARY_NAME.fullmatch(name) is not None


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


def regular_place(path: Path) -> Path:
    """Where a file is written that is to be found under ``path``: links are followed, and stay.

    Raises:
        UserError: something is there that is no file: a folder, a device, a pipe, a link in a circle.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return place
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a link in a circle" if stat.S_ISLNK(mode) else "a device or pipe"
        raise UserError(f"cannot write {path}: it is {kind}; name a file")
    return place


def write_atomically(path: Path, contents: bytes) -> None:
    """Puts ``contents`` under ``path``: whoever looks sees all of the old or all of the new.

    A link is followed: what it leads to is replaced.

    Raises:
        UserError: what is there is no regular file.
        OSError: the operating system refuses.
    """
    path = regular_place(path)
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
