"""The cost of each part of a step: differences between programs with and without it, in one block on one core."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc import noise
from mgsc.benchmarks.paired_speed import RewardOnly
from mgsc.benchmarks.suite_speed import SUITE
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import block_width, devices
from mgsc.experiments.running.program import Lane, Program
from mgsc.types import Array

UPDATES = 5
STEPS = 40_000
REPEATS = 5


class StepPart(NamedTuple):
    """The cost of one part of a step.

    Attributes:
        nanoseconds: per environment step of one seed, on one core; the least of the repeats.
    """

    part: str
    nanoseconds: float


def measure_parts(scale: float = 1.0) -> list[StepPart]:
    """Measures the parts of a step of uniform planning and of MGSC at K = 5, and of recording."""
    suite = get_suite(SUITE)
    period = suite.environment.switch_every
    suite = dataclasses.replace(suite, steps=max(1, round(scale * STEPS / period)) * period)
    problem = build_problem(suite)

    def cost(agent: str, updates: int = UPDATES, kind: type[Program] = RewardOnly) -> float:
        one = dataclasses.replace(suite, planning_updates=updates)
        program = kind(one, one.agents[agent], problem, root_seed=0)
        lanes = [Lane(seed, {}) for seed in range(block_width())]
        program.compile(devices()[:1], len(lanes))
        runs = [program.run_block(lanes, devices()[0], lambda steps: None).seconds for _ in range(REPEATS)]
        return 1e9 * min(runs) / (len(lanes) * suite.steps)

    learning, uniform, meta = cost("no_planning"), cost("uniform"), cost("meta_gradient")
    one_update = (uniform - cost("uniform", 1)) / (UPDATES - 1)
    with _free_noise():
        without = cost("uniform")
    return [
        StepPart("Q-learning: act, observe, learn", learning),
        StepPart("each planning update", one_update),
        StepPart(f"uniform planning, K = {UPDATES}, in all", uniform),
        StepPart("of that, random numbers", uniform - without),
        StepPart("the meta-update, with d's softmax and tree", meta - uniform),
        StepPart(f"MGSC, K = {UPDATES}, in all", meta),
        StepPart("recording and measuring, uniform", cost("uniform", kind=Program) - uniform),
        StepPart("recording and measuring, MGSC", cost("meta_gradient", kind=Program) - meta),
    ]


@contextmanager
def _free_noise() -> Iterator[None]:
    """Numbers that look random and cost next to nothing, in place of Threefry's."""
    real = noise._words

    def words(key: Array, steps: Array, num_updates: int) -> Array:
        pairs = noise.FIRST_PLANNING_USE // 2 + noise.PAIRS_PER_UPDATE * num_updates
        counter = jnp.arange(pairs, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
        mixed = (steps.astype(jnp.uint32)[:, None] * jnp.uint32(0x85EBCA6B) + counter) ^ jax.random.key_data(key)[0]
        return jnp.stack([mixed * jnp.uint32(0xC2B2AE35), mixed * jnp.uint32(0x27D4EB2F)])

    noise._words = words
    try:
        yield
    finally:
        noise._words = real
