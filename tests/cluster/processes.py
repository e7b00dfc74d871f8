"""The processes of this machine, from ``/proc``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def processes() -> list[int]:
    """All processes of this machine."""
    return [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()]


def of_process(pid: int, name: str) -> bytes:
    """A file of ``/proc`` about a process; empty if that has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def open_files(pid: int) -> set[str]:
    """The files that a process keeps open."""
    found = set()
    with contextlib.suppress(OSError):
        for place in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(place))
    return found


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and theirs."""
    # After the name, which may hold anything in its parentheses: the state, then the parent.
    stats = {number: of_process(number, "stat").rpartition(b")")[2].split() for number in processes()}
    parents = {number: int(stat[1]) for number, stat in stats.items() if stat}
    found, new = set[int](), {pid}
    while new:
        new = {number for number, parent in parents.items() if parent in new} - found
        found |= new
    return found
