"""Runs a suite: settings in, labelled arrays out, kept safely on the way where a folder is given."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.design.suites import Suite, check_suite, row_of, settings_as_dict, updates_of

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.design.problem import Problem
    from mgsc.experiments.running.program import BlockResult, Program
    from mgsc.experiments.store import Manifest, ResultFolder

    Arrays = dict[str, np.ndarray[Any, Any]]

LARGEST_SEED = 2**31 - 1


class Progress(NamedTuple):
    """What a display is told.

    Attributes:
        start: ``(agent, lane_steps)`` before an agent compiles: how many lane-steps it will make. Said
            again of the same name, they add up.
        running: ``(agent,)`` when it has compiled.
        advance: ``(agent, lane_steps)`` as they are done.
    """

    start: Callable[[str, int], None] = lambda agent, steps: None
    running: Callable[[str], None] = lambda agent: None
    advance: Callable[[str, int], None] = lambda agent, steps: None


@dataclasses.dataclass(frozen=True)
class Seeds:
    """Which runs: every agent gets seeds ``first`` .. ``first + count − 1`` of the root seed."""

    count: int
    root: int = 0
    first: int = 0

    def check(self) -> None:
        """Refuses impossible seeds.

        Raises:
            UserError: naming what is allowed.
        """
        if self.count < 1:
            raise UserError(f"seeds is {self.count}: at least 1 is needed")
        if self.count > LARGEST_SEED:
            raise UserError(f"seeds is {self.count}: at most {LARGEST_SEED} are possible")
        for name, value in (("root-seed", self.root), ("first-seed", self.first)):
            if not 0 <= value <= LARGEST_SEED - self.count:
                raise UserError(f"{name} is {value}: it must be in [0, {LARGEST_SEED - self.count}]")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(range(self.first, self.first + self.count))


def run_suite(
    name: str,
    suite: Suite,
    seeds: Seeds,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    append: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Runs all agents of a suite on all seeds.

    Args:
        out: folder to keep the result in, block by block; None keeps it in memory only.
        overwrite, resume, append: what to do with a result that is there, see ``store.create``.

    Returns:
        Labelled arrays as ``store.contract`` lists them.

    Raises:
        UserError: impossible settings or seeds, or a folder that cannot be used; before any work.
    """
    check_suite(suite)
    seeds.check()
    plan = _manifest(name, suite, seeds)
    problem = _checked_problem(suite)
    from mgsc.experiments import store

    if out is None:
        return store.label(_run(suite, problem, plan, seeds.numbers, None, progress or Progress()), plan)
    with store.create(out, plan, overwrite=overwrite, resume=resume, append=append) as folder:
        if folder.is_complete:
            return store.open_result(out)
        return folder.publish(_run(suite, problem, plan, folder.seeds_to_run, folder, progress or Progress()))


def _checked_problem(suite: Suite) -> Problem:
    """The suite's problem, after building every agent once: what is impossible is refused here."""
    from mgsc.experiments.design.problem import build_agent, build_problem
    from mgsc.experiments.running.trial import check_own_strategy

    problem = build_problem(suite)
    for name, agent in suite.agents.items():
        if agent.own is None:
            build_agent(suite, agent, problem)
        else:
            check_own_strategy(name, suite, agent, problem)
    return problem


def _manifest(name: str, suite: Suite, seeds: Seeds) -> Manifest:
    from mgsc.experiments.store import Manifest

    return Manifest(
        suite=name,
        settings=settings_as_dict(suite),
        root_seed=seeds.root,
        agents=tuple(suite.agents),
        seeds=seeds.numbers,
        versions=versions(),
        title=suite.title,
    )


def versions() -> dict[str, str]:
    """Versions that decide or describe a result."""
    import platform
    from importlib import metadata

    packages = {package: metadata.version(package) for package in ("jax", "jaxlib", "numpy", "optax")}
    import mgsc

    return {"mgsc": mgsc.__version__, "python": platform.python_version(), **packages}


def _run(
    suite: Suite,
    problem: Problem,
    plan: Manifest,
    seeds: Sequence[int],
    folder: ResultFolder | None,
    progress: Progress,
) -> xr.Dataset:
    from mgsc.experiments.running.program import Program

    programs = {name: Program(suite, agent, problem, plan.root_seed) for name, agent in suite.agents.items()}
    results: dict[str, Arrays] = {}
    with compiled_ahead(programs, lambda name: len(_missing(name, seeds, folder)), progress) as ready:
        for epsilon in (suite.epsilon, 0.0):
            optimum(suite, epsilon)  # remembered: there is time for it while the first agents compile
        for name, program in programs.items():
            missing = _missing(name, seeds, folder)
            if missing:
                ready(name)
            results[name] = _run_agent(name, program, missing, seeds, folder, progress)
    return _as_dataset(suite, problem, results, seeds)


def _missing(name: str, seeds: Sequence[int], folder: ResultFolder | None) -> Sequence[int]:
    return seeds if folder is None else folder.missing_seeds(name)


@contextlib.contextmanager
def compiled_ahead(
    programs: dict[str, Program], num_lanes: Callable[[str], int], progress: Progress
) -> Iterator[Callable[[str], None]]:
    """Compiles in the background, in the order of running; gives a function that waits for one.

    Args:
        programs: by agent.
        num_lanes: how many lanes an agent will run; those with none are not compiled.
        progress: is told of every agent at once, and of each when it is ready.
    """
    from mgsc.experiments.running.program import workers

    devices = workers()
    pool = ThreadPoolExecutor(len(devices))
    compiling = {}
    for name, program in programs.items():
        lanes = num_lanes(name)
        progress.start(name, lanes * program.suite.steps)
        if lanes:
            compiling[name] = pool.submit(program.compile, devices)

    def ready(name: str) -> None:
        compiling[name].result()
        progress.running(name)

    try:
        yield ready
    finally:
        pool.shutdown(cancel_futures=True)


