"""The interface of value functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.noise import Draw, nothing
from mgsc.types import ActionChoice, Array, PyTree, Transition


class Actor(NamedTuple):
    """A policy with its own parameters, which are part of θ and learned with the values.

    Attributes:
        draw: noise of one choice.
        sample: ``(noise, θ, observation) -> action``.
        actions: ``(θ, observation) -> ActionChoice``, C actions that stand for the distribution.
        best: ``(θ, observation) -> action`` without exploration.
    """

    draw: Draw
    sample: Callable[[PyTree, PyTree, Array], Array]
    actions: Callable[[PyTree, Array], ActionChoice]
    best: Callable[[PyTree, Array], Array]


class ValueFunction(NamedTuple):
    """An action-value function q(s, a; θ) as pure functions.

    The *learner's* state holds what updates need besides θ: an optimiser's state, a target network. Planned parameters
    are differentiated in θ alone.

    Attributes:
        init: ``(key) -> (θ, learner)``; the learner of a table is ``()``.
        q: ``(θ, observation, action) -> []``.
        bootstrap: ``(θ, learner, observation) -> []`` value of the best action, which targets add to the reward.
        update: ``(θ, learner, observation [B, ...], action [B, ...], error [B], step_size [B]) -> (θ, learner)``, a
            semi-gradient step along the mean of ``step_size · error · ∇q`` over the batch.
        action_values: ``(θ, observation) -> [A]``; None where actions are continuous.
        is_table: whether θ is an array [S, A] in which an observation numbers a row, and ``bootstrap`` is the
            maximum of that row, which lets the meta-gradient use its closed form for tables.
        heads: ``(θ, observation, action) -> [J]`` of values that are the mean of several functions, each of which
            learns from its own error; None where there is one.
        learn: ``(noise, θ, learner, Transition [B, ...], step_size [B]) -> (θ, learner, error [B])``, which takes the
            place of ``update`` where learning needs chance or whole transitions; such values change in planning
            updates only. None of other values.
        draw: noise of one call of ``learn``.
        actor: the policy that is learned with the values; None where the policy is a function of them.
    """

    init: Callable[[Array], tuple[PyTree, PyTree]]
    q: Callable[[PyTree, Array, Array], Array]
    bootstrap: Callable[[PyTree, PyTree, Array], Array]
    update: Callable[[PyTree, PyTree, Array, Array, Array, Array], tuple[PyTree, PyTree]]
    action_values: Callable[[PyTree, Array], Array] | None = None
    is_table: bool = False
    heads: Callable[[PyTree, Array, Array], Array] | None = None
    learn: Callable[[PyTree, PyTree, PyTree, Transition, Array], tuple[PyTree, PyTree, Array]] | None = None
    draw: Draw = nothing
    actor: Actor | None = None
