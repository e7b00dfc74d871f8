"""One agent of a classic experiment as a compiled program: runs that end when they have what is recorded.

As ``mgsc.experiments.running.program``, but runs differ in length; so a lane whose run is over takes the next
seed. A lane's bits do not depend on what runs beside it, nor on what ran in it before.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mgsc import dyna
from mgsc.errors import UserError
from mgsc.experiments.classics.design import MOST_TIMES, Classic
from mgsc.experiments.classics.recorders import Recording, episode_lengths, first_solution, reward_through_time
from mgsc.experiments.classics.sweeping import with_counter
from mgsc.experiments.running.build import build_agent, replace_numbers
from mgsc.experiments.running.measuring import Measuring
from mgsc.experiments.running.program import BlockResult, Lane, Program, program_key, run_key
from mgsc.experiments.running.units import Unit
from mgsc.problem import Problem
from mgsc.types import Array, PyTree

BLOCKS_AHEAD = 16
"""Most runs of a batch for one worker, in block widths. At the end of each batch lanes are idle: with more batches more
of the time; with fewer of them the workers end at different times."""

State = tuple[dyna.DynaState, dict[str, Array]]


def classic_key(classic: Classic, name: str) -> str:
    """A key that is equal for agents of classic experiments with one program."""
    record = dataclasses.replace(classic, suite=None, runs=0, planning_only=())  # type: ignore[arg-type]
    return repr((record, name in classic.planning_only, program_key(classic.suite, classic.suite.agents[name])))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassicUnit(Unit):
    """A batch of runs of one agent of a classic experiment; of any number of lanes.

    Attributes:
        classic: the experiment.
    """

    classic: Classic

    @functools.cached_property
    def key(self) -> str:
        """A key that is equal for batches of one compiled program."""
        return repr((self.root_seed, classic_key(self.classic, self.agent)))

    def make_program(self, problem: Problem, measuring: Measuring | None = None) -> Program:
        """Its program, not compiled yet."""
        del measuring
        return ClassicProgram(self.classic, self.agent, problem, self.root_seed)


class ClassicProgram(Program):
    """The compiled program of one agent of a classic experiment."""

    measures = False

    def __init__(self, classic: Classic, name: str, problem: Problem, root_seed: int) -> None:
        """Plans the program.

        Args:
            classic: what to run.
            name: one of its agents.
            problem: of its suite.
            root_seed: root of the seeds of all runs.
        """
        super().__init__(classic.suite, classic.suite.agents[name], problem, root_seed)
        self.classic = classic
        self.updates_directly = name not in classic.planning_only

    def run_block(
        self,
        lanes: Sequence[Lane],
        device: jax.Device,
        progress: Callable[[int], None],
        observe: Callable[[int, dict[str, Any]], None] = lambda first_chunk, record: None,
    ) -> BlockResult:
        """Runs any number of lanes; ``progress`` receives the suite's ``steps`` for each run that is over.

        ``observe`` is never called: runs record when they are over.

        Returns:
            The record's results by name, [lanes] or [lanes, ...], in the order of the lanes.

        Raises:
            UserError: a run has not come to its end after many times the suite's ``steps``.
        """
        tables, init, call, _ = self.functions(device, len(lanes))
        began = time.perf_counter()
        with jax.default_device(device):
            waiting = list(range(len(lanes)))
            places = [waiting.pop(0) if waiting else -1 for _ in range(self.width(device, len(lanes)))]
            numbers, seeds = self._arguments([lanes[max(place, 0)] for place in places], device)
            state, steps = init(tables, numbers, seeds), np.zeros(len(places), np.int64)
            found: dict[int, dict[str, Any]] = {}
            while len(found) < len(lanes):
                state, (results, is_over) = call(tables, numbers, seeds, state)
                steps += self.suite.record_every
                done = [lane for lane in np.flatnonzero(is_over) if places[lane] >= 0]
                if not done:
                    self._refuse_endless(steps, places)
                    continue
                kept = {name: np.asarray(value) for name, value in results.items()}
                for lane in done:
                    found[places[lane]] = {name: value[lane] for name, value in kept.items()}
                    places[lane], steps[lane] = waiting.pop(0) if waiting else -1, 0
                    progress(self.suite.steps)
                numbers, seeds = self._arguments([lanes[max(place, 0)] for place in places], device)
                is_new = np.isin(np.arange(len(places)), done)
                state = _refilled(is_new, init(tables, numbers, seeds), state)
        seconds = time.perf_counter() - began
        record = {name: np.stack([found[place][name] for place in range(len(lanes))]) for name in found[0]}
        return BlockResult(lanes, record, seconds)

    def recording(self) -> Recording:
        """The recording of this agent's runs."""
        length, suite = self.classic.length, self.suite
        if self.classic.records == "episodes":
            return episode_lengths(length)
        if self.classic.records == "reward":
            return reward_through_time(suite.steps, length)
        tables = self.problem.known.tables.phase(0)
        return first_solution(tables, length, self._updates, at_ends=self.classic.looks_at_ends)

    def _updates(self, state: dyna.DynaState, steps: Array) -> Array:
        return state.search.updates if self._counts else (1 + self._num_updates) * steps

    def _refuse_endless(self, steps: np.ndarray[Any, Any], places: Sequence[int]) -> None:
        most = MOST_TIMES * self.suite.steps
        if (steps[np.array(places) >= 0] > most).any():
            raise UserError(f"{self.suite.title}: {self.agent.strategy} has not come to an end in {most:,} steps")

    def _build(self, tables: PyTree, numbers: dict[str, Any]) -> dyna.Dyna:
        problem = self.problem.of_tables(tables)
        agent = build_agent(self.suite, replace_numbers(self.agent, numbers), problem)
        agent = agent._replace(updates_directly=self.updates_directly)
        self._num_updates = agent.max_planning_updates
        self._counts = self.classic.records == "solution" and self.agent.strategy == "prioritized_sweeping"
        if not self._counts:
            return agent
        return agent._replace(search_control=with_counter(agent.search_control))

    def _init(self, tables: PyTree, numbers: dict[str, Array], seed: Array) -> Any:
        return dyna.init(self._build(tables, numbers), run_key(self.root_seed, seed)), self.recording().init()

    def _call(self, tables: PyTree, numbers: dict[str, Array], seed: Array, state: Any) -> Any:
        agent, recording = self._build(tables, numbers), self.recording()
        dyna_state, record = dyna.run_chunk(
            agent,
            state[0],
            run_key(self.root_seed, seed),
            num_steps=self.suite.record_every,
            measure_every=1 if recording.measures_steps else self.suite.measure_every,
            recorder=recording.after(state[1]),
        )
        results = {name: record[name][:size] if size else record[name] for name, size in recording.results.items()}
        return (dyna_state, record), (results, recording.is_over(record))


@jax.jit
def _refilled(is_new: Array, fresh: PyTree, state: PyTree) -> PyTree:
    """The state with the lanes ``is_new`` [B] begun afresh."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(is_new.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    return jax.tree.map(choose, fresh, state)


def batch_size(num_lanes: int, num_workers: int, width: int) -> int:
    """Lanes of a batch: as many for each worker as at most ``BLOCKS_AHEAD`` blocks of a width hold."""
    rounds = -(-num_lanes // (num_workers * BLOCKS_AHEAD * width))
    return -(-num_lanes // (num_workers * rounds))
