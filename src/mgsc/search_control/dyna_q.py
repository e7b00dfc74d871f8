"""Dyna-Q: the pairs of state and action that were tried."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp

from mgsc.indexing import put_at
from mgsc.search_control.base import SearchControl, Strategy
from mgsc.types import Array, Candidates, Params, Parts, Transition

Over = Literal["pairs", "states"]


def dyna_q(num_actions: int, over: Over = "pairs") -> Strategy:
    """Uniform over the pairs of state and action tried so far.

    Args:
        num_actions: A.
        over: "pairs", every tried pair equally often; "states", every visited state equally often, and
            every action tried there equally often.

    Source: Sutton 1990 (Dyna-Q); Sutton & Barto 2018, 8.2: the text samples from the pairs
    experienced ("pairs"), the algorithm's box a state first and then an action ("states").
    """

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params
        return jnp.zeros((len(candidates.index), num_actions), jnp.result_type(float))

    def observe(
        tried: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[Array, dict[str, Array]]:
        del params, candidates
        return put_at(tried, (transition.observation, transition.action), jnp.ones(())), {}

    def weights(tried: Array, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        if over == "states":
            tried = tried / jnp.maximum(tried.sum(-1, keepdims=True), 1.0)
        return tried / tried.sum()

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init, weights, observe=observe)

    return build
