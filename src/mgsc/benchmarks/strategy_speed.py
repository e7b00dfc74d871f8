"""The cost of a step of every strategy beside uniform's, and the speed of agents in a large field."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import NamedTuple

from mgsc.benchmarks.suite_speed import Speed, measure_speeds
from mgsc.experiments.design.suites import PREFIX, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import workers
from mgsc.experiments.running.program import Lane, Program, run_program

SUITE = "tmaze-fixed"
SEEDS = 30
UPDATES = 5
STEPS = 40_000
"""Of every seed: about a tenth of a second of uniform's."""
REPEATS = 5

BASE = "uniform"
OTHER_BUDGET = "uniform_compute_matched"
"""The agent of the comparison that makes more updates, and has no strategy of its own."""

FIELD = "compare-field"
FIELD_AGENTS = ("uniform", "meta_gradient", "meta_gradient_recent", "learned_priority")
FIELD_SCALE = 0.02
"""A field has a hundred times the states of a maze."""


class StrategyCost(NamedTuple):
    """The cost of a step of one agent.

    Attributes:
        microseconds: per environment step, all seeds and cores together; the least of the repeats.
        over_base: that over uniform's, measured in turn.
    """

    agent: str
    microseconds: float
    over_base: float


def compared_agents() -> list[str]:
    """Every strategy, some with several settings."""
    return [name for name in get_suite(PREFIX + SUITE).agents if name != OTHER_BUDGET]


def measure_strategies(
    agents: Sequence[str] | None = None, scale: float = 1.0, repeats: int = REPEATS
) -> list[StrategyCost]:
    """Measures agents in turn, in several rounds, so that other work of the machine delays all of them.

    Args:
        agents: with uniform among them; None for all.
        scale: share of the steps.
        repeats: rounds; each agent's best counts.
    """
    names = compared_agents() if agents is None else list(agents)
    suite = get_suite(PREFIX + SUITE)
    period = suite.environment.switch_every
    steps = max(1, round(scale * STEPS / period)) * period
    suite = dataclasses.replace(suite, steps=steps, planning_updates=UPDATES)
    problem = build_problem(suite)
    programs = {name: Program(suite, suite.agents[name], problem, root_seed=0) for name in names}
    for program in programs.values():
        program.compile(workers(), SEEDS)
        _seconds(program)
    rounds = [{name: _seconds(program) for name, program in programs.items()} for _ in range(repeats)]
    best = {name: min(each[name] for each in rounds) * 1e6 / (SEEDS * steps) for name in names}
    return [StrategyCost(name, cost, cost / best[BASE]) for name, cost in best.items()]


def _seconds(program: Program) -> float:
    """How long a whole run of all seeds takes."""
    began = time.perf_counter()
    for _ in run_program(program, [Lane(seed, {}) for seed in range(SEEDS)], lambda steps: None):
        pass
    return time.perf_counter() - began


def measure_field(agents: Sequence[str] = FIELD_AGENTS, scale: float = 1.0) -> list[Speed]:
    """Environment steps per second of all seeds together in a field of 40 × 40 cells."""
    measured = [measure_speeds(get_suite(FIELD), agent, UPDATES, [SEEDS], scale * FIELD_SCALE) for agent in agents]
    return [speed for (speed,) in measured]
