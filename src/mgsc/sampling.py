"""Drawing an index from a discrete distribution with one uniform number.

All choices are made here: outcomes of an environment or a model, actions of a policy, states to plan from. An index of
weight zero is never drawn: the uniforms are multiples of 2⁻²³ below one, so ``uniform · total`` stays strictly below
``total`` in float32, and of the running sums that equal the total only the first may be chosen.

A few weights are summed at each draw. Many weights that are drawn from several times are summed once into a tree:
blocks of a few weights, blocks of the blocks' totals, and so on; a draw then reads a few numbers on each level. All
sums are written out, because a compiled loop pays for every reduction.
"""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import FEW, lookup
from mgsc.reductions import LONG, running_sums
from mgsc.types import Array

BLOCK = 4
"""Children of a node of the tree."""

Tree = tuple[Array, ...]
"""Sums of weights, from the leaves to the root; each level is [blocks, BLOCK], the root's [1, BLOCK]."""


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
    if size <= LONG:
        return jnp.sum(cumulative <= point, dtype=jnp.int32)
    found: Array = jnp.searchsorted(cumulative, point, side="right", method="scan_unrolled")
    return found.astype(jnp.int32)


def uniform_index(uniform: Array, size: Array | int) -> Array:
    """Draws indices in [0, size), each with the same probability.

    Args:
        uniform: numbers in [0, 1), of any shape.
        size: at least 1.

    Returns:
        int32, like ``uniform``.
    """
    return jnp.minimum((uniform * size).astype(jnp.int32), size - 1)


def index_from_weights(uniform: Array, weights: Array) -> Array:
    """[] int32 an index drawn with probability proportional to ``weights`` [N], for ``uniform`` [] in [0, 1)."""
    if weights.shape[-1] > FEW:
        return index_from_tree(uniform, sum_tree(weights))
    sums = running_sums(weights)
    point = uniform * sums[-1]
    return _count([part <= point for part in sums[:-1]])


def sum_tree(weights: Array) -> Tree:
    """Sums [N] non-negative weights, at least one of them positive, so that many indices can be drawn.

    Raises:
        ValueError: no weights.
    """
    if not weights.shape[0]:
        raise ValueError("weights are of shape [0]: nothing can be drawn of them")
    levels = []
    while True:
        blocks = jnp.pad(weights, (0, -weights.shape[0] % BLOCK)).reshape(-1, BLOCK)
        levels.append(blocks)
        if len(blocks) == 1:
            return tuple(levels)
        weights = running_sums(blocks)[-1]


def index_from_tree(uniform: Array, tree: Tree) -> Array:
    """Draws an index with probability proportional to the weights the tree was made of.

    Args:
        uniform: [] in [0, 1).
        tree: from ``sum_tree``.

    Returns:
        [] int32.
    """
    return point_in_tree(uniform, tree)[0]


def point_in_tree(uniform: Array, tree: Tree) -> tuple[Array, Array]:
    """The index that ``index_from_tree`` draws, and the place of the point in its weight: [] in [0, weight)."""
    index = jnp.zeros((), jnp.int32)
    point = uniform * running_sums(tree[-1][0])[-1]
    for blocks in reversed(tree):
        slot, point = step_down(point, lookup(blocks, index))
        index = index * BLOCK + slot
    return index, point


def step_down(point: Array, weights: Array) -> tuple[Array, Array]:
    """The child of a node in which a point lies, and the place of the point in it.

    Args:
        point: [] in [0, sum of the weights).
        weights: [BLOCK] or few; at least one of them positive.

    Returns:
        [] int32 slot, never one of weight zero; the point less all weights before that slot's.
    """
    sums = running_sums(weights)
    # What was subtracted on the way down is rounded: the point may have come to lie on the total.
    passed = [(part <= point) & (part < sums[-1]) for part in sums[:-1]]
    start = jnp.zeros_like(point)
    for part, is_passed in zip(sums[:-1], passed, strict=True):
        start = jnp.where(is_passed, part, start)
    return _count(passed), point - start


def _count(conditions: list[Array]) -> Array:
    index = jnp.zeros((), jnp.int32)
    for condition in conditions:
        index = index + condition.astype(jnp.int32)
    return index
