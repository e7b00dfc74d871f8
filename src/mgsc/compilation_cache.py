"""The folder in which the command line keeps compiled programs, so that they are compiled once.

JAX's persistent cache keeps them: its keys hold the program, the options and the versions; it locks its folder, and
removes the program used longest ago when it grows too large. The folder is in the user's cache folder, apart for each
kind of processor, because machines with different compiled code may share a home. A cache that the user has set has
precedence. The Python API uses none unless the user sets one.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import NamedTuple

from mgsc.errors import UserError

LIMIT = 512 * 2**20
"""Bytes of the programs of one kind of processor; those of the paper's suites take about ten million."""

LEAST_SECONDS = 0.1
"""Seconds; a program that compiles in less time is not kept."""

FOLDER = "JAX_COMPILATION_CACHE_DIR"
SUFFIX = "-cache"
"""How the names of kept programs end."""


class Contents(NamedTuple):
    """Contents of a cache: number of programs, and bytes of all files."""

    programs: int
    size: int


def root(environment: MutableMapping[str, str] | None = None) -> Path:
    """The folder of all compiled programs: in the cache folder that the platform gives each user."""
    variables = os.environ if environment is None else environment
    base = variables.get("XDG_CACHE_HOME") or os.path.join(
        "~", "Library/Caches" if sys.platform == "darwin" else ".cache"
    )
    return Path(base).expanduser() / "mgsc" / "programs"


def processor() -> str:
    """The name of this kind of processor, of architecture, model and instructions: equal names share compiled code."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            first = list(itertools.takewhile(str.strip, file))  # up to the empty line: many cores say the same
        described = [line for line in first if line.startswith(("model name", "flags", "Features"))]
    except OSError:
        described = [platform.processor(), platform.release()]
    digest = hashlib.sha256("".join(described).encode()).hexdigest()[:12]
    return f"{platform.machine()}-{digest}"


def switch_on(environment: MutableMapping[str, str] | None = None) -> None:
    """Sets JAX's cache by environment variables, before JAX is imported; worker processes inherit them.

    Where the folder cannot be written, as in a home that is read-only, nothing is kept.
    """
    variables = os.environ if environment is None else environment
    if FOLDER in variables:
        return
    folder = root(variables) / processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        variables[FOLDER] = str(folder)
        variables.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(LIMIT))
        variables.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(LEAST_SECONDS))


def contents(folder: Path) -> Contents:
    """Contents of a folder of the cache, with all folders below it."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return Contents(sum(path.name.endswith(SUFFIX) for path in files), sum(_size(path) for path in files))


def clear() -> Contents:
    """Removes all compiled programs that the command line has kept; those of a cache the user has set stay.

    Returns:
        The contents that were removed.

    Raises:
        UserError: the folder cannot be removed.
    """
    folder = root()
    found = contents(folder)
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"cannot remove {folder}: {error.strerror}") from None
    return found


def in_words(*, clears: bool) -> list[str]:
    """Lines that describe the cache: its contents and whether it is in use, or what was removed.

    Raises:
        UserError: the folder cannot be removed.
    """
    folder = root()
    if clears:
        found = clear()
        return [f"{folder}: {found.programs} compiled programs removed, {found.size / 1e6:.1f} MB"]
    found = contents(folder)
    lines = [f"{folder}: {found.programs} compiled programs, {found.size / 1e6:.1f} MB"]
    used = os.environ.get(FOLDER)
    if used is None:
        return [*lines, "not in use: the folder cannot be written"]
    if not Path(used).is_relative_to(folder):
        return [*lines, f"not in use: {FOLDER} is {used}"]
    return [*lines, f"in use on this machine: {used}, at most {LIMIT / 1e6:.0f} MB"]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process has just dropped it
        return 0
