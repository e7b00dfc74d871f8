"""Dyna-Q+: imagined rewards have a bonus for pairs that were not tried for long."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Distribution, SearchControl, Strategy, allowed_pairs, sample_query
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class DynaQPlusState(NamedTuple):
    """When each pair was tried.

    Attributes:
        tried_at: [N, A] int32 the real step at which a pair was last tried; 0 for never.
        visited: [N] 1 where a state was visited.
        count: int32 real steps so far.
    """

    tried_at: Array
    visited: Array
    count: Array  # type: ignore[assignment]


def dyna_q_plus(num_actions: int, bonus: Array | float) -> Strategy:
    """All actions of the states visited, with κ√τ added to the imagined reward.

    τ is the number of real steps since the pair was last tried; a pair never tried counts from the
    beginning of the run.

    Args:
        num_actions: A.
        bonus: κ [reward per square root of steps]; may be traced.

    Source: Sutton 1990; Sutton & Barto 2018, 8.3, whose note lets actions be planned that were never
    tried from a state visited, with a model in which they lead back to that state with reward 0. Here
    the agent's own model answers for them; ``learned`` with ``untried="stay"`` is the book's.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> DynaQPlusState:
        del key, params
        shape = (len(candidates.index), num_actions)
        visited = jnp.zeros(shape[0], jnp.result_type(float))
        return DynaQPlusState(jnp.zeros(shape, jnp.int32), visited, jnp.zeros((), jnp.int32))

    def observe(
        state: DynaQPlusState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[DynaQPlusState, dict[str, Array]]:
        del params, candidates
        count = state.count + 1
        tried_at = put_at(state.tried_at, (transition.observation, transition.action), count)
        return DynaQPlusState(tried_at, put_at(state.visited, transition.observation, jnp.ones(())), count), {}

    def weights(state: DynaQPlusState, params: Params, candidates: Candidates) -> Array:
        del params
        scores = jnp.where(allowed_pairs(candidates, num_actions), state.visited[:, None], 0.0)
        return scores / scores.sum()

    def propose(
        noise: PyTree,
        state: DynaQPlusState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del params, last
        query = sample_query(noise, distribution, candidates)
        assert query.action is not None, "the distribution is joint"
        tried_at = lookup(state.tried_at.reshape(-1), query.index * num_actions + query.action)
        unseen = (state.count - tried_at).astype(state.visited.dtype)
        return query._replace(reward_bonus=bonus * jnp.sqrt(unseen))

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init=init, weights=weights, propose=propose, observe=observe)

    return build


@dataclasses.dataclass(frozen=True)
class DynaQPlusSettings:
    """Settings of ``dyna_q_plus``."""

    bonus: float = number(1e-3, 0.0, math.inf, "kappa, reward per square root of the steps since a pair was tried")


def _build(settings: DynaQPlusSettings, facts: StrategyFacts) -> Strategy:
    return dyna_q_plus(facts.problem.facts.num_actions, settings.bonus)


ROW = StrategyRow(
    name="dyna_q_plus",
    summary="all actions of visited states, with a bonus for what was not tried for long",
    settings=DynaQPlusSettings,
    build=_build,
    needs=always("listed states", "discrete actions"),
    space={"bonus": Range(1e-5, 1e-1)},
)
