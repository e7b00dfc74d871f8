"""A priority queue as a dense array: the largest of many numbers is found, and few of them are written."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mgsc.indexing import FEW, lookup, put_each, settled
from mgsc.sampling import point_in_tree, step_down, sum_tree
from mgsc.types import Array

NEVER = -1.0
"""Priority of pairs that must not be queried."""


def queue_of(numbers: Array) -> Array:
    """[N + 1] numbers [N], and a last slot for what belongs to no place, which holds ``NEVER``."""
    return jnp.append(numbers, jnp.asarray(NEVER, numbers.dtype))


def empty_queue(frequency: Array) -> Array:
    """[N·A + 1] an empty queue of pairs; those whose ``frequency`` [N, A] is 0 may never be queried."""
    return queue_of(jnp.where(frequency > 0, jnp.zeros_like(frequency), NEVER).reshape(-1))


def still_ruled_out(old: Array, new: Array) -> Array:
    """``new`` numbers in place of ``old`` ones; pairs that must not be queried keep ``NEVER``."""
    return jnp.where(old < 0, NEVER, new)


def refreshed(queue: Array, places: Array | None, number_of: Callable[[Array], Array]) -> Array:
    """A queue [N + 1] with some of its numbers computed anew; pairs that must not be queried keep ``NEVER``.

    Args:
        places: as in ``rewritten``.
        number_of: ``place [] -> number []``.
    """
    return rewritten(queue, places, lambda place: still_ruled_out(lookup(queue, place), number_of(place)))


def rewritten(numbers: Array, places: Array | None, number_of: Callable[[Array], Array]) -> Array:
    """Numbers [N + 1], of which the last belongs to no place, with some of them computed anew.

    Args:
        places: [I] int32 in [0, N], N for no place; None for all.
        number_of: ``place [] -> number []``.
    """
    size = len(numbers) - 1
    if places is None:
        return queue_of(jax.vmap(number_of)(jnp.arange(size, dtype=jnp.int32)))
    found = jax.vmap(number_of)(jnp.minimum(places, size - 1))
    return put_each(numbers, places, jnp.where(places < size, found, NEVER))


def find_largest(queue: Array, uniform: Array | None = None) -> tuple[Array, Array]:
    """The place of the largest number, [] int32, and that number.

    Args:
        queue: [N], some number above ``NEVER``.
        uniform: [] in [0, 1), which draws among equal numbers; None takes the first.
    """
    # The numbers in few rows: XLA looks at many columns at once, and at a long row one by one.
    columns = -(-len(queue) // FEW)
    table = jnp.pad(queue, (0, FEW * columns - len(queue)), constant_values=NEVER).reshape(FEW, columns)
    most = _over_rows(jnp.maximum, table).max()
    is_most = table == most
    if uniform is None:
        places = jnp.arange(FEW * columns, dtype=jnp.int32).reshape(FEW, columns)
        return _over_rows(jnp.minimum, jnp.where(is_most, places, len(queue))).min(), most
    ties = settled(jnp.asarray(is_most, table.dtype))
    tree = sum_tree(settled(_over_rows(jnp.add, ties)))
    column, point = point_in_tree(uniform, tree)
    row, _ = step_down(point, jnp.stack([lookup(ties[number], column) for number in range(FEW)]))
    return row * columns + column, most


def _over_rows(operation: Callable[[Array, Array], Array], table: Array) -> Array:
    result = table[0]
    for row in range(1, len(table)):
        result = operation(result, table[row])
    return result
