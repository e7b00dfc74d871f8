"""Reading and writing single entries of arrays inside compiled loops.

XLA's gathers and scatters check every index and, batched over lanes, concatenate index vectors. Indices here are valid
by construction, and short axes are written out. On a CPU a batched write is a loop over the lanes, which compiles into
the surrounding kernel; a scatter cannot (see ``mgsc.kernel``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from mgsc.types import Array

FEW = 8
"""Axes up to this size (actions, outcomes) are written out."""

FIRST = np.int32(0)
"""Of an index: int32, also where whole numbers are int64."""

Index = Array | tuple[Array, ...]


def lookup(table: Array, index: Array) -> Array:
    """``table[index]`` along the first axis, for an index that is valid by construction: nothing is checked."""
    return table.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def pick(values: Array, index: Array) -> Array:
    """[] ``values[index]`` of an array [N]."""
    if values.shape[-1] > FEW:
        return values[index]
    result = values[0]
    for slot in range(1, values.shape[-1]):
        result = jnp.where(index == slot, values[slot], result)
    return result


def add_at(table: Array, index: Index, amount: Array) -> Array:
    """``table.at[index].add(amount)`` for one valid index into the leading axes."""
    return _add_at(table, index if isinstance(index, tuple) else (index,), jnp.asarray(amount, table.dtype))


def put_at(table: Array, index: Index, entry: Array) -> Array:
    """``table.at[index].set(entry)`` for one valid index into the leading axes."""
    return _put_at(table, index if isinstance(index, tuple) else (index,), jnp.asarray(entry, table.dtype))


def put_each(table: Array, places: Array, entries: Array) -> Array:
    """``table`` with the entries [J, ...] at the places [J], one after the other: of equal places the last holds."""
    return _one_by_one(put_at, table, places, entries)


def add_each(table: Array, places: Array, amounts: Array) -> Array:
    """``table`` with the amounts [J, ...] added at the places [J], which may repeat."""
    return _one_by_one(add_at, table, places, amounts)


def _one_by_one(write: Callable[..., Array], table: Array, places: Array, entries: Array) -> Array:
    def write_one(turn: Array, table: Array) -> Array:
        return write(table, lookup(places, turn), lookup(entries, turn))

    result: Array = lax.fori_loop(0, len(places), write_one, table)
    return result


def settled(table: Array) -> Array:
    """``table`` unchanged, but computed once.

    In a compiled loop on a CPU a table that is read in several places may be computed anew in each of them. Here it
    passes through a write of nothing, before which it is computed.
    """
    return add_at(table, jnp.zeros((), jnp.int32), jnp.zeros(table.shape[1:], table.dtype))


def after(index: Array, read: Array) -> Array:
    """``index`` unchanged, but computed after ``read``.

    A compiled loop writes a table in place if all reads of it come before. This makes the index of a write depend on
    ``read``, in a way that the compiler cannot simplify.

    Args:
        index: [] a valid index, so 0 or more.
        read: [] a number computed from the table.
    """
    return jnp.maximum(index, jnp.isnan(read).astype(index.dtype) - 1)


def is_for_cpu() -> bool:
    """Whether the default device, for which functions are traced, is a CPU.

    JAX keeps traced functions by the default device, so a function traced for one device is traced anew for another.
    """
    device: jax.Device | str | None = jax.config.jax_default_device  # type: ignore[attr-defined]
    if device is None:
        return jax.default_backend() == "cpu"
    return (device if isinstance(device, str) else device.platform) == "cpu"


def _writer(update: Callable[[Array, Array], Array], scatter: Callable[..., Array]) -> Callable[..., Array]:
    """A write of one entry, ``update(old, new)``, that is a loop over the lanes when batched on a CPU."""

    @custom_vmap
    def write(table: Array, index: tuple[Array, ...], entry: Array) -> Array:
        start: list[Any] = [*index, *[FIRST] * (table.ndim - len(index))]
        sizes = (*[1] * len(index), *table.shape[len(index) :])
        old = lax.dynamic_slice(table, start, sizes, allow_negative_indices=False)
        new = update(old, jnp.reshape(entry, sizes))
        return lax.dynamic_update_slice(table, new, start, allow_negative_indices=False)

    @write.def_vmap
    def write_in_lanes(size: int, is_batched: Any, table: Array, index: tuple[Array, ...], entry: Array) -> Any:
        leaves, structure = jax.tree.flatten((table, index, entry))
        batched = [
            leaf if has_lanes else jnp.broadcast_to(leaf, (size, *leaf.shape))
            for leaf, has_lanes in zip(leaves, jax.tree.leaves(is_batched), strict=True)
        ]
        table, index, entry = jax.tree.unflatten(structure, batched)
        if not is_for_cpu():
            return scatter(table, (jnp.arange(size), *index), entry), True

        def one_lane(lane: Array, table: Array) -> Array:
            index_here = (lane.astype(jnp.int32), *[lookup(part, lane) for part in index])
            updated: Array = write(table, index_here, lookup(entry, lane))
            return updated

        return lax.fori_loop(0, size, one_lane, table), True

    def write_one(table: Array, index: tuple[Array, ...], entry: Array) -> Array:
        result: Array = write(table, tuple(jnp.asarray(part, jnp.int32) for part in index), entry)
        return result

    return write_one


_add_at = _writer(lambda old, new: old + new, lambda table, index, entry: table.at[index].add(entry))
_put_at = _writer(lambda old, new: new, lambda table, index, entry: table.at[index].set(entry))
