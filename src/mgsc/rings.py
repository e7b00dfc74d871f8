"""Rings: the last real transitions, in arrays of a fixed length."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.types import Array, Transition, like


def empty_ring(
    observation: Array | jax.ShapeDtypeStruct, length: int, action: Array | jax.ShapeDtypeStruct | None = None
) -> Transition:
    """A ring for ``length`` transitions: Transition of arrays [length].

    Args:
        observation: an example; only its shape and dtype matter.
        action: the same of an action; None for the number of one.
    """
    act = like((), jnp.int32) if action is None else action
    observations = jnp.zeros((length, *observation.shape), observation.dtype)
    numbers = jnp.zeros(length, jnp.result_type(float))
    actions = jnp.zeros((length, *act.shape), act.dtype)
    return Transition(observations, actions, numbers, numbers, observations)


def put_transition(ring: Transition, slot: Array, transition: Transition) -> Transition:
    """The ring with a transition in one slot, [] int32."""
    return Transition(*(put_at(column, slot, entry) for column, entry in zip(ring, transition, strict=True)))


def take_transitions(ring: Transition, slots: Array) -> Transition:
    """The transitions in ``slots``, with their shape as leading axes."""
    return Transition(*(lookup(column, slots) for column in ring))
