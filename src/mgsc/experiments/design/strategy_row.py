"""What the experiments know of a strategy: the form of a row of the table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mgsc.experiments.design.problem import Problem
    from mgsc.search_control import Strategy
    from mgsc.types import Array


def num_pairs(problem: Problem) -> int:
    """S·A."""
    return math.prod(problem.tables.probability.shape[1:3])


def num_actions(problem: Problem) -> int:
    """A."""
    return int(problem.tables.probability.shape[2])


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A strategy without settings of its own."""


def settings_of(name: str, **fields: Any) -> type:
    """A frozen dataclass of settings, for a row that holds its own.

    Args:
        name: of the class.
        fields: made by ``number``, ``size``, ``choice``, ``text`` or ``switch``.
    """
    made = dataclasses.make_dataclass(name, [(field, Any, rule) for field, rule in fields.items()], frozen=True)
    made.__module__ = __name__
    globals()[name] = made  # where pickle looks for it
    return made


class Range(NamedTuple):
    """Where a setting is searched when tuning.

    Attributes:
        low, high: ends of the range; whole numbers for a ``size`` setting.
        share_of_zero: share of the configurations that set it to exactly 0.
        is_bounded: the high end is a rule (the budget), not a guess: being there is no edge case.
    """

    low: float
    high: float
    share_of_zero: float = 0.0
    is_bounded: bool = False


class StrategyRow(NamedTuple):
    """What the experiments know of a strategy.

    Attributes:
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its own settings.
        build: ``(settings, step_size, planning_updates, problem) -> Strategy``.
        plans: False for Q-learning.
        queries_model: False where planning updates use real transitions.
        expected_backups: ``(settings, problem, planning_updates) -> `` expected backups it makes per real step.
        tunes_updates: whether tuning searches K too: where updates can do harm, fewer may be better.
        space: ranges of its own settings that tuning searches, on log scales.
        is_meta_learned: whether its distribution is learned by a meta-gradient.
    """

    summary: str
    settings: type
    build: Callable[[Any, Array, Array | int, Problem], Strategy]
    plans: bool = True
    queries_model: bool = True
    expected_backups: Callable[[Any, Problem, int], int] = lambda settings, problem, planning_updates: 0
    tunes_updates: bool = True
    space: Mapping[str, Range] = {}
    is_meta_learned: bool = False
