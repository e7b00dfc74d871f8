"""Rings of real transitions, and those that MGSC's meta-loss looks at: the last one, or several."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mgsc.rings import empty_ring, put_transition
from mgsc.types import Array, Candidates, Transition

Experience = Literal["one", "recent", "successive"]

LARGEST_WINDOW = 5000
"""Size of rings of the last real steps of which a window counts: the largest window that may be set."""


class Recent(NamedTuple):
    """The last n real transitions, in a ring.

    Attributes:
        ring: Transition of arrays [n].
        count: int32 transitions seen so far.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]


def nothing_yet(candidates: Candidates, length: int) -> Recent:
    """Room for the last ``length`` transitions."""
    return Recent(empty_ring(candidates.observation[0], length), jnp.zeros((), jnp.int32))


def remember(recent: Recent, transition: Transition) -> Recent:
    """The ring with one transition more, and perhaps the oldest forgotten."""
    slot = recent.count % len(recent.ring.reward)
    return Recent(put_transition(recent.ring, slot, transition), recent.count + 1)


def as_kept(recent: Recent) -> tuple[Transition, Array]:
    """The transitions [n] as they lie in the ring, which takes no time, and [n] which of them there are."""
    return recent.ring, jnp.arange(len(recent.ring.reward)) < recent.count


def in_order(recent: Recent) -> tuple[Transition, Array]:
    """The transitions [n] from the oldest to the newest, and [n] which of them there are."""
    length = len(recent.ring.reward)
    age = jnp.arange(length)[::-1]
    slots = (recent.count - 1 - age) % length
    return jax.tree.map(lambda column: column[slots], recent.ring), age < recent.count
