"""What a value function promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.types import Array, PyTree


class ValueFunction(NamedTuple):
    """An action-value function q(s, a; θ) as pure functions.

    Whatever an update needs besides θ (an optimiser's state, a target network) is the *learner's* state; planned
    parameters are differentiated in θ alone.

    Attributes:
        init: ``(key) -> (θ, learner)``; the learner of a table is ``()``.
        q: ``(θ, observation, action) -> []``.
        bootstrap: ``(θ, learner, observation) -> []`` value of the best action, what an update adds to the reward.
        update: ``(θ, learner, observation [B, ...], action [B, ...], error [B], step_size [B]) -> (θ, learner)``, a
            semi-gradient step along the mean of ``step_size · error · ∇q`` over the batch.
        action_values: ``(θ, observation) -> [A]``; None where actions are continuous.
        is_table: whether θ is an array [S, A] in which an observation numbers a row, and ``bootstrap`` is the
            maximum of that row, which lets the meta-gradient use its closed form for tables.
    """

    init: Callable[[Array], tuple[PyTree, PyTree]]
    q: Callable[[PyTree, Array, Array], Array]
    bootstrap: Callable[[PyTree, PyTree, Array], Array]
    update: Callable[[PyTree, PyTree, Array, Array, Array, Array], tuple[PyTree, PyTree]]
    action_values: Callable[[PyTree, Array], Array] | None = None
    is_table: bool = False
