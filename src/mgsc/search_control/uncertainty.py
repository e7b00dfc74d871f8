"""Less planning where the model is unsure, by counts."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import add_at, settled
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.types import Array, Candidates, Params, Parts, Transition


def uncertainty(num_actions: int, temperature: Array | float) -> Strategy:
    """Softmax of −1/(τ √n) over pairs, n being how often a pair was really tried; never those never tried.

    Args:
        num_actions: A.
        temperature: τ > 0; may be traced. Large is uniform over the pairs tried.

    S·A square roots and exponentials, and a tree of their sums, for each real step: it is slower than three of
    uniform's.

    Source: Abbas et al. 2020 (selective planning: imagined targets are weighted by a softmax of minus the
    model's predicted variance). Differs in that the uncertainty is the 1/√n of counts, which sees what
    was tried too little and not what the model cannot represent (the source's main point); and
    that it weights queries, not the steps of an expanded target.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params
        return jnp.zeros((len(candidates.index), num_actions), jnp.result_type(float))

    def observe(
        counts: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[Array, dict[str, Array]]:
        del params, candidates
        return add_at(counts, (transition.observation, transition.action), jnp.ones(())), {}

    def weights(counts: Array, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        logits = -1.0 / (temperature * jnp.sqrt(jnp.maximum(counts, 1.0)))
        return settled(masked_softmax(logits, counts > 0))

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init, weights, observe=observe)

    return build
