"""The design of a classic experiment."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mgsc.experiments.design.suites import Suite

Records = Literal["episodes", "reward", "solution"]

MOST_TIMES = 200
"""Multiple of the ``steps`` of a suite after which a run counts as endless."""


@dataclasses.dataclass(frozen=True)
class Classic:
    """An experiment of a textbook.

    Attributes:
        suite: environment, model and agents; ``steps`` is the length of a run, or about the length where it ends by
            itself; every ``record_every`` steps it is checked whether it is over.
        records: "episodes", the lengths of the first episodes; "reward", reward through time;
            "solution", updates made until greedy paths are short.
        length: number of episodes; environment steps between points of the reward's curve; or the longest path that is
            a solution.
        runs: seeds of every agent.
        looks_at_ends: whether a solution is searched at the ends of episodes only, not after every step.
        planning_only: agents whose values change by planning only, the update from the real transition left out.
    """

    suite: Suite
    records: Records
    length: int
    runs: int
    looks_at_ends: bool = True
    planning_only: tuple[str, ...] = ()