def _run_agent(
    name: str,
    program: Program,
    missing: Sequence[int],
    seeds: Sequence[int],
    folder: ResultFolder | None,
    progress: Progress,
) -> Arrays:
    from mgsc.experiments.running.program import Lane, run_program

    began = time.perf_counter()
    finished: list[BlockResult] = []
    for block in run_program(program, [Lane(seed, {}) for seed in missing], functools.partial(progress.advance, name)):
        now = time.perf_counter()
        compiling = 0.0 if finished else program.compile_seconds
        seconds = {"run_seconds": np.array(now - began), "compile_seconds": np.array(compiling)}
        began = now
        finished.append(block._replace(record={**block.record, **seconds}))
        if folder is not None:
            folder.write_part(name, tuple(lane.seed for lane in block.lanes), finished[-1].record)
    if folder is not None:
        return folder.gather(name)
    return {key: np.concatenate([np.atleast_1d(block.record[key]) for block in finished]) for key in finished[0].record}


def _as_dataset(suite: Suite, problem: Problem, results: dict[str, Arrays], seeds: Sequence[int]) -> xr.Dataset:
    import xarray as xr

    from mgsc.environments.tables import goal_rewards

    num_chunks = suite.steps // suite.record_every
    phase = np.arange(num_chunks) * suite.record_every // suite.environment.switch_every % problem.tables.num_phases
    wrong = problem.wrong[phase]
    per_chunk = ("agent", "seed", "chunk")
    variables: dict[str, Any] = {
        "wrong_state": (("phase", "state"), problem.wrong),
        "goal_reward": (("phase", "state"), goal_rewards(problem.tables)),
    }
    for key, dims in _recorded(results).items():
        shape = (len(seeds), num_chunks, *([len(problem.is_candidate)] if "state" in dims else []))
        missing = np.full(shape, np.nan, np.float32)
        variables[key] = (dims, np.stack([result.get(key, missing) for result in results.values()]))
    variables["reward"] = (per_chunk, variables["reward"][1].astype(np.float64))
    if not problem.learns:
        # What is known of every step need not be measured now and then.
        d = variables["query_distribution"][1]
        variables["wrong_mass"] = (per_chunk, np.einsum("abcs,cs->abc", d, wrong).astype(np.float32))
    for key, epsilon in (("optimal_reward", suite.epsilon), ("unconstrained_reward", 0.0)):
        variables[key] = ("chunk", optimum(suite, epsilon))
    for key, numbers in _budget(suite, problem, results).items():
        variables[key] = ("agent", np.array(numbers))
    coordinates = {
        "agent": list(results),
        "seed": np.array(seeds, np.int64),
        "step": ("chunk", (1 + np.arange(num_chunks)) * suite.record_every),
        "state_row": ("state", problem.maze.row),
        "state_column": ("state", problem.maze.column),
        "phase_of_chunk": ("chunk", phase),
        # A learned model may be wrong at any time.
        "is_model_wrong": ("chunk", wrong.any(1) | problem.learns),
        "is_candidate": ("state", problem.is_candidate),
        "start": ("state", problem.tables.start),
    }
    switches = list(range(suite.environment.switch_every, suite.steps, suite.environment.switch_every))
    return xr.Dataset(variables, coordinates, attrs={"switch_steps": switches, "record_every": suite.record_every})


def _recorded(results: dict[str, Arrays]) -> dict[str, tuple[str, ...]]:
    """Names and dimensions of what the recorder writes, for agents that plan and agents that don't."""
    from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SNAPSHOTS, STATE_MEASURES

    per_chunk = ("agent", "seed", "chunk")
    names = ("reward", *ALWAYS, *REPORTED, *MEASURES)
    states = ("query_distribution", *STATE_MEASURES, *SNAPSHOTS)
    return {**dict.fromkeys(names, per_chunk), **dict.fromkeys(states, (*per_chunk, "state"))}


@functools.lru_cache(maxsize=8)
def _optimum_of(environment: Any, epsilon: float, steps: int, record_every: int) -> np.ndarray[Any, Any]:
    from mgsc.experiments.design.environments import build_maze
    from mgsc.experiments.running.optimal import optimal_rewards

    return optimal_rewards(
        build_maze(environment).tables,
        epsilon=epsilon,
        num_steps=steps,
        record_every=record_every,
        switch_every=environment.switch_every,
        step_limit=environment.step_limit,
    )


def optimum(suite: Suite, epsilon: float) -> np.ndarray[Any, Any]:
    """[chunks] the expected rewards of the best ε-soft policy for a suite, see ``optimal_rewards``."""
    return _optimum_of(suite.environment, epsilon, suite.steps, suite.record_every)


def _budget(suite: Suite, problem: Problem, results: dict[str, Arrays]) -> dict[str, list[float]]:
    budget: dict[str, list[float]] = {key: [] for key in ("model_queries", "expected_backups", "sampled_updates")}
    for name in results:
        agent = suite.agents[name]
        updates, row = updates_of(suite, agent), row_of(agent)
        budget["sampled_updates"].append(float(updates))
        budget["model_queries"].append(float(updates * row.queries_model))
        budget["expected_backups"].append(float(row.expected_backups(agent.options, problem, updates)))
    return {
        **budget,
        **{
            key: [float(result[key].sum()) for result in results.values()] for key in ("compile_seconds", "run_seconds")
        },
    }
