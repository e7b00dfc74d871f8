"""Marks of units that run in a result folder or have failed: a small file beside the parts for each.

A unit's mark is written when it begins, touched while it runs, and removed when its part is there. A unit that fails
leaves its mark, with the reason in a line and the whole traceback in a log. A killed one leaves a mark that is not
touched any more. Marks decide nothing: a unit is done if it has a part.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mgsc.experiments.store import files
from mgsc.experiments.store.checked import line, whole, wholes
from mgsc.experiments.store.part_place import PartPlace
from mgsc.files import printable, reason_of

BEAT = 20.0
"""Seconds between two touches of a mark."""

LATE = 9 * BEAT
"""Seconds after which an untouched mark is that of a dead process; clocks may differ by some of them."""

MARK_NAME = re.compile(r"[\w.~%-]+-g(\d+)-\d+\.(mark|log)", re.ASCII)
"""Form of the names of marks and logs, AGENT-gGENERATION-SEED.mark; the group is the generation."""

LONGEST_REASON = 300

LATEST = 253_402_300_799
"""The last second of the year 9999: a mark of a later one is damaged."""

RUNNING, FAILED = "running", "failed"


@dataclass(frozen=True)
class Mark:
    """A unit that runs, or has failed.

    Attributes:
        state: ``"running"`` or ``"failed"``.
        agent: the agent's name.
        seeds: its seeds.
        host: the name of the machine.
        process: the number of its process there.
        began: time of its beginning, in seconds since 1970.
        reason: of its failure, in a line; empty while it runs.
        log: the file with its log; empty where there is none.
    """

    state: str
    agent: str
    seeds: tuple[int, ...]
    host: str
    process: int
    began: float
    reason: str = ""
    log: str = ""

    @property
    def name(self) -> str:
        """The name of the unit."""
        return f"{self.agent}-{self.seeds[0]}"


@contextlib.contextmanager
def marked(place: PartPlace, seeds: tuple[int, ...]) -> Iterator[None]:
    """Marks a unit while the block runs it and writes its part; an error leaves the mark, and is raised.

    A mark that cannot be written, as on a full disk, is left out.
    """
    path = mark_path(place, seeds)
    mark = Mark(RUNNING, place.agent, seeds, socket.gethostname(), os.getpid(), time.time())
    _write(path, mark)
    try:
        with touching(path):
            yield
    except Exception as error:
        keep_error(place, seeds, error, mark.began)
        raise
    except BaseException:  # stopped: it is as if it had not begun
        _remove(path)
        raise
    _remove(path)
    _remove(path.with_suffix(".log"))


def keep_error(place: PartPlace, seeds: tuple[int, ...], error: Exception, began: float | None = None) -> None:
    """Marks a unit as failed by an error of this process, see ``keep_failure``."""
    keep_failure(place, seeds, reason_of(error), "".join(traceback.format_exception(error)), began)


def keep_failure(
    place: PartPlace, seeds: tuple[int, ...], reason: str, log: str | Path, began: float | None = None
) -> None:
    """Marks a unit as failed.

    Args:
        place: of its part.
        seeds: its seeds.
        reason: of the failure, in a line.
        log: the text of its log, which is kept beside the mark, or the file of its log.
        began: time of its beginning, in seconds since 1970; None for now.
    """
    path = mark_path(place, seeds)
    file = log if isinstance(log, Path) else path.with_suffix(".log")
    if not isinstance(log, Path):
        with contextlib.suppress(OSError):
            files.write_atomically(file, log.encode(errors="replace"))
    words = printable(" ".join(reason.split()))[:LONGEST_REASON]
    host, process = socket.gethostname(), os.getpid()
    _write(path, Mark(FAILED, place.agent, seeds, host, process, began or time.time(), words, str(file)))


def mark_path(place: PartPlace, seeds: tuple[int, ...]) -> Path:
    """The file of a unit's mark."""
    return place.path(seeds).with_suffix(".mark")


def mark_files(directory: Path, generation: int) -> list[Path]:
    """The marks of a generation in a folder of parts."""
    found = ((MARK_NAME.fullmatch(entry.name), entry) for entry in _entries(directory) if entry.name.endswith(".mark"))
    own = (entry for name, entry in found if name and int(name[1]) == generation)
    return [Path(entry.path) for entry in own if entry.is_file(follow_symlinks=False)]


def remove_marks(directory: Path, but: int = 0) -> None:
    """Removes marks and logs, except those of one generation."""
    for entry in _entries(directory):
        found = MARK_NAME.fullmatch(entry.name)
        if found and int(found[1]) != but and entry.is_file(follow_symlinks=False):
            _remove(Path(entry.path))


def read_mark(path: Path) -> Mark | None:
    """The mark in a file; None if it is gone, damaged, or that of a dead process."""
    try:
        touched = path.stat().st_mtime
        contents = files.parse_json(files.read_bytes(path, most=2**20))
        mark = Mark(
            state=line(contents["state"], "state"),
            agent=line(contents["agent"], "agent"),
            seeds=wholes(contents["seeds"], "seeds"),
            host=line(contents["host"], "host"),
            process=whole(contents["process"], "process", low=1, high=2**31 - 1),
            began=float(contents["began"]),
            reason=line(contents["reason"], "reason"),
            log=line(contents["log"], "log"),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    if mark.state not in (RUNNING, FAILED) or not mark.seeds or not 0 <= mark.began <= LATEST:
        return None
    return mark if mark.state == FAILED or _lives(mark, touched) else None


def _lives(mark: Mark, touched: float) -> bool:
    """Whether the process of a mark still runs."""
    if time.time() - touched > LATE:
        return False
    if mark.host != socket.gethostname():
        return True
    try:
        os.kill(mark.process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _write(path: Path, mark: Mark) -> None:
    with contextlib.suppress(OSError):
        files.write_atomically(path, (json.dumps(mark.__dict__) + "\n").encode())


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def touching(path: Path) -> Iterator[None]:
    """Touches a file at intervals while the block runs, from a thread: a compilation could not do so."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
