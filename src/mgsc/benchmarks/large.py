"""The cost of a step of MGSC in a large maze, beside the least cost of any softmax over its states."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mgsc import dyna
from mgsc.environments import TMazeSettings
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.devices import block_width
from mgsc.experiments.running.program import run_key
from mgsc.kernel import compile_for
from mgsc.types import Array

LARGE = TMazeSettings(stem=5001, arm=2499)
"""10,000 states."""

NUM_STEPS = 200
REPEATS = 5


class LargeCost(NamedTuple):
    """Microseconds per step of one seed, and their ratio.

    Attributes:
        num_states: S.
        meta_gradient: a whole real step of MGSC, K = 5.
        bare: softmax, Adam and cumulative sum of S numbers, nothing else.
        ratio: median over repeats of the two measured in turn.
    """

    num_states: int
    meta_gradient: float
    bare: float
    ratio: float


def measure_large() -> LargeCost:
    """Measures both in turn, one block of lanes wide, on one device."""
    suite = dataclasses.replace(get_suite("tmaze-fixed"), environment=LARGE)
    problem = build_problem(suite)
    num_states = len(problem.known.is_candidate)
    agent = build_agent(suite, suite.agents["meta_gradient"], problem)
    keys = jax.vmap(lambda seed: run_key(0, seed))(jnp.arange(block_width()))

    def steps(state: dyna.DynaState, key: Array) -> dyna.DynaState:
        chunk = dyna.run_chunk(agent, state, key, num_steps=NUM_STEPS, measure_every=50, recorder=dyna.total_reward())
        return chunk[0]

    ours = _compiled(steps, jax.vmap(lambda key: dyna.init(agent, key))(keys), keys)
    theirs = _compiled(_bare_steps, jax.vmap(lambda key: _bare_init(num_states))(keys), keys)
    pairs = [(ours(), theirs()) for _ in range(REPEATS)]
    per_step = 1e6 / (NUM_STEPS * block_width())
    mine, bare = (statistics.median(column) * per_step for column in zip(*pairs, strict=True))
    return LargeCost(num_states, mine, bare, statistics.median(one / other for one, other in pairs))


def _compiled(steps: Callable[[Any, Array], Any], state: Any, keys: Array) -> Callable[[], float]:
    """A function that runs ``steps`` on all lanes once and gives the seconds it took."""
    program = compile_for(jax.devices()[0], jax.vmap(steps), state, keys)
    _wait(program(state, keys))

    def measure() -> float:
        began = time.perf_counter()
        _wait(program(state, keys))
        return time.perf_counter() - began

    return measure


def _wait(arrays: Any) -> None:
    for leaf in jax.tree.leaves(arrays):
        leaf.block_until_ready()


_OPTIMIZER = optax.adam(0.03)


def _bare_init(num_states: int) -> tuple[Array, Any]:
    logits = jnp.zeros(num_states)
    return logits, _OPTIMIZER.init(logits)


def _bare_steps(state: tuple[Array, Any], key: Array) -> tuple[tuple[Array, Any], Array]:
    """Softmax, Adam and cumulative sum, ``NUM_STEPS`` times; the sum is looked up so that it is computed."""

    def step(state: tuple[Array, Any], place: Array) -> tuple[tuple[Array, Any], Array]:
        logits, optimizer_state = state
        weights = jax.nn.softmax(logits)
        total = jnp.cumsum(weights)
        change, optimizer_state = _OPTIMIZER.update(weights, optimizer_state, logits)
        return (optax.apply_updates(logits, change), optimizer_state), total[place]

    places = jax.random.randint(key, (NUM_STEPS,), 0, state[0].shape[0])
    return lax.scan(step, state, places)
