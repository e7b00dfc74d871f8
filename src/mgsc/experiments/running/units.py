"""Units of work: blocks of lanes of one agent, each of which may run anywhere and has the same bits there.

A suite, a sweep, a study and the classics are lists of units. A unit is data and can be pickled; ``run_unit`` builds,
compiles and runs it in the process that calls it. Executors run units (``running.executor``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import jax

    from mgsc.experiments.design.suites import Suite
    from mgsc.experiments.running.measuring import Measuring
    from mgsc.experiments.running.program import BlockResult, Lane, Program
    from mgsc.experiments.running.share import Share
    from mgsc.experiments.store import PartPlace, ResultFolder
    from mgsc.experiments.tracking.runs import Tracking
    from mgsc.problem import Problem

    Arrays = dict[str, np.ndarray[Any, Any]]

MOST_PROGRAMS = 4
"""Compiled programs that a process keeps where it receives its units one by one."""

FULL_BLOCK = 2**30
"""Lanes of a unit that announces later ones: its program is compiled for a whole block."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """A block of lanes of one agent.

    Attributes:
        name: unique in its list, such as ``uniform-16``.
        suite: its settings; of its agents only this one is needed.
        agent: the agent's name.
        lanes: seeds with the values of traced settings that differ from the agent's; at most a block width.
        root_seed: root of the seeds of all lanes.
        tunes: records reward and numbers of episodes only, and lets lanes differ in K.
        place: of its part; None where its record is returned.
        tracking: where the records of its lanes are logged while it runs; None for nowhere.
        side_by_side: units of its agent that run at once, by which its time is divided.
        problem: the suite's, if it is built. It is not sent to other processes.
    """

    name: str
    suite: Suite
    agent: str
    lanes: Sequence[Lane]
    root_seed: int
    tunes: bool = False
    place: PartPlace | None = None
    side_by_side: int = 1
    tracking: Tracking | None = None
    problem: Problem | None = dataclasses.field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the problem, which holds functions."""
        return {**self.__dict__, "problem": None}

    @functools.cached_property
    def key(self) -> str:
        """A key that is equal for units of one compiled program."""
        from mgsc.experiments.running.program import program_key

        return repr((self.root_seed, self.tunes, program_key(self.suite, self._settings, tunes=self.tunes)))

    @property
    def num_steps(self) -> int:
        """Lane-steps of the unit."""
        return len(self.lanes) * self.suite.steps

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each lane."""
        return tuple(lane.seed for lane in self.lanes)

    def make_program(self, problem: Problem, measuring: Measuring | None = None) -> Program:
        """Its program, not compiled yet; all programs of one problem may share ``measuring``."""
        from mgsc.experiments.running.program import Program

        return Program(self.suite, self._settings, problem, self.root_seed, tunes=self.tunes, measuring=measuring)

    def complete_lanes(self) -> list[Lane]:
        """Its lanes with all numbers in which lanes of its program may differ."""
        from mgsc.experiments.running.program import Lane, lane_numbers

        own = lane_numbers(self._settings, tunes=self.tunes)
        return [Lane(lane.seed, {**own, **lane.numbers}) for lane in self.lanes]

    @property
    def _settings(self) -> Any:
        return self.suite.agents[self.agent]


class _Entry:
    """A program of ``Programs``, and the right to compile it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.program: Program | None = None
        self.is_counted = False


class Programs:
    """The compiled programs of a process. Threads share them, and each is compiled once."""

    def __init__(self, most: int | None = None) -> None:
        """An empty collection; of more than ``most`` programs the one that was used longest ago is dropped."""
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._problems: OrderedDict[str, tuple[Problem, Measuring | None]] = OrderedDict()

    def compiled(self, unit: Unit, devices: Sequence[jax.Device]) -> Program:
        """The program of a unit, compiled for some devices; a second thread waits for the first.

        Raises:
            UserError: the unit's settings are impossible.
        """
        with self._lock:
            entry = self._entries.setdefault(unit.key, _Entry())
            self._entries.move_to_end(unit.key)
            while self._most is not None and len(self._entries) > self._most:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.program is None:
                entry.program = unit.make_program(*self._problem(unit))
            size = len(unit.lanes) or FULL_BLOCK
            missing = [device for device in dict.fromkeys(devices) if not entry.program.is_compiled_for(device, size)]
            if missing:
                entry.program.compile(missing, size)
            return entry.program

    def drop(self, key: str) -> None:
        """Drops a program: a process may compile hundreds."""
        with self._lock:
            self._entries.pop(key, None)

    def count_seconds(self, key: str) -> float:
        """Seconds that a program took to compile, the first time this is called; 0 after that."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.program is None or entry.is_counted:
                return 0.0
            entry.is_counted = True
            return entry.program.compile_seconds

    def _problem(self, unit: Unit) -> tuple[Problem, Measuring | None]:
        """A unit's problem, and what measures all its agents."""
        from mgsc.experiments.running.build import build_problem
        from mgsc.experiments.running.measuring import measuring_of
        from mgsc.experiments.running.program import problem_key

        key = problem_key(unit.suite)
        with self._lock:
            if key not in self._problems:
                problem = unit.problem or build_problem(unit.suite)
                self._problems[key] = problem, measuring_of(unit.suite, problem)
            self._problems.move_to_end(key)
            while len(self._problems) > MOST_PROGRAMS:
                self._problems.popitem(last=False)
            return self._problems[key]


