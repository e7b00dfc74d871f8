"""Files that are whole or not there: written under a temporary name, flushed, renamed, and the folder flushed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from unicodedata import category

from mgsc.errors import UserError, shown

TEMPORARY_PREFIX = ".tmp-"
"""The beginning of the names of half-written files."""

LARGEST_TEXT = 2**28
"""Largest size of a JSON file that is read, in bytes."""

CONTROL = ("Cc", "Cf", "Cs")
"""Categories of Unicode: control characters, marks that change how others are shown, halves of characters."""

OLD = 3600.0
"""Seconds after which the writer of a half-written file without a lock must have ended."""

TEMPORARY_NAME = re.compile(r"\.tmp-.+-[0-9a-f]{12}", re.DOTALL)
"""The names of half-written files: ``.tmp-LABEL-`` and 12 hexadecimal digits. No others are ever removed."""


def temporary_name(directory: Path, label: str) -> Path:
    """A new name for a half-written file or folder, by which it is found after a kill."""
    return directory / f"{TEMPORARY_PREFIX}{label}-{uuid.uuid4().hex[:12]}"


def is_temporary(name: str) -> bool:
    """Whether a name has the form that ``temporary_name`` gives."""
    return TEMPORARY_NAME.fullmatch(name) is not None


def remove_old_debris(folder: Path, names: Iterable[str]) -> None:
    """Removes half-written files of these names that are older than an hour."""
    begins = tuple(f"{TEMPORARY_PREFIX}{name}-" for name in names)
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if path.name.startswith(begins) and is_temporary(path.name) and path.lstat().st_mtime < time.time() - OLD:
            path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Writes a file's contents, or a folder's names, to the disk.

    Raises:
        OSError: the operating system refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def usable_path(path: str | os.PathLike[str]) -> Path:
    """The path, if the operating system can look for it.

    Raises:
        UserError: it is no path, is empty, holds a null character, is too long, or leads through a circle of links or a
            folder that may not be searched.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise UserError(f"a path is a {type(path).__name__}: it must be a text, or an os.PathLike of one")
    if not os.fspath(path):
        raise UserError("the path is empty: name a file or a folder")
    place = Path(path)
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise UserError(f"{_short(path)}: {reason_of(error)}; name another place") from None
    return place


def check_paths(name: str, paths: object) -> None:
    """Refuses what is no list of paths; a text is none, for it would be taken for its letters.

    Raises:
        UserError: it is something else, or empty.
    """
    if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
        raise UserError(f"{name} is a {type(paths).__name__}: it must be a list of folders")
    if not paths:
        raise UserError(f"{name} is empty: name at least one folder")


def reason_of(error: Exception) -> str:
    """The reason of an error, in words that can follow a colon."""
    words = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
    return words[:1].lower() + words[1:]


def printable(text: str) -> str:
    """The text, with control characters and characters that a terminal cannot show written as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _short(path: str | os.PathLike[str]) -> str:
    return shown(printable(os.fspath(path)))


def parse_json(text: str | bytes) -> Any:
    """The contents of a JSON text that may be untrusted.

    Raises:
        ValueError: it is no JSON, or nested too deep to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_bytes(path: str | os.PathLike[str], most: int | None = LARGEST_TEXT) -> bytes:
    """The contents of a regular file; a pipe or a device is refused at once.

    Raises:
        OSError: it cannot be read, is no regular file, or is longer than ``most`` bytes, where that is not None.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if most is not None and status.st_size > most:
            raise OSError(errno.EFBIG, f"it is longer than {most} bytes", str(path))
        return file.read() if most is None else file.read(most + 1)


def read_json(file: str, what: str) -> Any:
    """The contents of a JSON file.

    Raises:
        UserError: it cannot be read, is no JSON, or holds texts that a terminal would obey.
    """
    path = usable_path(file)
    try:
        contents = parse_json(read_bytes(path).decode("utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{file} is no {what}: it is not JSON") from None
    if any(map(has_control, _texts(contents))):
        raise UserError(f"{file} is no {what}: it holds control characters")
    return contents


def has_control(text: str) -> bool:
    """Whether a text has characters that a terminal would obey or cannot show; it may have several lines."""
    return not text.isprintable() and any(letter != "\n" and category(letter) in CONTROL for letter in text)


def _texts(contents: Any) -> Iterator[str]:
    """Every text in what JSON gave."""
    waiting = [contents]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            waiting += [*entry, *entry.values()]
        elif isinstance(entry, list):
            waiting += entry


def regular_place(path: Path) -> Path:
    """The place at which a file called ``path`` is written: links are followed and stay.

    Raises:
        UserError: something is there that is no file: a folder, a device, a pipe, a link in a circle.
    """
    place = Path(os.path.realpath(usable_path(path)))
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return place
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a link in a circle" if stat.S_ISLNK(mode) else "a device or pipe"
        raise UserError(f"cannot write {path}: it is {kind}; name a file")
    return place


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which replaces ``path`` when the block ends, and is removed where the block raises.

    Raises:
        OSError: the operating system refuses.
    """
    temporary = temporary_name(path.parent, path.name)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def write_atomically(path: Path, contents: bytes) -> None:
    """Writes ``contents`` to ``path``: a reader finds all of the old or all of the new.

    A link is followed: the file it leads to is replaced.

    Raises:
        UserError: what is there is no regular file.
        OSError: the operating system refuses.
    """
    with whole_file(regular_place(path)) as file:
        file.write(contents)
