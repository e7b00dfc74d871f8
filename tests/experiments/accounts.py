"""The measures, written out one state, action and outcome at a time, as ``definitions.md`` has them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Outcome(NamedTuple):
    """One thing that may happen."""

    probability: float
    reward: float
    successor: int
    ends: bool


Outcomes = dict[tuple[int, int], list[Outcome]]


def outcomes_of(tables) -> Outcomes:
    """All of one phase, float64."""
    columns = (tables.probability, tables.reward, tables.successor, tables.terminates)
    return {
        pair: [Outcome(*slot) for slot in zip(*(column[pair].tolist() for column in columns)) if slot[0] > 0]
        for pair in np.ndindex(*tables.probability.shape[:2])
    }


class Measurement(NamedTuple):
    """All that one measurement is made of; ``d`` [S]."""

    truth: Outcomes
    model: Outcomes
    q: np.ndarray
    d: np.ndarray
    optimal: np.ndarray
    candidates: np.ndarray
    epsilon: float
    discount: float
    step_size: float
    planning_updates: int
    reward_scale: float
    learns: bool = False

    def policy(self, state: int) -> np.ndarray:
        is_greedy = self.q[state] == self.q[state].max()
        return self.epsilon / len(is_greedy) + (1 - self.epsilon) * is_greedy / is_greedy.sum()

    def target(self, outcome: Outcome) -> float:
        bootstrap = 0.0 if outcome.ends else self.discount * float(self.q[outcome.successor].max())
        return outcome.reward + bootstrap

    def expected_target(self, outcomes: Outcomes, state: int, action: int) -> float:
        return sum(outcome.probability * self.target(outcome) for outcome in outcomes[state, action])

    def error(self, state: int) -> float:
        """e(s)."""
        far = [
            abs(self.expected_target(self.model, state, a) - self.expected_target(self.truth, state, a))
            for a in range(self.q.shape[1])
        ]
        return float(self.policy(state) @ far)

    def update(self, state: int) -> float:
        sizes = [
            abs(self.expected_target(self.model, state, a) - float(self.q[state, a])) for a in range(self.q.shape[1])
        ]
        return float(self.policy(state) @ sizes)

    def is_wrong(self, state: int) -> bool:
        if self.learns:
            return self.error(state) > 0.05 * self.reward_scale
        return any(
            sorted(self.model[state, action]) != sorted(self.truth[state, action]) for action in range(self.q.shape[1])
        )

    def is_redundant(self, state: int) -> bool:
        return self.update(state) < 0.01 * self.reward_scale and not self.is_wrong(state)


def measures(measurement: Measurement) -> dict[str, float]:
    """The ``MEASURES``."""
    positive = measurement.d[measurement.d > 0]
    sums = {"entropy": -float((positive * np.log(positive)).sum())}
    measured = {
        "wrong_mass": measurement.is_wrong,
        "error": measurement.error,
        "redundant_mass": measurement.is_redundant,
        "update": measurement.update,
    }
    for name, of in measured.items():
        weighted = name if name.endswith("_mass") else f"weighted_{name}"
        values = {state: float(of(state)) for state in measurement.candidates}
        sums[weighted] = sum(float(measurement.d[state]) * value for state, value in values.items())
        sums[f"uniform_{name}"] = sum(values.values()) / len(values)
    return {
        **sums,
        "useful_share": useful_share(measurement),
        "alignment": alignment(measurement),
        "overshoot": max(
            measurement.step_size
            * measurement.planning_updates
            * float(measurement.d[state])
            * float(measurement.policy(state).max())
            for state in measurement.candidates
        ),
    }


def useful_share(measurement: Measurement) -> float:
    """Every planning update that could be made next, with its chance: does q come closer to q*?"""
    changes = closer = 0.0
    for state in measurement.candidates:
        for action, chosen in enumerate(measurement.policy(state)):
            before, best = float(measurement.q[state, action]), float(measurement.optimal[state, action])
            for outcome in measurement.model[state, action]:
                chance = float(measurement.d[state]) * chosen * outcome.probability
                change = measurement.step_size * (measurement.target(outcome) - before)
                changes += chance * (change != 0)
                closer += chance * (abs(before + change - best) < abs(before - best))
    return closer / changes if changes else math.nan


def alignment(measurement: Measurement) -> float:
    """Cosine between two vectors over pairs: the planned direction, and that of real experience."""
    planned, real = [], []
    for state in measurement.candidates:
        for action, chosen in enumerate(measurement.policy(state)):
            weight, q = float(measurement.d[state]) * chosen, float(measurement.q[state, action])
            planned.append(weight * (measurement.expected_target(measurement.model, state, action) - q))
            real.append(weight * (measurement.expected_target(measurement.truth, state, action) - q))
    lengths = math.hypot(*planned) * math.hypot(*real)
    return float(np.dot(planned, real)) / lengths if lengths else math.nan
