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
from mgsc.problem import Problem

SUITE = "tmaze-fixed"
AGENTS = ("no_planning", "uniform", "meta_gradient")
SEEDS = (1, 30, 512)
UPDATES = (1, 5, 50)
REPEATS = 3
LANE_STEPS = 3_000_000
"""Lane-steps a measurement makes at K = 5 and many seeds: about a second."""


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
    suite = get_suite(SUITE)
    speeds = []
    for agent in AGENTS:
        for planning_updates in updates if agent != "no_planning" else (0,):
            for count in seeds:
                speeds.append(measure_speed(suite, agent, planning_updates, count, scale))
    return speeds


def measure_speed(suite: Suite, agent: str, planning_updates: int, seeds: int, scale: float) -> Speed:
    """Measures one agent of a suite; ``scale`` is the share of the steps, of which there is one period at least."""
    period = suite.environment.switch_every
    blocks = -(-seeds // block_width())
    wanted = scale * LANE_STEPS / (block_width() * max(blocks, 2)) * 10 / (5 + planning_updates)
    steps = max(1, round(wanted / period)) * period
    suite = dataclasses.replace(suite, steps=steps, planning_updates=planning_updates or suite.planning_updates)
    program = _program(suite, agent, build_problem(suite))
    lanes = [Lane(seed, {}) for seed in range(seeds)]
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in run_program(program, lanes, lambda steps: None):
            pass
        seconds.append(time.perf_counter() - began)
    speed = seeds * steps / statistics.median(seconds)
    return Speed(agent, seeds, planning_updates, speed, program.compile_seconds)


def _program(suite: Suite, agent: str, problem: Problem) -> Program:
    program = Program(suite, suite.agents[agent], problem, root_seed=0)
    program.compile(workers())
    return program
