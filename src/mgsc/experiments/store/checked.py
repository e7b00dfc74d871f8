"""Checks of types and ranges of the values in a manifest or a result that may be untrusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mgsc.experiments.design.names import AGENT_NAME_RULE, is_agent_name

LARGEST = 2**31 - 1
"""The largest seed, step or generation."""


def whole(value: object, name: str, low: int = 0, high: int = LARGEST) -> int:
    """A whole number in [low, high].

    Raises:
        ValueError: it is none.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise ValueError(f"{name} is no whole number in [{low}, {high}]")
    return int(value)  # type: ignore[call-overload, no-any-return]


def wholes(values: object, name: str, low: int = 0, high: int = LARGEST) -> tuple[int, ...]:
    """Whole numbers in [low, high], in a list or an array.

    Raises:
        ValueError: they are none.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise ValueError(f"{name} is no list of whole numbers")
    return tuple(whole(value, name, low, high) for value in values)


def line(value: object, name: str) -> str:
    """A text that may be printed, without control characters.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{name} is no printable text")
    return value


def agent_names(values: object) -> tuple[str, ...]:
    """Names of agents, see ``design.names``.

    Raises:
        ValueError: a text is no name.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray):
        raise ValueError("agents is no list of names")
    for value in values:
        if not is_agent_name(str(value) if isinstance(value, np.str_) else value):
            raise ValueError(f"an agent is called {ascii(value)[:80]}: {AGENT_NAME_RULE}")
    return tuple(str(value) for value in values)


def mapping(value: object, name: str) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is no object")
    return dict(value)
