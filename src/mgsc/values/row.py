"""The form of a row of the table of value functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from mgsc.facts import Facts
from mgsc.settings import Row
from mgsc.types import Array
from mgsc.values.base import ValueFunction

S = TypeVar("S")


@dataclasses.dataclass(frozen=True)
class ValuesRow(Row[S]):
    """A value function that suites may name.

    Attributes:
        build: ``(settings, facts, initial_value) -> ValueFunction``; the initial value may be traced.
        needs_tables: whether states must be listed.
        step_sizes: ``(settings) -> (low, high)`` between which tuning searches the step size; None for its default.
        planned_step_sizes: the same of planned updates that are differentiated, with a step size of their own.
        takes_numbers: whether actions are numbers in [−1, 1], not numbered.
    """

    build: Callable[[S, Facts, Array | float], ValueFunction]
    needs_tables: bool = False
    step_sizes: Callable[[S], tuple[float, float]] | None = None
    planned_step_sizes: tuple[float, float] | None = None
    takes_numbers: bool = False
