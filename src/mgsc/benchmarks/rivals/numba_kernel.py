"""Dyna-Q and MGSC as hand-written numba kernels: one seed per call, one core, no fast maths.

The same calls and the same meaning as in ``numpy_loop``, other random numbers. numba is imported
by the first run, which also compiles (seconds); numba keeps what it compiled on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .tables import (
    Problem,
    Result,
    Settings,
    mean_over_phases,
    prepare,
    steps_between_centring,
)

_LARGEST_DRIFT = 40.0
"""How far a logit may move before the logits are centred again; float32's exp overflows at 88."""

_MOST_STEPS = 1000


def run_dyna_q(problem: Problem, settings: Settings, seed: int) -> Result:
    """Runs Dyna-Q that samples uniformly the states it plans from; K = 0 is Q-learning.

    Args:
        problem: the maze and the model.
        settings: ``meta_step_size`` is ignored.
        seed: any non-negative integer below 2⁶³.
    """
    from . import kernels

    tables, numbers = _arguments(kernels, problem, settings)
    total, q = kernels.dyna_q(tables, numbers, seed)
    shape = len(problem.true_reward), len(problem.candidates)
    mean_d = np.full(shape, 1.0 / len(problem.candidates))
    return Result(total, q.reshape(problem.probability.shape[:2]), mean_d)


def run_mgsc(problem: Problem, settings: Settings, seed: int) -> Result:
    """Runs Meta-Gradient Search Control: target planned, planned parameters scaled, no entropy.

    The meta-update comes before the direct update; the K planning updates use the new d.

    Args:
        problem: the maze and the model.
        settings: all of them count.
        seed: any non-negative integer below 2⁶³.
    """
    from . import kernels

    tables, numbers = _arguments(kernels, problem, settings)
    total, q, sums = kernels.mgsc(tables, numbers, settings.is_recorded, seed)
    mean_d = mean_over_phases(sums, settings, problem.switch_every)
    return Result(total, q.reshape(problem.probability.shape[:2]), mean_d)


def meta_gradient(
    problem: Problem,
    settings: Settings,
    q: np.ndarray,
    logits: np.ndarray,
    transition: tuple[int, int, float, float, int],
) -> np.ndarray:
    """The gradient of the meta-loss with respect to the [N] logits, as ``numpy_loop`` has it."""
    from . import kernels

    tables, numbers = _arguments(kernels, problem, settings)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    state, action, reward, discount, successor = transition
    here, there = tables.position[state], tables.position[successor]
    pair = weights[here], weights[there] if there >= 0 else 0.0
    slope = kernels.meta_slope(
        tables.expected_reward,
        tables.weight,
        tables.successor,
        numbers,
        np.ascontiguousarray(q, np.float32).reshape(-1),
        np.max(q, axis=-1).astype(np.float32),
        (np.float32(pair[0]), np.float32(pair[1])),
        state,
        state * q.shape[1] + action,
        (np.float32(reward), np.float32(discount), successor),
    )
    gradient: np.ndarray = weights * (np.arange(len(weights)) == here)
    return slope * (gradient - pair[0] * weights)


def _arguments(kernels: Any, problem: Problem, settings: Settings) -> tuple[Any, Any]:
    """Flattens the tables and inverts what divides."""
    prepared = prepare(problem, settings.discount)

    def real(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values, np.float32).reshape(-1)

    def index(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values, np.int64).reshape(-1)

    tables = kernels.Tables(
        cumulative=real(prepared.cumulative),
        successor=index(prepared.successor),
        discount=real(prepared.discount),
        true_reward=real(prepared.true_reward).reshape(len(prepared.true_reward), -1),
        model_reward=real(prepared.model_reward),
        expected_reward=real(prepared.expected_reward),
        weight=real(prepared.weight),
        position=index(prepared.position),
        candidates=index(problem.candidates),
        start=int(problem.start),
        switch_every=int(problem.switch_every),
    )
    _, num_actions, num_slots = problem.probability.shape
    numbers = kernels.Numbers(
        actions=(0,) * num_actions,
        slots=(0,) * num_slots,
        num_steps=settings.num_steps,
        num_updates=settings.planning_updates,
        step_size=np.float32(settings.step_size),
        planned_step=np.float32(settings.step_size * settings.planning_updates),
        epsilon=np.float32(settings.epsilon),
        random_scale=np.float32(num_actions / max(settings.epsilon, 1e-30)),
        greedy_scale=np.float32(1.0 / max(1.0 - settings.epsilon, 1e-30)),
        meta_step_size=float(settings.meta_step_size),
        centre_every=steps_between_centring(settings.meta_step_size, _LARGEST_DRIFT, _MOST_STEPS),
    )
    return tables, numbers
