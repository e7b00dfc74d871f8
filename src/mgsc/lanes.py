"""What all lanes of a block have in common: whatever they differ in, they make the same real step at once."""

from __future__ import annotations

from typing import Any

from jax.custom_batching import custom_vmap

from mgsc.types import Array


@custom_vmap
def shared_by_lanes(number: Array) -> Array:
    """A number that is equal in all lanes, as one number for all; where it is not, all take the first lane's.

    A branch that depends on it stays a branch: one that depends on a number of each lane becomes, batched, both of its
    sides and a choice between their results.
    """
    return number


@shared_by_lanes.def_vmap
def _of_first_lane(axis_size: int, in_batched: list[bool], number: Array) -> tuple[Any, bool]:
    del axis_size
    return shared_by_lanes(number[0] if in_batched[0] else number), False
