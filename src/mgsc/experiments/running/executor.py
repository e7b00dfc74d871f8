"""Where units run: the interface of executors.

An executor opens a session. Units are submitted to it, and each is given back with its result when it has ended, in
whichever order. To write another one, for a cluster say, write these three functions of a session.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.units import Unit

if TYPE_CHECKING:
    from mgsc.experiments.running.program import BlockResult

Finished = tuple[Unit, "BlockResult"]


class Listener(NamedTuple):
    """How a session reports.

    Attributes:
        compiling: ``(unit,)`` when its program begins to compile.
        shared: ``(unit,)`` when that turns out to be a program that was compiled before.
        running: ``(unit,)`` when its program has compiled, before it runs.
        advance: ``(unit, lane_steps)`` as they are done.
    """

    compiling: Callable[[Unit], None] = lambda unit: None
    shared: Callable[[Unit], None] = lambda unit: None
    running: Callable[[Unit], None] = lambda unit: None
    advance: Callable[[Unit, int], None] = lambda unit, steps: None


class Session(Protocol):
    """Units under way."""

    def prepare(self, unit: Unit) -> None:
        """Takes note that units of this one's program will be submitted later; it may be compiled ahead."""

    def submit(self, unit: Unit) -> None:
        """Takes a unit on; those submitted first begin first.

        Raises:
            UserError: the unit cannot run there.
        """

    def finished(self) -> Finished:
        """Waits for the next unit that ends; called once for each that was submitted.

        Raises:
            UserError: what stopped a unit; it is not tried again.
        """


class Executor(NamedTuple):
    """Where units run.

    Attributes:
        name: as ``--executor`` spells it.
        open: ``(listener) →`` a context manager of a session; whatever still runs when it ends is abandoned.
        shares_programs: whether a program is compiled once for all workers. Otherwise units of different
            programs are better run side by side.
    """

    name: str
    open: Callable[[Listener], AbstractContextManager[Session]]
    shares_programs: bool


def execute(
    units: Sequence[Unit],
    executor: Executor,
    progress: Progress,
    *,
    label: Callable[[Unit], str] = lambda unit: unit.agent,
    meanwhile: Callable[[], object] = lambda: None,
) -> Generator[Finished, None, None]:
    """Runs units, giving each with its result as it ends.

    Args:
        units: those that are to begin first stand first.
        executor: where.
        progress: receives the steps, and for each label when its first unit runs.
        label: under which name a unit's progress is reported.
        meanwhile: is called once all units are submitted, while the first compile.

    Raises:
        UserError: a unit cannot run, or what stopped it; before any work where that can be seen.
    """
    with executor.open(listener_of(progress, label)) as session:
        for unit in units:
            session.submit(unit)
        meanwhile()
        for _ in units:
            yield session.finished()


def listener_of(progress: Progress, label: Callable[[Unit], str] = lambda unit: unit.agent) -> Listener:
    """Passes on to a display what a session reports, each label's beginning once."""
    begun: dict[str, Unit] = {}

    def running(unit: Unit) -> None:
        name = label(unit)
        if begun.setdefault(name, unit) is unit:  # of several threads one is the first
            progress.running(name)

    return Listener(
        compiling=lambda unit: progress.compiling(label(unit)),
        shared=lambda unit: progress.shared(label(unit)),
        running=running,
        advance=lambda unit, steps: progress.advance(label(unit), steps),
    )
