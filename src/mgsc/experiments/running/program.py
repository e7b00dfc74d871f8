"""One agent of a suite as a compiled program over lanes, and the workers that run it.

Its arguments are the problem's tables, the traced settings of each lane, and the lanes' seeds: agents and suites that
differ in these only share their compiled programs.

A *lane* is a seed with its traced settings. Lanes run in padded blocks of one fixed width, so a lane's
bits do not depend on what runs beside it, and every block of every sweep is the same program. Blocks
are spread over all CPU cores (one thread each: XLA releases the interpreter), or over all accelerators.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from numpy.typing import NDArray

from mgsc import dyna
from mgsc.environments import Environment
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import Suite, row_of, updates_of
from mgsc.experiments.running.build import build_agent, replace_numbers
from mgsc.experiments.running.devices import block_width, padded_width, workers
from mgsc.experiments.running.measuring import Measure, Measuring, measuring_of
from mgsc.experiments.running.memory import check_block, saying_what_to_lower
from mgsc.experiments.running.recorder import make_recorder, reward_recorder
from mgsc.kernel import compile_shared, identity
from mgsc.problem import Problem
from mgsc.settings import traced_fields
from mgsc.types import Array, PyTree, to_device

CHUNKS_PER_CALL = 20
"""Most chunks of one call of the compiled program; progress is shown between calls."""

BROKEN = 1e-3
"""Largest distance of the sum of a chunk's mean d from one, and of its entries below 0."""

LANES = "lanes"
"""The axis of the lanes of a block."""

MOST_KEPT = 2**24
"""Most bytes that a call of several chunks keeps for measures: more than a processor's caches hold costs time."""


class Lane(NamedTuple):
    """A seed, and values of traced settings that differ from the agent's."""

    seed: int
    numbers: dict[str, float]


class BlockResult(NamedTuple):
    """The result of a block of lanes.

    Attributes:
        lanes: without padding.
        record: name -> [lanes, chunks, ...].
        seconds: wall time of the compiled calls.
        compile_seconds: time of compiling, of the first block of a program; 0 for the others.
    """

    lanes: Sequence[Lane]
    record: dict[str, NDArray[Any]]
    seconds: float
    compile_seconds: float = 0.0


def run_key(root_seed: int | Array, seed: int | Array) -> Array:
    """The key of a run: the same for every agent, so comparisons are paired."""
    return jax.random.fold_in(jax.random.key(root_seed), seed)


def traced_numbers(agent: AgentSettings) -> dict[str, float]:
    """All traced settings of an agent, its options' included, by name."""
    return {**traced_fields(agent), **traced_fields(agent.options)}


def lane_numbers(agent: AgentSettings, *, tunes: bool) -> dict[str, float]:
    """The settings in which the lanes of one program may differ, with the agent's own values."""
    numbers = traced_numbers(agent)
    row = row_of(agent)
    # A static K spares the updates beyond it, and some strategies need it while compiling.
    if not tunes or row.has_static_updates(agent.options):
        numbers.pop("planning_updates")
    for name in () if tunes else row.static_zeros:
        if numbers.get(name) == 0:
            numbers.pop(name)  # a static 0 spares its work
    return numbers


def problem_key(suite: Suite) -> str:
    """A key that is equal for suites which differ in their agents only."""
    return repr(dataclasses.replace(suite, title="", agents={}))


def program_key(suite: Suite, agent: AgentSettings, *, tunes: bool = False) -> str:
    """A key that is equal for agents of one program: they differ only in settings in which lanes may differ."""
    static = replace_numbers(agent, dict.fromkeys(lane_numbers(agent, tunes=tunes), 0))
    return repr((problem_key(suite), static))


class Compiled(NamedTuple):
    """A program compiled for one device and one width.

    Attributes:
        tables: the problem's, on the device.
        init: ``(tables, numbers, seeds) -> state``.
        call: ``(tables, numbers, seeds, state) -> (state, record)``, a call of the loop.
        measure: the program that makes measures of what ``call`` keeps; None where it keeps none.
    """

    tables: PyTree
    init: Callable[..., Any]
    call: Callable[..., Any]
    measure: Measure | None


