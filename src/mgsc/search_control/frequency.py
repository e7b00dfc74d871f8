"""Where strategies that pick their queries one by one have looked of late: the d they report."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import add_at
from mgsc.search_control.base import allowed_pairs
from mgsc.types import Array, Candidates, Params, PyTree

FORGETTING = 0.01
"""Weight of the newest query in these frequencies, which are kept to be looked at only."""


def no_queries_yet(candidates: Candidates, num_actions: int | None = None) -> Array:
    """[N], or [N, A] where the strategy picks actions too: every allowed candidate equally."""
    allowed = candidates.is_allowed if num_actions is None else allowed_pairs(candidates, num_actions)
    counts = jnp.asarray(allowed, jnp.result_type(float))
    return counts / counts.sum()


def with_query(frequency: Array, index: Array | tuple[Array, ...], share: Array | float = FORGETTING) -> Array:
    """The frequencies after one query more; a ``share`` of 0 leaves them as they were."""
    return add_at((1 - share) * frequency, index, jnp.asarray(share))


def recent_queries(state: PyTree, params: Params, candidates: Candidates) -> Array:
    """``weights`` of a strategy that keeps these frequencies in its state, under that name."""
    del params, candidates
    frequency: Array = state.frequency
    return frequency
