"""Environment steps per second of the hand-written rivals, one seed on one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from mgsc.benchmarks.rivals import numpy_arrays, numpy_loop
from mgsc.benchmarks.rivals.tables import Problem, Result, Settings
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.running.build import build_problem

Run = Callable[[Problem, Settings, int], Result]

REPEATS = 3
STEPS = {"numpy": 20_000, "numba": 1_000_000}


class RivalSpeed(NamedTuple):
    """One measurement; ``steps_per_second`` is the median of the repeats."""

    rival: str
    agent: str
    planning_updates: int
    steps_per_second: float


def rival_problem(suite: Suite) -> Problem:
    """The suite's maze and model in the rivals' form."""
    problem = build_problem(suite)
    tables, model = problem.known.tables, problem.known.model_tables
    if model is None:
        raise ValueError("the rivals are written for a fixed model")
    return Problem(
        probability=model.probability,
        successor=model.successor,
        terminates=model.terminates,
        true_reward=tables.reward,
        model_reward=model.reward,
        start=int(np.argmax(tables.start)),
        candidates=np.flatnonzero(problem.known.is_candidate),
        switch_every=suite.environment.switch_every,
    )


def measure_rivals(suite: Suite, updates: Sequence[int], scale: float = 1.0) -> list[RivalSpeed]:
    """Measures every rival at every K; numba only where it is installed (the ``bench`` extra)."""
    problem = rival_problem(suite)
    rows: list[tuple[str, str, Run]] = [
        ("numpy_arrays", "uniform", numpy_arrays.run_dyna_q),
        ("numpy_lists", "uniform", numpy_loop.run_dyna_q),
    ]
    rows += [("numpy_lists", "meta_gradient", numpy_loop.run_mgsc), *_numba_rows()]
    speeds = []
    for rival, agent, run in rows:
        for planning_updates in updates:
            steps = STEPS["numba" if rival == "numba" else "numpy"] * scale * 10 / (5 + planning_updates)
            settings = Settings(round(steps), planning_updates, 0.5, suite.discount, suite.epsilon, is_recorded=False)
            speeds.append(RivalSpeed(rival, agent, planning_updates, _steps_per_second(run, problem, settings)))
    return speeds


def _numba_rows() -> list[tuple[str, str, Run]]:
    if find_spec("numba") is None:
        return []
    from mgsc.benchmarks.rivals import numba_kernel

    return [("numba", "uniform", numba_kernel.run_dyna_q), ("numba", "meta_gradient", numba_kernel.run_mgsc)]


def _steps_per_second(run: Run, problem: Problem, settings: Settings) -> float:
    run(problem, settings._replace(num_steps=1000), 0)
    seconds = []
    for seed in range(REPEATS):
        began = time.perf_counter()
        run(problem, settings, seed)
        seconds.append(time.perf_counter() - began)
    return settings.num_steps / statistics.median(seconds)