class Program:
    """The compiled program of one agent.

    Attributes:
        compile_seconds: time that ``compile`` took.
        is_shared: whether the loop had been compiled for another agent or suite.
    """

    measures = True
    """Whether its loop keeps what is measured apart, where its problem has tables."""

    def __init__(
        self,
        suite: Suite,
        agent: AgentSettings,
        problem: Problem,
        root_seed: int,
        *,
        tunes: bool = False,
        measuring: Measuring | None = None,
    ) -> None:
        """Plans the program.

        Args:
            suite: checked settings.
            agent: one of its agents.
            problem: the suite's.
            root_seed: root of the seeds of all lanes.
            tunes: record reward and numbers of episodes only, and let lanes differ in K.
            measuring: the problem's, if another agent has it already.
        """
        self.suite, self.agent, self.problem, self.root_seed, self.tunes = suite, agent, problem, root_seed, tunes
        self.num_chunks = suite.steps // suite.record_every
        self._measuring: Measuring | None = None
        if self.measures and not tunes:
            self._measuring = measuring or measuring_of(suite, problem)
        self.chunks_per_call = max(n for n in range(1, self._most_chunks() + 1) if self.num_chunks % n == 0)
        self.compile_seconds = 0.0
        self.is_shared = False
        self._compiled: dict[tuple[jax.Device, int], Compiled] = {}

    def compile(self, devices: Sequence[jax.Device], num_lanes: int = 1) -> None:
        """Compiles for blocks of so many lanes on each of the devices."""
        began, were_shared = time.perf_counter(), []
        for device in dict.fromkeys(devices):
            with jax.default_device(device):
                numbers, seeds = self._arguments([Lane(0, {})] * min(num_lanes, self.width(device, num_lanes)), device)
                tables = jax.device_put(self.problem.tables, device)
                init, _ = compile_shared(device, _of_lanes(self._init, 2), tables, numbers, seeds)
                state = init(tables, numbers, seeds)
                call, is_shared = compile_shared(
                    device, _of_lanes(self._call, 3), tables, numbers, seeds, state, donate=(3,)
                )
                were_shared.append(is_shared)
                check_block(device, call, len(seeds))
                measure = None
                if self._measuring is not None:
                    _, (_, seen) = call.out_info
                    measure = self._measuring.ready(device, seen, self._rate(numbers))
                self._compiled[device, len(seeds)] = Compiled(tables, init, call, measure)
        self.is_shared = all(were_shared)
        self.compile_seconds += time.perf_counter() - began

    def identities(self, device: jax.Device) -> tuple[Hashable, Hashable]:
        """Keys of the programs of its initial state and of its loop, equal for programs that are compiled once."""
        with jax.default_device(device):
            tables, (numbers, seeds) = self.problem.tables, self._arguments([Lane(0, {})], device)
            init, call = _of_lanes(self._init, 2), _of_lanes(self._call, 3)
            state = jax.eval_shape(init, tables, numbers, seeds)
        begins = identity(device, init, tables, numbers, seeds)
        return begins, identity(device, call, tables, numbers, seeds, state, donate=(3,))

    def is_compiled_for(self, device: jax.Device, num_lanes: int = 1) -> bool:
        """Whether blocks of so many lanes can run there."""
        return (device, self.width(device, num_lanes)) in self._compiled

    def functions(self, device: jax.Device, num_lanes: int = 1) -> Compiled:
        """The compiled functions for such blocks."""
        return self._compiled[device, self.width(device, num_lanes)]

    def run_block(
        self,
        lanes: Sequence[Lane],
        device: jax.Device,
        progress: Callable[[int], None],
        observe: Callable[[int, dict[str, NDArray[Any]]], None] = lambda first_chunk, record: None,
    ) -> BlockResult:
        """Runs up to one block width of lanes to the end.

        Args:
            lanes: of the block.
            device: that runs it.
            progress: receives the lane-steps of each call.
            observe: ``(first_chunk, record)`` receives the record of each call, arrays [lanes, chunks, ...].

        Raises:
            UserError: a learned model met more outcomes than it can hold, raised at the end of a call; or an
                environment on the host failed.
        """
        tables, init, call, measure = self.functions(device, len(lanes))
        records: list[dict[str, NDArray[Any]]] = []
        full = saying_what_to_lower(device, self.width(device, len(lanes)))
        with in_words(self.problem.environment), full, jax.default_device(device):
            numbers, seeds = self._arguments(lanes, device)
            rate = self._rate(numbers)
            began = time.perf_counter()
            state = init(tables, numbers, seeds)
            for _ in range(self.num_chunks // self.chunks_per_call):
                state, record = call(tables, numbers, seeds, state)
                if measure is not None:
                    record, seen = record
                    record |= measure(seen, rate)
                _refuse_problem(self.problem.model.problem, state.model)
                self._refuse_broken_d(lanes, record, len(records) * self.chunks_per_call)
                records.append({name: np.asarray(value)[: len(lanes)] for name, value in record.items()})
                observe((len(records) - 1) * self.chunks_per_call, records[-1])
                progress(len(lanes) * self.chunks_per_call * self.suite.record_every)
            seconds = time.perf_counter() - began
        joined = {name: np.concatenate([record[name] for record in records], axis=1) for name in records[0]}
        return BlockResult(lanes, joined, seconds)

    def _refuse_broken_d(self, lanes: Sequence[Lane], record: dict[str, Any], chunks_before: int) -> None:
        """Stops a run in which a strategy of one's own plans from what is no distribution any more.

        Raises:
            UserError: naming the strategy, the seed and the chunk.
        """
        own = self.agent.own
        name = next((name for name in ("query_distribution", "effective_candidates") if name in record), None)
        if own is None or name is None:
            return
        d = np.asarray(record[name])[: len(lanes)]
        each = d.reshape(*d.shape[:2], -1)
        wrong, broken = "not finite", ~np.isfinite(each).all(-1)
        if name == "query_distribution" and not broken.any():
            wrong = "no distribution, its weights being 0 or more and 1 in sum"
            broken = (each.min(-1) < -BROKEN) | (np.abs(each.sum(-1) - 1) > BROKEN)
        if broken.any():
            lane, chunk = (int(place) for place in np.argwhere(broken)[0])
            every = self.suite.record_every
            begin = (chunks_before + chunk) * every
            raise UserError(
                f"d of {own.name} is {wrong}: on seed {lanes[lane].seed}, between steps {begin} and {begin + every};"
                " see what its logits are where values are large"
            )

    def width(self, device: jax.Device, num_lanes: int) -> int:
        """Lanes that a block of so many is padded to on a device."""
        return padded_width(device, num_lanes, self.suite.lanes_per_block)

    def _most_chunks(self) -> int:
        """Chunks of a call at most: what they keep is to stay small."""
        if self._measuring is None:
            return CHUNKS_PER_CALL
        suite = self.suite
        size: int = 8 * self.problem.known.optimal[0].size  # bytes of q and the targets
        measurements = block_width(lanes_per_block=suite.lanes_per_block) * (suite.record_every // suite.measure_every)
        return min(CHUNKS_PER_CALL, max(1, MOST_KEPT // (size * measurements)))

    def _rate(self, numbers: dict[str, Array]) -> Array:
        """[lanes] α K."""
        return numbers["step_size"] * updates_of(self.suite, self.agent)

    def _arguments(self, lanes: Sequence[Lane], device: jax.Device) -> tuple[dict[str, Array], Array]:
        padded = [*lanes, *[lanes[-1]] * (self.width(device, len(lanes)) - len(lanes))]
        defaults = lane_numbers(self.agent, tunes=self.tunes)
        strange = {name for lane in lanes for name in lane.numbers} - set(defaults)
        if strange:
            raise ValueError(f"lanes may differ in {sorted(defaults)}, not in {sorted(strange)}")
        numbers = {
            name: to_device(
                np.array(
                    [lane.numbers.get(name, default) for lane in padded],
                    np.int32 if isinstance(default, int) else np.float32,
                )
            )
            for name, default in defaults.items()
        }
        return numbers, to_device(np.array([lane.seed for lane in padded], np.uint32))

    def recorder(self, agent: dyna.Dyna) -> dyna.Recorder:
        """The recorder of a chunk."""
        if self.tunes:
            return reward_recorder(counts_episodes=self.suite.records_episodes)
        suite = self.suite
        return make_recorder(
            agent,
            self.problem,
            suite.record_every,
            suite.measure_every,
            records_episodes=suite.records_episodes,
        )

    def _build(self, tables: PyTree, numbers: dict[str, Any]) -> dyna.Dyna:
        problem = self.problem.of_tables(tables)
        agent = build_agent(self.suite, replace_numbers(self.agent, numbers), problem)
        if isinstance(agent.planning_updates, int):
            return agent
        # Lanes of one configuration share their K: a block stops planning after the most that one of its lanes makes.
        rounds = lax.pmax(agent.planning_updates, LANES)  # type: ignore[no-untyped-call]
        return agent._replace(planning_rounds=rounds)

    def _init(self, tables: PyTree, numbers: dict[str, Array], seed: Array) -> Any:
        return dyna.init(self._build(tables, numbers), run_key(self.root_seed, seed))

    def _call(self, tables: PyTree, numbers: dict[str, Array], seed: Array, state: Any) -> Any:
        agent, suite = self._build(tables, numbers), self.suite
        recorder = self.recorder(agent)
        key = run_key(self.root_seed, seed)

        def chunk(state: dyna.DynaState, _: None) -> tuple[dyna.DynaState, Any]:
            return dyna.run_chunk(
                agent, state, key, num_steps=suite.record_every, measure_every=suite.measure_every, recorder=recorder
            )

        return lax.scan(chunk, state, None, length=self.chunks_per_call)


def _of_lanes(function: Callable[..., Any], num_batched: int) -> Callable[..., Any]:
    """A function of tables, which all lanes share, and of so many arguments of each lane, for a block of lanes."""
    return jax.vmap(function, (None, *[0] * num_batched), axis_name=LANES)


@contextlib.contextmanager
def in_words(environment: Environment) -> Iterator[None]:
    """Replaces XLA's error about an environment on the host by the environment's own."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        words = "" if environment.problem is None else environment.problem()
        if not words:
            raise
        raise UserError(words) from error


def _refuse_problem(check: Callable[[Any], str] | None, model: Any) -> None:
    """Stops a run whose model says that its answers are wrong for good."""
    words = "" if check is None else check(model)
    if words:
        raise UserError(words)


def blocks_of(lanes: Sequence[Lane], width: int) -> list[Sequence[Lane]]:
    """Cuts lanes into blocks of at most the block width."""
    return [lanes[first : first + width] for first in range(0, len(lanes), width)]


def run_program(program: Program, lanes: Sequence[Lane], progress: Callable[[int], None]) -> Iterator[BlockResult]:
    """Runs all lanes of a compiled program on all workers, and yields each block's result when it ends."""
    return run_blocks(program, blocks_of(lanes, block_width(workers()[0], program.suite.lanes_per_block)), progress)


def run_blocks(
    program: Program, blocks: Sequence[Sequence[Lane]], progress: Callable[[int], None]
) -> Iterator[BlockResult]:
    """As ``run_program``, for lanes that are divided into blocks."""
    devices = workers()
    idle = list(devices)

    def work(block: Sequence[Lane]) -> BlockResult:
        device = idle.pop()
        try:
            return program.run_block(block, device, progress)
        finally:
            idle.append(device)

    pool = ThreadPoolExecutor(len(devices))
    try:
        yield from pool.map(work, blocks)
    finally:
        pool.shutdown(cancel_futures=True)
