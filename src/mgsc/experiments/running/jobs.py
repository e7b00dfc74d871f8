"""A job of a cluster: some units that one worker runs, and a message for each unit that has ended.

A message is a file, whole or not there, in a folder that all machines share. A job that starts again, after a
preemption or a death, leaves out the units that have a message. So only units that were under way run twice.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mgsc.errors import UserError
from mgsc.experiments.running.executor import Finished, Listener
from mgsc.experiments.running.remote import Setup, portable, settle, unpickled
from mgsc.experiments.running.units import Programs, Unit, run_unit
from mgsc.experiments.store import files, marks

MOST_PROGRAMS = 8

MESSAGE = ".message"
"""The end of the names of messages, which begin with the number of the unit."""

SLACK = 90.0
"""Seconds by which SLURM's signal before a job's end may come too early: it checks once a minute."""


class Message(NamedTuple):
    """A worker's message about a unit that has ended.

    Attributes:
        result: of the unit; None where it failed.
        error: that stopped it; None where none did.
    """

    result: Any
    error: BaseException | None = None


def received(unit: Unit, message: Message, listener: Listener) -> Finished:
    """A unit with its result, after the listener has received its steps.

    Raises:
        Exception: the error that stopped the unit.
    """
    if message.error is not None:
        raise message.error
    listener.running(unit)
    listener.advance(unit, unit.num_steps)
    return unit, message.result


def keep_failure(unit: Unit, reason: str, log: str | Path) -> None:
    """Marks a unit as failed, at the place of its part; see ``store.marks.keep_failure``."""
    if unit.place is not None:
        marks.keep_failure(unit.place, unit.seeds, reason, log)


@dataclass(frozen=True)
class Group:
    """The units of a job; plain data.

    Attributes:
        name: of the job within its session.
        folder: of its messages.
        numbers: the number of each unit in the session.
        units: from ``remote.pickled``.
        setup: of the worker.
        cpus: units that run at once.
        seconds: the job's time limit.
        notice: seconds before it at which the job receives a signal.
    """

    name: str
    folder: str
    numbers: tuple[int, ...]
    units: tuple[bytes, ...]
    setup: Setup
    cpus: int
    seconds: float
    notice: float

    @property
    def beat(self) -> Path:
        """The file that the worker touches while it lives."""
        return Path(self.folder) / f"{self.name}.beat"

    def message(self, number: int) -> Path:
        """The file of a unit's message."""
        return Path(self.folder) / f"{number}{MESSAGE}"

    @property
    def requeue(self) -> Path:
        """The file that exists while the job waits to start again."""
        return Path(self.folder) / f"{self.name}.requeue"

    def is_to_go_on(self) -> bool:
        """Whether the job had to end early, and will start again."""
        return self.requeue.exists()

    def missing(self) -> list[int]:
        """The places of the units that have no message."""
        return [place for place, number in enumerate(self.numbers) if not self.message(number).exists()]


def read_message(folder: Path, number: int) -> Message:
    """The message about a unit."""
    return Message(*pickle.loads((folder / f"{number}{MESSAGE}").read_bytes()))


def numbers_of_messages(folder: Path) -> list[int]:
    """The numbers of the units with messages, in order."""
    names = (name for name in os.listdir(folder) if name.endswith(MESSAGE) and not files.is_temporary(name))
    return sorted(int(name.removesuffix(MESSAGE)) for name in names)


class RunGroup:
    """The function of a job, which runs a group; submitit calls ``checkpoint`` when the job must end too early."""

    def __init__(self) -> None:
        """Has begun nothing yet."""
        self._began, self._done = 0.0, 0

    def __call__(self, group: Group) -> None:
        """Runs what has no message yet; each unit gets one, whether it ends well or not."""
        self._began, self._done = time.monotonic(), 0
        group.beat.touch()
        group.requeue.unlink(missing_ok=True)
        with marks.touching(group.beat):
            self._run(group)

    def checkpoint(self, group: Group) -> Any:
        """The same job for another submission, unless no unit has ended within the whole time of a job."""
        ran = time.monotonic() - self._began
        group.requeue.touch()
        if self._done == 0 and ran >= group.seconds - group.notice - SLACK and ran >= group.seconds / 3:
            for place in group.missing():
                minutes = f"{group.seconds / 60:.0f} minutes"
                words = f"no unit of {group.name} ended within the {minutes} of a job: set a longer time"
                _send(group, place, Message(None, UserError(words)))
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(RunGroup(), group)

    def _run(self, group: Group) -> None:
        places = group.missing()
        try:
            settle(group.setup)
        except Exception as error:
            for place in places:
                _send(group, place, Message(None, portable(error)))
            return
        programs, pool = Programs(most=MOST_PROGRAMS), ThreadPoolExecutor(group.cpus)
        # The main thread only waits: there it receives the signal that ends the job early, whatever is computed.
        running: set[Future[None]] = {pool.submit(_run_one, group, place, programs) for place in places}
        try:
            while running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                    self._done += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run_one(group: Group, place: int, programs: Programs) -> None:
    try:
        message = Message(run_unit(unpickled(group.units[place]), programs))
    except Exception as error:
        message = Message(None, portable(error))
    _send(group, place, message)


def _send(group: Group, place: int, message: Message) -> None:
    files.write_atomically(group.message(group.numbers[place]), pickle.dumps(tuple(message)))


def make_folder(parent: str) -> Path:
    """A new folder for the jobs and messages of a session.

    Raises:
        UserError: it cannot be made.
    """
    path = Path(os.path.abspath(files.usable_path(parent))) / time.strftime(f"%Y%m%d-%H%M%S-{uuid.uuid4().hex[:8]}")
    with files.as_store_errors("make the folder", path):
        path.mkdir(parents=True)
    return path


def divided(number: int, groups: int) -> list[range]:
    """Things in order, divided into groups of almost the same size, none of them empty."""
    groups = max(1, min(number, groups))
    return [range(index * number // groups, (index + 1) * number // groups) for index in range(groups)]


def is_late(group: Group, patience: float) -> bool:
    """Whether a group's worker gave a sign of life, then none for too long, and does not wait to start again."""
    if group.is_to_go_on():
        return False
    with contextlib.suppress(OSError):
        return time.time() - group.beat.stat().st_mtime > patience
    return False


def log_of(paths: Sequence[Path]) -> Path | None:
    """The first of some logs that exists and is not empty."""
    return next((path for path in paths if path.exists() and path.stat().st_size), None)
