"""The interface of executors, which run units.

An executor opens a session. Units are submitted to it, and it returns each with its result when it has ended, in any
order. A new executor, such as one for a cluster, implements the three functions of a session.
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
    """The callbacks by which a session reports.

    Attributes:
        compiling: ``(unit,)`` when its program begins to compile.
        shared: ``(unit,)`` when its program had been compiled before.
        running: ``(unit,)`` when its program has compiled, before it runs.
        advance: ``(unit, lane_steps)`` after each call.
    """

    compiling: Callable[[Unit], None] = lambda unit: None
    shared: Callable[[Unit], None] = lambda unit: None
    running: Callable[[Unit], None] = lambda unit: None
    advance: Callable[[Unit, int], None] = lambda unit, steps: None


class Session(Protocol):
    """Units under way."""

    def prepare(self, unit: Unit) -> None:
        """Announces that units of this one's program will be submitted later; it may be compiled ahead."""

    def submit(self, unit: Unit) -> None:
        """Accepts a unit; units submitted first begin first.

        Raises:
            UserError: the unit cannot run there.
        """

    def finished(self) -> Finished:
        """Waits for the next unit that ends; called once for each that was submitted.

        Raises:
            UserError: the error that stopped a unit, which is not tried again.
        """


class Executor(NamedTuple):
    """A place where units run.

    Attributes:
        name: for ``--executor``.
        open: ``(listener) →`` a context manager of a session; units that still run when it ends are abandoned.
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
    """Runs units, and yields each with its result when it ends.

    Args:
        units: in the order in which they begin.
        executor: that runs them.
        progress: receives the steps, and for each label the beginning of its first unit.
        label: the name under which a unit's progress is reported.
        meanwhile: called when all units are submitted, while the first ones compile.

    Raises:
        UserError: a unit cannot run, before any work where that is known; or an error stopped it.
    """
    with executor.open(listener_of(progress, label)) as session:
        for unit in units:
            session.submit(unit)
        meanwhile()
        for _ in units:
            yield session.finished()


def listener_of(progress: Progress, label: Callable[[Unit], str] = lambda unit: unit.agent) -> Listener:
    """A listener that reports a session's events to a display, each label's beginning once."""
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
