"""What ``models.learned`` promises, as books kept in plain Python."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One real transition."""

    state: int
    action: int
    reward: float
    successor: int
    ends: bool


class Books:
    """What the docstring of ``learned`` says, in words of Python."""

    def __init__(self, num_slots: int, step_size: float | None):
        self.num_slots, self.step_size = num_slots, step_size
        self.weight: dict[tuple[int, int], dict[tuple[int, bool], float]] = {}
        self.reward: dict[tuple[int, int], dict[tuple[int, bool], float]] = {}
        self.overflow = 0

    def hear(self, event: Event) -> None:
        weight = self.weight.setdefault(event[:2], {})
        reward = self.reward.setdefault(event[:2], {})
        outcome = (event.successor, event.ends)
        if outcome not in weight and len(weight) == self.num_slots:
            self.overflow += 1
            return
        is_first, is_new = not weight, outcome not in weight
        if self.step_size is None:
            weight[outcome] = weight.get(outcome, 0) + 1
            rate = 1 / weight[outcome]
        else:
            share = 1.0 if is_first else self.step_size
            for other in weight:
                weight[other] *= 1 - share
            weight[outcome] = weight.get(outcome, 0.0) + share
            rate = 1.0 if is_new else self.step_size
        reward[outcome] = reward.get(outcome, 0.0) + rate * (event.reward - reward.get(outcome, 0.0))

    def answer(self, state: int, action: int) -> dict[tuple[int, bool], tuple[float, float]]:
        """(successor, whether it ends) -> (probability, mean reward); empty where nothing was tried."""
        weight, reward = self.weight.get((state, action), {}), self.reward.get((state, action), {})
        total = sum(weight.values())
        return {outcome: (weight[outcome] / total, reward[outcome]) for outcome in weight}