OF_THIS_PROCESS = Programs(MOST_PROGRAMS)


def run_unit(
    unit: Unit,
    programs: Programs = OF_THIS_PROCESS,
    device: jax.Device | None = None,
    advance: Callable[[int], None] = lambda steps: None,
) -> BlockResult:
    """Runs a unit in this process.

    Args:
        unit: to run.
        programs: that hold its program, or receive it.
        device: None for the first in use.
        advance: receives the lane-steps of each call.

    Returns:
        The record, and times. The record is empty where it was written as a part.

    Raises:
        UserError: impossible settings, a run that cannot go on, or a part that cannot be written.
    """
    from mgsc.experiments.running.devices import devices

    if unit.place is None:
        return _run_here(unit, programs, device or devices()[0], advance)
    from mgsc.experiments.store.marks import marked

    with marked(unit.place, unit.seeds):
        result = _run_here(unit, programs, device or devices()[0], advance)
        unit.place.write(unit.seeds, with_times(unit, result))
    return result._replace(record={})


@contextlib.contextmanager
def failing(unit: Unit) -> Iterator[None]:
    """Keeps an error of the block, which prepares a unit, beside the place of its part, and raises it."""
    try:
        yield
    except Exception as error:
        if unit.place is not None:
            from mgsc.experiments.store.marks import keep_error

            keep_error(unit.place, unit.seeds, error)
        raise


def _run_here(unit: Unit, programs: Programs, device: jax.Device, advance: Callable[[int], None]) -> BlockResult:
    program = programs.compiled(unit, [device])
    with contextlib.ExitStack() as stack:
        how = {}
        if unit.tracking is not None:
            from mgsc.experiments.running.live import tracked

            what = unit.suite, unit.agent, unit.root_seed, unit.seeds, program.problem
            how["observe"] = stack.enter_context(tracked(unit.tracking, *what))
        result = program.run_block(unit.complete_lanes(), device, advance, **how)
    return result._replace(lanes=unit.lanes, compile_seconds=programs.count_seconds(unit.key))


def with_times(unit: Unit, result: BlockResult) -> Arrays:
    """The record of a unit, with its share of the time."""
    times = {"run_seconds": result.seconds / unit.side_by_side, "compile_seconds": result.compile_seconds}
    return {**result.record, **{name: np.array(seconds) for name, seconds in times.items()}}


AnyUnit = TypeVar("AnyUnit", bound=Unit)


def cut(unit: AnyUnit, width: int) -> list[AnyUnit]:
    """Cuts a unit of any number of lanes into units of at most a block width, named by their first lanes' places."""
    return [
        dataclasses.replace(unit, name=f"{unit.name}-{first}", lanes=unit.lanes[first : first + width])
        for first in range(0, len(unit.lanes), width)
    ]


def units_of(
    suite: Suite,
    seeds: Sequence[int],
    root_seed: int,
    folder: ResultFolder | None = None,
    problem: Problem | None = None,
    share: Share | None = None,
    tracking: Tracking | None = None,
) -> list[Unit]:
    """The units of a suite that are missing, agent by agent, named AGENT-SEED by their first seeds.

    Args:
        suite: checked settings.
        seeds: for every agent.
        root_seed: root of all seeds.
        folder: units that are finished there are left out, and the others write their parts there; None for all units.
        problem: the suite's, if it is built.
        share: None for all. Shares divide all units, finished ones included, so that they do not depend on each other.
        tracking: where their records are logged.
    """
    from mgsc.experiments.running.devices import block_width, workers
    from mgsc.experiments.running.program import Lane, blocks_of

    width, num_workers, units = block_width(lanes_per_block=suite.lanes_per_block), len(workers()), list[Unit]()
    own = _seeds_of_share(suite, seeds, width, share)
    for name, agent in suite.agents.items():
        missing = seeds if folder is None else folder.missing_seeds(name)
        blocks = blocks_of([Lane(seed, {}) for seed in missing if share is None or seed in own[name]], width)
        alone = dataclasses.replace(suite, agents={name: agent})
        place = folder.place(name) if folder is not None and blocks else None
        side_by_side = min(len(blocks), num_workers)
        one = Unit(name, alone, name, (), root_seed, False, place, side_by_side, tracking, problem)
        units += [dataclasses.replace(one, name=f"{name}-{block[0].seed}", lanes=block) for block in blocks]
    return units


def _seeds_of_share(suite: Suite, seeds: Sequence[int], width: int, share: Share | None) -> dict[str, set[int]]:
    """By agent the seeds of the blocks that belong to a share, whichever of them are finished."""
    if share is None:
        return {}
    blocks = [(name, seeds[first : first + width]) for name in suite.agents for first in range(0, len(seeds), width)]
    own = dict[str, set[int]]({name: set() for name in suite.agents})
    for name, block in share.take(blocks):
        own[name] |= set(block)
    return own
