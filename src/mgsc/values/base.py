"""What a value function promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.types import Array, PyTree


class ValueFunction(NamedTuple):
    """An action-value function q(s, a; θ) as pure functions.

    Attributes:
        init: ``(key) -> θ``.
        apply: ``(θ, observation) -> [A]`` action values.
        update: ``(θ, observation, action, error, step_size) -> θ + step_size · error · ∇q``, the
            semi-gradient step for a temporal-difference error.
        is_table: True when θ is an array [S, A] and ``apply`` reads row ``observation``, which lets
            the meta-gradient use its closed form for tables.
    """

    init: Callable[[Array], PyTree]
    apply: Callable[[PyTree, Array], Array]
    update: Callable[[PyTree, Array, Array, Array, Array], PyTree]
    is_table: bool = False
