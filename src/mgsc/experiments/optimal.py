"""The yardstick: the best expected total reward, by backward dynamic programming over (step, state).

On the exact tables with the true schedule of changes, restarts included, and nothing discounted. Bounds
the *expectation* of any agent restricted to ε-soft policies (or of any agent, with ε = 0); a single
seed may exceed it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables

DENSE_ENTRIES = 10_000
"""Transition matrices up to this size are dense, where products with them are fastest."""


def optimal_rewards(
    tables: Tables, *, epsilon: float, num_steps: int, record_every: int, switch_every: int, step_limit: int = 0
) -> NDArray[np.float64]:
    """Expected reward per chunk of the best policy for the whole run.

    Args:
        tables: true tables [P, S, A, M].
        epsilon: the policy must be ε-soft: with probability ε a uniformly random action.
        num_steps: horizon, in environment steps.
        record_every: steps of a chunk.
        switch_every: steps each phase lasts.
        step_limit: steps after which an episode is truncated; 0 for none.

    Returns:
        [num_steps / record_every] rewards; their sum is the optimal expected total reward.
    """
    matrices, rewards, start = _with_episode_steps(tables, step_limit)
    num_actions = tables.probability.shape[2]
    num_states = len(start)
    phases = (np.arange(num_steps) // switch_every) % tables.num_phases
    best = np.zeros((num_steps, num_states), np.min_scalar_type(num_actions))
    value = np.zeros(num_states)
    for step in range(num_steps - 1, -1, -1):
        phase = phases[step]
        action_values = (rewards[phase] + matrices[phase] @ value).reshape(num_states, num_actions)
        best[step] = action_values.argmax(1)
        value = (1 - epsilon) * action_values.max(1) + epsilon * action_values.mean(1)
    expected = _expected_rewards(matrices, rewards, start, best, phases, epsilon, num_actions)
    per_chunk: NDArray[np.float64] = expected.reshape(-1, record_every).sum(1)
    return per_chunk


def _expected_rewards(
    matrices: list[Any],
    rewards: list[NDArray[np.float64]],
    start: NDArray[np.float64],
    best: NDArray[np.unsignedinteger[Any]],
    phases: NDArray[np.int64],
    epsilon: float,
    num_actions: int,
) -> NDArray[np.float64]:
    """[T] expected reward of each step under the ε-soft policy greedy in ``best`` [T, S]."""
    backward = [matrix.T.tocsr() if hasattr(matrix, "tocsr") else np.ascontiguousarray(matrix.T) for matrix in matrices]
    occupied = start.copy()
    states = np.arange(len(start))
    expected = np.zeros(len(best))
    for step, phase in enumerate(phases):
        joint = np.repeat(occupied * (epsilon / num_actions), num_actions).reshape(len(start), num_actions)
        joint[states, best[step]] += (1 - epsilon) * occupied
        flat = joint.reshape(-1)
        expected[step] = flat @ rewards[phase]
        occupied = backward[phase] @ flat
    return expected


def _with_episode_steps(
    tables: Tables, step_limit: int
) -> tuple[list[Any], list[NDArray[np.float64]], NDArray[np.float64]]:
    """Per phase the [X·A, X] transition matrix with restarts and the [X·A] mean rewards; start [X].

    X counts states, times the steps of an episode where these are limited.
    """
    from scipy import sparse

    num_states, num_actions, num_slots = tables.probability.shape[1:]
    layers = max(step_limit, 1)
    size = layers * num_states
    start = np.zeros(size)
    start[:num_states] = tables.start
    starts = np.flatnonzero(start)
    matrices, rewards = [], []
    rows = np.broadcast_to(np.arange(num_states * num_actions)[:, None], (num_states * num_actions, num_slots)).ravel()
    for phase in range(tables.num_phases):
        probability = tables.probability[phase].astype(np.float64)
        probability /= probability.sum(-1, keepdims=True)
        successor, ends = tables.successor[phase].ravel(), tables.terminates[phase].ravel()
        entries: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        for layer in range(layers):
            row, weight = rows + layer * num_states * num_actions, probability.ravel()
            over = ends | (layer + 1 == step_limit)
            stays = ~over
            next_layer = layer + 1 if step_limit else 0
            entries.append((row[stays], successor[stays] + next_layer * num_states, weight[stays]))
            entries.extend((row[over], np.full(over.sum(), first), weight[over] * start[first]) for first in starts)
        row, column, weight = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        matrix = sparse.csr_array((weight, (row, column)), shape=(size * num_actions, size))
        matrices.append(matrix.toarray() if size * size * num_actions <= DENSE_ENTRIES else matrix)
        mean = (probability * tables.reward[phase]).sum(-1).ravel()
        rewards.append(np.tile(mean, layers))
    return matrices, rewards, start
