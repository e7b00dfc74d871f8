"""The form of a row of the table of value functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Generic, TypeVar

from mgsc.facts import Facts
from mgsc.types import Array
from mgsc.values.base import ValueFunction

S = TypeVar("S")


@dataclasses.dataclass(frozen=True)
class ValuesRow(Generic[S]):
    """A value function that suites may name.

    Attributes:
        name: in the table.
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its settings.
        build: ``(settings, facts, initial_value) -> ValueFunction``; the initial value may be traced.
        needs_tables: whether states must be listed.
    """

    name: str
    summary: str
    settings: type[S]
    build: Callable[[S, Facts, Array | float], ValueFunction]
    needs_tables: bool = False
