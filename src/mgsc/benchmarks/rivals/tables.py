"""The problem both rivals solve, as plain NumPy arrays, and what they prepare from it.

Shapes: S states, A actions, M successor slots of a state and an action, N candidate states,
P phases, T environment steps. Rewards and values are in the environment's reward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ADAM_LARGEST_STEP = 3.2
"""Adam's largest step in units of its step size, (1 − β₁)/√(1 − β₂), rounded up."""


class Problem(NamedTuple):
    """Sparse tables of a maze whose rewards change, and of the fixed model the agent plans with.

    Attributes:
        probability: [S, A, M]; a slot of probability 0 is padding.
        successor: [S, A, M] int.
        terminates: [S, A, M] bool; the next step then begins at ``start``.
        true_reward: [P, S, A, M]; step t is in phase ``(t // switch_every) % P``.
        model_reward: [S, A, M]; the model shares everything else with the environment.
        start: state in which every episode begins.
        candidates: [N] int, the non-terminal states that search control chooses from.
        switch_every: environment steps from one phase to the next.
    """

    probability: np.ndarray
    successor: np.ndarray
    terminates: np.ndarray
    true_reward: np.ndarray
    model_reward: np.ndarray
    start: int
    candidates: np.ndarray
    switch_every: int


class Settings(NamedTuple):
    """Settings of a run, the same for every rival.

    Attributes:
        num_steps: environment steps, T.
        planning_updates: sampled planning updates per environment step, K; 0 is Q-learning.
        step_size: α of every value update.
        discount: γ, above 0: a discount of 0 means termination.
        epsilon: probability of a uniformly random action.
        meta_step_size: Adam's step size on the logits of the search control (MGSC only).
        is_recorded: whether MGSC adds up d at every step for ``Result.mean_d``.
    """

    num_steps: int
    planning_updates: int
    step_size: float
    discount: float = 0.95
    epsilon: float = 0.1
    meta_step_size: float = 0.03
    is_recorded: bool = True


class Result(NamedTuple):
    """What one seed's run leaves behind.

    Attributes:
        total_reward: sum over all environment steps.
        q: [S, A] final action values.
        mean_d: [P, N] search-control distribution, its mean over the steps of each phase; NaN
            for a phase never reached, or everywhere if MGSC did not record it.
    """

    total_reward: float
    q: np.ndarray
    mean_d: np.ndarray


class Prepared(NamedTuple):
    """Tables in the order the loops read them: the likeliest outcome first.

    Attributes:
        cumulative: [S, A, M] cumulative probability; infinite from the last real slot on, so
            that no rounding lets a uniform number fall behind it.
        successor: [S, A, M] int.
        discount: [S, A, M], 0 where the slot terminates.
        true_reward: [P, S, A, M].
        model_reward: [S, A, M].
        expected_reward: [S, A] of the model.
        weight: [S, A, M] probability × discount, what the successor's value counts for.
        position: [S] index among the candidates, −1 for the other states.
    """

    cumulative: np.ndarray
    successor: np.ndarray
    discount: np.ndarray
    true_reward: np.ndarray
    model_reward: np.ndarray
    expected_reward: np.ndarray
    weight: np.ndarray
    position: np.ndarray


def prepare(problem: Problem, discount: float) -> Prepared:
    """Orders the slots by probability and works out what stays the same during the run."""
    order = np.argsort(-problem.probability, axis=-1, kind="stable")

    def ordered(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, order, axis=-1)

    probability = ordered(problem.probability)
    slot = np.arange(probability.shape[-1])
    last = np.maximum(np.count_nonzero(probability, axis=-1) - 1, 0)
    cumulative = np.where(slot < last[..., None], np.cumsum(probability, axis=-1), np.inf)
    discounts = np.where(ordered(problem.terminates), 0.0, discount)
    model_reward = ordered(problem.model_reward)
    position = np.full(probability.shape[0], -1)
    position[problem.candidates] = np.arange(len(problem.candidates))
    return Prepared(
        cumulative=cumulative,
        successor=ordered(problem.successor),
        discount=discounts,
        true_reward=np.stack([ordered(reward) for reward in problem.true_reward]),
        model_reward=model_reward,
        expected_reward=np.sum(probability * model_reward, axis=-1),
        weight=probability * discounts,
        position=position,
    )


def mean_over_phases(sums: np.ndarray, settings: Settings, switch_every: int) -> np.ndarray:
    """Turns [P, N] sums over steps into means over each phase's steps; NaN where it has none."""
    phases = np.arange(settings.num_steps) // switch_every % len(sums)
    steps = np.bincount(phases, minlength=len(sums))[:, None]
    is_known = (steps > 0) & settings.is_recorded
    means: np.ndarray = np.divide(sums, steps, out=np.full(sums.shape, np.nan), where=is_known)
    return means


def steps_between_centring(meta_step_size: float, largest_drift: float, most: int) -> int:
    """How many meta-updates cannot move a logit by more than the largest drift, at least 1."""
    largest_step = _ADAM_LARGEST_STEP * meta_step_size
    return most if largest_step * most <= largest_drift else max(1, int(largest_drift / largest_step))
