"""Rings of real transitions, and the transitions of MGSC's meta-loss: the last one, or several."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mgsc.rings import empty_ring, put_transition
from mgsc.types import Array, Candidates, Transition

Experience = Literal["one", "recent", "successive"]

LARGEST_WINDOW = 5000
"""The largest window of real steps that may be set, which is the size of its ring."""


class Recent(NamedTuple):
    """The last n real transitions, in a ring.

    Attributes:
        ring: Transition of arrays [n].
        count: [] int32 transitions so far.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]


def nothing_yet(candidates: Candidates, length: int, action: jax.ShapeDtypeStruct | None = None) -> Recent:
    """A ring for the last ``length`` transitions, before the first one; ``action`` as in ``empty_ring``."""
    return Recent(empty_ring(candidates.observation[0], length, action), jnp.zeros((), jnp.int32))


def remember(recent: Recent, transition: Transition) -> Recent:
    """The ring with one transition more, in place of the oldest one when it is full."""
    slot = recent.count % len(recent.ring.reward)
    return Recent(put_transition(recent.ring, slot, transition), recent.count + 1)


def as_kept(recent: Recent) -> tuple[Transition, Array]:
    """The transitions [n] in the order of the ring, which costs nothing, and [n] bool which of them there are."""
    return recent.ring, jnp.arange(len(recent.ring.reward)) < recent.count


def in_order(recent: Recent) -> tuple[Transition, Array]:
    """The transitions [n] from the oldest to the newest, and [n] bool which of them there are."""
    length = len(recent.ring.reward)
    age = jnp.arange(length)[::-1]
    slots = (recent.count - 1 - age) % length
    return jax.tree.map(lambda column: column[slots], recent.ring), age < recent.count
