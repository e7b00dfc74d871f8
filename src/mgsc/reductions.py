"""Maxima and sums of a lane's numbers inside compiled loops.

Along a short axis they are written out. Along a long axis XLA compares one number after the other, and each comparison
waits for the one before and tests for NaN; here, on a CPU, many numbers are compared side by side.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from mgsc.indexing import FEW, is_for_cpu
from mgsc.types import Array

LONG = 64
"""Up to so many numbers, those of other lanes keep the processor busy meanwhile."""

WIDE = 64
"""Numbers of which the maxima are taken side by side."""


ABREAST = 16
"""Running sums that are taken side by side."""

UNROLLED = 8
"""Rows that one turn of a loop reads: so many keep what is made in registers. With four a sum takes five times as
long."""


def largest(values: Array) -> Array:
    """Maximum over the last axis. A comparison with NaN is false: then the numbers before it count."""
    if values.shape[-1] > FEW:
        return _largest_of_many(values) if values.ndim == 1 else jnp.max(values, axis=-1)
    return _written_out(larger, values)


def total(values: Array) -> Array:
    """Sum over the last axis."""
    return jnp.sum(values, axis=-1) if values.shape[-1] > FEW else running_sums(values)[-1]


def running_sums(weights: Array) -> list[Array]:
    """Sums over the last axis up to each slot; a weight of zero leaves the sum exactly as it was."""
    sums = [weights[..., 0]]
    for slot in range(1, weights.shape[-1]):
        sums.append(sums[-1] + weights[..., slot])
    return sums


def larger(one: Array, other: Array) -> Array:
    """The larger of two. ``jnp.maximum`` tests for NaN as well, which takes four times as long."""
    return jnp.where(other > one, other, one)


def softmax(logits: Array) -> Array:
    """Softmax over all entries; −inf gives exactly 0, but not all of them may be −inf."""
    weights = jnp.exp(logits - lax.stop_gradient(largest(logits.ravel())))
    return weights / jnp.sum(weights)


def sum_of_many(values: Array) -> Array:
    """[] sum of [N] numbers. On a CPU ``ABREAST`` running sums go side by side: one would wait for each addition."""
    rows, rest = divmod(len(values), ABREAST)
    if rows < 2 or not is_for_cpu():
        return jnp.sum(values)

    sums = _side_by_side(operator.add, values, ABREAST)
    if rest:
        sums = sums + jnp.pad(values[-rest:], (0, ABREAST - rest))
    while len(sums) > 1:
        sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
    return sums[0]


def _written_out(operation: Callable[[Array, Array], Array], values: Array) -> Array:
    result = values[..., 0]
    for slot in range(1, values.shape[-1]):
        result = operation(result, values[..., slot])
    return result


def _side_by_side(operation: Callable[[Array, Array], Array], values: Array, width: int) -> Array:
    """[width] what an operation makes of each column of the full rows that [N] numbers fill."""
    rows = len(values) // width
    turns = (rows - 1) // UNROLLED

    def over_row(row: Array, made: Array) -> Array:
        return operation(made, lax.dynamic_slice(values, (row * width,), (width,), allow_negative_indices=False))

    def over_rows(turn: Array, made: Array) -> Array:
        for row in range(UNROLLED):
            made = over_row(1 + turn * UNROLLED + row, made)
        return made

    made = lax.fori_loop(0, turns, over_rows, values[:width])
    # In a loop as well: outside of one, sums could be fused with what makes the numbers, and have other last bits.
    result: Array = lax.fori_loop(1 + turns * UNROLLED, rows, over_row, made)
    return result


def _largest_of_many(values: Array) -> Array:
    if len(values) <= LONG or not is_for_cpu():
        return jnp.max(values)

    most = _side_by_side(larger, values, WIDE)
    if len(values) % WIDE:
        most = larger(most, values[-WIDE:])
    while len(most) > FEW:
        most = larger(most[: len(most) // 2], most[len(most) // 2 :])
    return _written_out(larger, most)
