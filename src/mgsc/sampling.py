"""Drawing an index from a discrete distribution by inverting its cumulative sum.

The one place where uniform numbers become choices: outcomes of an environment or a model, actions of
a policy, states to plan from. An index of weight zero is never drawn: the uniforms are multiples of
2⁻²³ below one, so ``uniform · total`` stays strictly below ``total`` in float32, and a weight of zero
leaves the running sum exactly as it was (a parallel cumulative sum would not).

Short axes are written out or masked, because a compiled scan fuses elementwise steps and pays for
every reduction and every index that has to be put together.
"""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.types import Array

FEW = 8
"""Axes up to this size (actions, outcomes) are written out."""

SHORT = 64
"""Running sums up to this size are one masked sum."""

BLOCK = 16
"""Longer ones are put together from blocks of this size."""


def index_from_cumulative(uniform: Array, cumulative: Array) -> Array:
    """Draws an index from unnormalised cumulative weights.

    Args:
        uniform: [] in [0, 1).
        cumulative: [N] running sums of non-negative weights, the last of them positive.

    Returns:
        [] int32, index i with probability (cumulative[i] − cumulative[i−1]) / cumulative[-1].
    """
    size = cumulative.shape[-1]
    point = uniform * cumulative[-1]
    if size <= FEW:
        return _count([cumulative[slot] <= point for slot in range(size - 1)])
    if size <= SHORT:
        return jnp.sum(cumulative <= point, dtype=jnp.int32)
    return jnp.searchsorted(cumulative, point, side="right", method="scan_unrolled").astype(jnp.int32)


def index_from_weights(uniform: Array, weights: Array) -> Array:
    """Draws an index with probability proportional to ``weights`` [N]; see above."""
    size = weights.shape[-1]
    if size > FEW:
        return index_from_cumulative(uniform, running_sum(weights))
    sums = [weights[0]]
    for slot in range(1, size):
        sums.append(sums[-1] + weights[slot])
    point = uniform * sums[-1]
    return _count([part <= point for part in sums[:-1]])


def running_sum(weights: Array) -> Array:
    """[N] cumulative sum of ``weights``."""
    size = weights.shape[-1]
    if size <= SHORT:
        return _masked_sum(weights)
    blocks = jnp.pad(weights, (0, -size % BLOCK)).reshape(-1, BLOCK)
    inner = _masked_sum(blocks)
    totals = inner[:, -1:]
    ends = running_sum(totals[:, 0])[:, None]
    starts = jnp.pad(ends[:-1], ((1, 0), (0, 0)))
    # A block's sum is its end from its last weight on, so that no sliver is left to a zero behind it.
    sums = jnp.where(inner == totals, ends, jnp.minimum(starts + inner, ends))
    return sums.reshape(-1)[:size]


def _masked_sum(weights: Array) -> Array:
    return jnp.sum(jnp.where(jnp.tri(weights.shape[-1], dtype=bool), weights[..., None, :], 0), axis=-1)


def largest(values: Array) -> Array:
    """Maximum over the last axis."""
    if values.shape[-1] > FEW:
        return jnp.max(values, axis=-1)
    result = values[..., 0]
    for slot in range(1, values.shape[-1]):
        result = jnp.maximum(result, values[..., slot])
    return result


def lookup(table: Array, index: Array) -> Array:
    """``table[index]`` along the first axis, for an index that is valid by construction: nothing is checked."""
    return table.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def pick(values: Array, index: Array) -> Array:
    """``values[index]`` of a [N] array."""
    if values.shape[-1] > FEW:
        return values[index]
    result = values[0]
    for slot in range(1, values.shape[-1]):
        result = jnp.where(index == slot, values[slot], result)
    return result


def _count(conditions: list[Array]) -> Array:
    index = jnp.zeros((), jnp.int32)
    for condition in conditions:
        index = index + condition.astype(jnp.int32)
    return index
