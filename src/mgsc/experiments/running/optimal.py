"""The yardstick: the best expected total reward, by backward dynamic programming over (step, state).

It is computed on the exact tables with the true schedule of changes, with resets and without a discount. It bounds the
*expectation* of any agent restricted to ε-soft policies (or of any agent, with ε = 0); a single seed may exceed it.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from mgsc.environments.phases import phase_at
from mgsc.environments.tables import Tables
from mgsc.experiments.design.parts import POLICIES, build_tables, row_for
from mgsc.kernel import compile_for, compile_options
from mgsc.types import Array, like, to_device

if TYPE_CHECKING:
    from mgsc.experiments.design.suites import Suite

VALUES_TOLERANCE = 1e-9
"""Optimal values are iterated until they change by less than this share of max |R|."""

MOST_SWEEPS = 1_000_000


def optimal_values(tables: Tables, discount: float) -> NDArray[np.float32]:
    """[P, S, A] the optimal discounted action values of each phase, were it to last for ever.

    Args:
        tables: true tables [P, S, A, M].
        discount: γ, in [0, 1]; with 1 and episodes that need not end, values may not converge, and those after a
            million sweeps are returned.
    """
    probability = tables.probability.astype(np.float64)
    rewards = (probability * tables.reward).sum(-1)
    onward = discount * probability * ~tables.terminates
    phases = np.arange(tables.num_phases)[:, None, None, None]
    q = rewards
    for _ in range(MOST_SWEEPS):
        improved = rewards + (onward * q.max(-1)[phases, tables.successor]).sum(-1)
        change = np.abs(improved - q).max()
        q = improved
        if change <= VALUES_TOLERANCE * tables.largest_reward:
            break
    found: NDArray[np.float32] = q.astype(np.float32)
    return found


class _World(NamedTuple):
    """Tables in float64; X layers count the steps of an episode where these are limited, and are one otherwise.

    Attributes:
        probability, survives: [P, S, A, M]; ``survives`` is 0 where the transition terminates.
        reward: [P, S, A] mean rewards.
        successor: [P, S, A, M].
        incoming: [P, S, I] which of the flat [S·A·M] slots lead to a state; S·A·M where there is none.
        start: [S].
        phases: [T] the phase of each step.
    """

    probability: Array
    survives: Array
    reward: Array
    successor: Array
    incoming: Array
    start: Array
    phases: Array


def optimal_rewards(
    tables: Tables,
    *,
    epsilon: float | NDArray[np.float64],
    num_steps: int,
    record_every: int,
    switch_every: int,
    step_limit: int = 0,
) -> NDArray[np.float64]:
    """Expected reward per chunk of the best policy for the whole run.

    Args:
        tables: true tables [P, S, A, M].
        epsilon: the policy must be ε-soft: with probability ε a uniformly random action; of all steps, or of each
            [num_steps].
        num_steps: horizon, in environment steps.
        record_every: steps of a chunk.
        switch_every: steps each phase lasts.
        step_limit: steps after which an episode is truncated; 0 for none.

    Returns:
        [num_steps / record_every] rewards; their sum is the optimal expected total reward.
    """
    with jax.enable_x64(True):
        epsilons = np.broadcast_to(np.asarray(epsilon, np.float64), num_steps)
        arguments = (to_device(epsilons), _world(tables, num_steps, switch_every))
        expected = np.asarray(_compiled(jax.tree.map(_like, arguments), step_limit, compile_options())(*arguments))
    per_chunk: NDArray[np.float64] = expected.reshape(-1, record_every).sum(1)
    return per_chunk


def _like(array: Array) -> jax.ShapeDtypeStruct:
    return like(array.shape, array.dtype)


@functools.lru_cache(maxsize=8)
def _compiled(arguments: tuple[Any, _World], step_limit: int, compile_options: Hashable) -> Any:
    """``_solve`` for arguments of these shapes; ``compile_options`` is part of the key only."""
    return compile_for(jax.devices()[0], functools.partial(_solve, step_limit=step_limit), *arguments)


def _solve(epsilons: Array, world: _World, *, step_limit: int) -> Array:
    """[T] the expected reward of each step under the best ε-soft policy."""
    layers, is_limited = max(step_limit, 1), step_limit > 0
    num_states, num_actions = world.probability.shape[1:3]

    def backward(value: Array, xs: tuple[Array, Array]) -> tuple[Array, Array]:
        phase, epsilon = xs
        action_values = _action_values(world, phase, value, is_limited=is_limited)
        value = (1 - epsilon) * action_values.max(-1) + epsilon * action_values.mean(-1)
        return value, action_values.argmax(-1).astype(np.min_scalar_type(num_actions))

    _, best = lax.scan(backward, jnp.zeros((layers, num_states)), (world.phases, epsilons), reverse=True)

    def forward(occupied: Array, xs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        phase, epsilon, greedy = xs
        policy = epsilon / num_actions + (1 - epsilon) * (greedy[..., None] == jnp.arange(num_actions))
        joint = occupied[..., None] * policy
        return _flow(world, phase, joint, is_limited=is_limited), jnp.sum(joint * world.reward[phase])

    occupied = jnp.zeros((layers, num_states)).at[0].set(world.start)
    return lax.scan(forward, occupied, (world.phases, epsilons, best))[1]


def _world(tables: Tables, num_steps: int, switch_every: int) -> _World:
    probability = tables.probability.astype(np.float64)
    probability /= probability.sum(-1, keepdims=True)
    survives = (~tables.terminates).astype(np.float64)
    num_states = len(tables.start)
    incoming = [_incoming(tables.successor[phase].ravel(), num_states) for phase in range(tables.num_phases)]
    width = max(slots.shape[1] for slots in incoming)
    none = tables.successor[0].size
    arrays = (
        probability,
        survives,
        (probability * tables.reward).sum(-1),
        tables.successor,
        np.stack([np.pad(slots, ((0, 0), (0, width - slots.shape[1])), constant_values=none) for slots in incoming]),
        tables.start.astype(np.float64),
        phase_at(np.arange(num_steps), switch_every, tables.num_phases).astype(np.int32),
    )
    return _World(*(to_device(array) for array in arrays))


def _incoming(successor: NDArray[np.int32], num_states: int) -> NDArray[np.int32]:
    """[S, I] the flat slots that lead to each state."""
    order = np.argsort(successor, kind="stable").astype(np.int32)
    counts = np.bincount(successor, minlength=num_states)
    slots = np.full((num_states, int(counts.max())), successor.size, np.int32)
    column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    slots[successor[order], column] = order
    return slots


def _action_values(world: _World, phase: Array, value: Array, *, is_limited: bool) -> Array:
    """[X, S, A] expected reward from here on, with ``value`` [X, S] that of the next step."""
    fresh = value[0] @ world.start
    if is_limited:
        value = jnp.append(value[1:], jnp.full((1, value.shape[1]), fresh), axis=0)
    goes_on = world.survives[phase]
    after = goes_on * value[:, world.successor[phase]] + (1 - goes_on) * fresh
    return world.reward[phase] + jnp.sum(world.probability[phase] * after, -1)


def _flow(world: _World, phase: Array, joint: Array, *, is_limited: bool) -> Array:
    """[X, S] where the next step begins, from the probabilities [X, S, A] of states and actions."""
    moved = (joint[..., None] * (world.probability * world.survives)[phase]).reshape(len(joint), -1)
    # Whoever has no incoming slot left reads the nought that is appended.
    arrived = jnp.append(moved, jnp.zeros((len(joint), 1)), axis=1)[:, world.incoming[phase]].sum(-1)
    if is_limited:
        arrived = jnp.append(jnp.zeros((1, arrived.shape[1])), arrived[:-1], axis=0)
    first = jnp.arange(len(joint))[:, None] == 0
    return arrived + (1 - arrived.sum()) * world.start * first


@functools.lru_cache(maxsize=8)
def _optimum_of(
    environment: Any, policy: Any, epsilon: float, steps: int, record_every: int, compile_options: Hashable
) -> np.ndarray[Any, Any]:
    """The optimum, remembered by all that decides its bits; ``compile_options`` is part of the key only."""
    return optimal_rewards(
        build_tables(environment),
        epsilon=epsilon if policy is None else _epsilons(policy, epsilon, steps),
        num_steps=steps,
        record_every=record_every,
        switch_every=environment.switch_every,
        step_limit=environment.step_limit,
    )


def _epsilons(policy: Any, epsilon: float, steps: int) -> NDArray[np.float64]:
    """[steps] exploration probabilities under a policy whose row has ``epsilons``."""
    row, settings = row_for(policy, POLICIES)
    assert row.epsilons is not None, "otherwise it is epsilon in all steps"
    return np.asarray(row.epsilons(settings, epsilon, jnp.arange(steps)), np.float64)


def optimum(suite: Suite, epsilon: float | None = None) -> np.ndarray[Any, Any]:
    """[chunks] the expected rewards of the best ε-soft policy for a suite, see ``optimal_rewards``.

    Args:
        epsilon: None for the exploration probabilities of the suite's own policy.
    """
    row, _ = row_for(suite.policy, POLICIES)
    policy = suite.policy if epsilon is None and row.epsilons is not None else None
    at_first = suite.epsilon if epsilon is None else epsilon
    return _optimum_of(suite.environment, policy, at_first, suite.steps, suite.record_every, compile_options())
