"""Environment steps per second of the compiled agents, as users run them."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from mgsc.experiments.design.suites import Suite, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import block_width, workers
from mgsc.experiments.running.program import Lane, Program, run_program
from mgsc.kernel import forget

SUITE = "tmaze-fixed"
AGENTS = ("no_planning", "uniform", "meta_gradient")
SEEDS = (1, 30, 512)
UPDATES = (1, 5, 50)
REPEATS = 3
LANE_STEPS = 3_000_000
"""Lane-steps of a measurement at K = 5 and many seeds: about a second."""


class Speed(NamedTuple):
    """One measurement.

    Attributes:
        steps_per_second: environment steps of all seeds together; median of the repeats.
        compile_seconds: tracing and compiling, not part of the above.
    """

    agent: str
    seeds: int
    planning_updates: int
    steps_per_second: float
    compile_seconds: float


def measure_agents(seeds: Sequence[int] = SEEDS, updates: Sequence[int] = UPDATES, scale: float = 1.0) -> list[Speed]:
    """Measures every agent at every number of seeds and of planning updates."""
    speeds: list[Speed] = []
    for agent in AGENTS:
        for planning_updates in updates if agent != "no_planning" else (0,):
            speeds += measure_speeds(get_suite(SUITE), agent, planning_updates, seeds, scale)
    return speeds


def measure_speeds(suite: Suite, agent: str, planning_updates: int, seeds: Sequence[int], scale: float) -> list[Speed]:
    """Measures one agent of a suite at several numbers of seeds, with one program.

    Args:
        suite: its ``steps`` have no effect: a measurement takes whole periods of its environment, at least one.
        agent: its name.
        planning_updates: K; 0 for the suite's.
        seeds: how many, one number for each measurement.
        scale: share of the steps.
    """
    period = suite.environment.switch_every
    suite = dataclasses.replace(suite, steps=period, planning_updates=planning_updates or suite.planning_updates)
    forget()
    program = Program(suite, suite.agents[agent], build_problem(suite), root_seed=0)
    speeds = []
    for count in seeds:
        if not program.is_compiled_for(workers()[0], count):
            program.compile(workers(), count)
        lanes, seconds = [Lane(seed, {}) for seed in range(count)], []
        blocks = -(-count // block_width())
        wanted = scale * LANE_STEPS / (block_width() * max(blocks, 2)) * 10 / (5 + planning_updates)
        periods = max(1, round(wanted / period))
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in range(periods):
                for _ in run_program(program, lanes, lambda steps: None):
                    pass
            seconds.append(time.perf_counter() - began)
        speed = count * periods * period / statistics.median(seconds)
        speeds.append(Speed(agent, count, planning_updates, speed, program.compile_seconds))
    return speeds
