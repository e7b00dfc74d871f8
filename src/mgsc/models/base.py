"""What a model promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.noise import Draw
from mgsc.types import Array, PyTree, Successors, Transition


class Model(NamedTuple):
    """A model of the environment as pure functions.

    Attributes:
        init: ``() -> state``.
        draw: noise of one sampled answer.
        sample: ``(noise, state, observation, action) -> Transition``, one imagined transition.
        expect: ``(state, observation, action) -> Successors``, the whole distribution.
        update: ``(state, transition) -> state`` learns from a real transition; None when fixed.
    """

    init: Callable[[], PyTree]
    draw: Draw
    sample: Callable[[PyTree, PyTree, Array, Array], Transition]
    expect: Callable[[PyTree, Array, Array], Successors]
    update: Callable[[PyTree, Transition], PyTree] | None = None
