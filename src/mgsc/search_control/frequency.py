"""Recent frequencies of the queries of strategies that propose them one by one: the d they report."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import add_at
from mgsc.search_control.base import allowed_pairs
from mgsc.types import Array, Candidates, Params, PyTree

FORGETTING = 0.01
"""Weight of the newest query in these frequencies, which decide nothing."""


def no_queries_yet(candidates: Candidates, num_actions: int | None = None) -> Array:
    """[N], or [N, A] where the strategy chooses actions too: equal for every allowed candidate."""
    allowed = candidates.is_allowed if num_actions is None else allowed_pairs(candidates, num_actions)
    counts = jnp.asarray(allowed, jnp.result_type(float))
    return counts / counts.sum()


def with_query(frequency: Array, index: Array | tuple[Array, ...], share: Array | float = FORGETTING) -> Array:
    """The frequencies after one query more; a ``share`` of 0 changes nothing."""
    return add_at((1 - share) * frequency, index, jnp.asarray(share))


def recent_queries(state: PyTree, params: Params, candidates: Candidates) -> Array:
    """``weights`` of a strategy whose state has these frequencies as ``frequency``."""
    del params, candidates
    frequency: Array = state.frequency
    return frequency
