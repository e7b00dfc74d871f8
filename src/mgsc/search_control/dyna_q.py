"""Dyna-Q: the pairs of state and action that were tried."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp

from mgsc.indexing import put_at
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy
from mgsc.search_control.row import StrategyRow, always
from mgsc.settings import check_setting, choice
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

    Raises:
        UserError: ``over`` is neither.
    """
    check_setting(DynaQSettings, "over", over)

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
        return SearchControl(init=init, weights=weights, observe=observe)

    return build


@dataclasses.dataclass(frozen=True)
class DynaQSettings:
    """Settings of ``dyna_q``."""

    over: Over = choice("pairs", ("pairs", "states"), "tried pairs equally often, or states and then actions tried")


def _build(settings: DynaQSettings, facts: StrategyFacts) -> Strategy:
    return dyna_q(facts.problem.facts.num_actions, settings.over)


ROW = StrategyRow(
    name="dyna_q",
    summary="pairs of state and action tried so far",
    settings=DynaQSettings,
    build=_build,
    needs=always("listed states", "discrete actions"),
)
