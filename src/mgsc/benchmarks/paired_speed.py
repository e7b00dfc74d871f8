"""This package and the numba kernels in turn, on one core and on all, so that other work of the machine delays both.

Both record the sum of rewards only. The kernels run one seed after the other on each core, this package runs as for
users.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import NamedTuple

from mgsc.benchmarks.rival_speed import Run, rival_problem
from mgsc.benchmarks.rivals.tables import Settings
from mgsc.benchmarks.suite_speed import SUITE
from mgsc.dyna import Dyna, Recorder
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import block_width, devices, num_cores, workers
from mgsc.experiments.running.program import Lane, Program, blocks_of, run_program
from mgsc.experiments.running.recorder import reward_recorder

SEEDS = 32
UPDATES = 5
STEPS = 100_000
ROUNDS = 5
STEP_SIZE = 0.5


class Paired(NamedTuple):
    """One comparison; speeds are environment steps per second of all seeds together, medians of the rounds.

    Attributes:
        cores: 1, or all of this machine.
        ratio: median of ours over numba's, each of one round.
    """

    agent: str
    cores: int
    ours: float
    numba: float
    ratio: float


class RewardOnly(Program):
    """A program that records what the kernels record."""

    measures = False

    def recorder(self, agent: Dyna) -> Recorder:
        """The sum of rewards."""
        del agent
        return reward_recorder()


def measure_pairs(scale: float = 1.0) -> list[Paired]:
    """Uniform planning and MGSC beside their numba kernels; nothing where numba is not installed."""
    if find_spec("numba") is None:
        return []
    from mgsc.benchmarks.rivals import numba_kernel

    kernels: dict[str, Run] = {"uniform": numba_kernel.run_dyna_q, "meta_gradient": numba_kernel.run_mgsc}
    suite = get_suite(SUITE)
    period = suite.environment.switch_every
    steps = max(1, round(scale * STEPS / period)) * period
    suite = dataclasses.replace(suite, steps=steps, planning_updates=UPDATES)
    problem, theirs = build_problem(suite), rival_problem(suite)
    settings = Settings(steps, UPDATES, STEP_SIZE, suite.discount, suite.epsilon, is_recorded=False)
    found = []
    for agent, kernel in kernels.items():
        kernel(theirs, settings._replace(num_steps=1000), 0)  # compiles
        program = RewardOnly(suite, suite.agents[agent], problem, root_seed=0)
        program.compile(workers(), SEEDS)

        def run_kernels(num_cores: int, kernel: Run = kernel) -> None:
            with ThreadPoolExecutor(num_cores) as pool:
                for _ in pool.map(lambda seed: kernel(theirs, settings, seed), range(SEEDS)):
                    pass

        def run_ours(num_cores: int, program: Program = program) -> None:
            lanes = [Lane(seed, {}) for seed in range(SEEDS)]
            if num_cores > 1:
                for _ in run_program(program, lanes, lambda steps: None):
                    pass
            else:
                for block in blocks_of(lanes, block_width()):
                    program.run_block(block, devices()[0], lambda steps: None)

        found += [
            _in_turn(agent, cores, SEEDS * steps, run_ours, run_kernels) for cores in dict.fromkeys((1, num_cores()))
        ]
    return found


def _in_turn(
    agent: str, cores: int, num_steps: int, ours: Callable[[int], None], theirs: Callable[[int], None]
) -> Paired:
    rounds = [(_seconds(ours, cores), _seconds(theirs, cores)) for _ in range(ROUNDS)]
    return Paired(
        agent=agent,
        cores=cores,
        ours=num_steps / statistics.median(mine for mine, _ in rounds),
        numba=num_steps / statistics.median(other for _, other in rounds),
        ratio=statistics.median(other / mine for mine, other in rounds),
    )


def _seconds(run: Callable[[int], None], cores: int) -> float:
    began = time.perf_counter()
    run(cores)
    return time.perf_counter() - began
