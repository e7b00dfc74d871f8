"""What a classic experiment is made of."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mgsc.experiments.design.suites import Suite

Records = Literal["episodes", "reward", "solution"]

MOST_TIMES = 200
"""A run that has not ended after so many times the ``steps`` of its suite never will."""


@dataclasses.dataclass(frozen=True)
class Classic:
    """An experiment of a textbook.

    Attributes:
        suite: environment, model and agents; ``steps`` is how long a run is, or about how long where it
            ends by itself; ``record_every`` how often is looked whether it is over.
        records: "episodes", the lengths of the first episodes; "reward", reward through time;
            "solution", updates made until greedy paths are short.
        length: how many episodes; environment steps between points of the reward's curve; or the longest path
            that is a solution.
        runs: seeds of every agent.
        looks_at_ends: a solution is looked for at the ends of episodes only, not after every step.
        planning_only: agents whose values change by planning only, the update from the real transition left out.
    """

    suite: Suite
    records: Records
    length: int
    runs: int
    looks_at_ends: bool = True
    planning_only: tuple[str, ...] = ()
