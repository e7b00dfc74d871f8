"""Prioritized experience replay: real transitions with large TD errors, in place of model queries."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp

from mgsc.indexing import lookup
from mgsc.problem import StrategyFacts
from mgsc.rings import take_transitions
from mgsc.sampling import index_from_tree
from mgsc.search_control.base import Distribution, SearchControl, Strategy, importance, no_state
from mgsc.search_control.candidate_signals import experience_errors, experience_of
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query


def prioritized_replay(*, exponent: Array | float, floor: Array | float, correction: Array | float) -> Strategy:
    """Replays the candidates' own transitions with weights ∝ (|δ| + ε)^ω instead of querying the model.

    Args:
        exponent: ω; 0 is uniform replay of the candidates. May be traced, as are the others.
        floor: ε > 0 [reward].
        correction: β of importance sampling: an update's step size is multiplied by (N P)^−β over the largest such
            weight; 0 is none.

    N TD errors for each real step.

    Source: Schaul et al. 2016 (proportional). Differs in that the errors are the current ones of the step's N
    candidates, where the source keeps the last error of every stored transition; and that β is constant.
    """

    def build(parts: Parts) -> SearchControl:
        def weights(state: PyTree, params: Params, candidates: Candidates) -> Array:
            del state
            priority = jnp.abs(experience_errors(parts, params, candidates)) + floor
            scores = jnp.where(candidates.is_allowed, (priority / priority.max()) ** exponent, 0.0)
            return scores / scores.sum()

        def propose(
            noise: PyTree,
            state: PyTree,
            params: Params,
            distribution: Distribution,
            candidates: Candidates,
            last: Backup,
        ) -> Query:
            del state, params, last
            drawn = index_from_tree(noise, distribution.tree)
            outcome = take_transitions(experience_of(candidates), drawn)
            scale = importance(distribution, lookup(distribution.weights, drawn), correction)
            index = lookup(candidates.index, drawn)
            return Query(outcome.observation, index, outcome.action, outcome=outcome, step_scale=scale)

        return SearchControl(init=no_state, weights=weights, propose=propose)

    return build


@dataclasses.dataclass(frozen=True)
class PrioritizedReplaySettings:
    """Settings of ``prioritized_replay``."""

    exponent: float = number(0.6, 0.0, 100.0, "exponent of the priorities; 0 is uniform")
    floor: float = number(0.01, 0.0, math.inf, "added to every TD error (reward)", above=True)
    correction: float = number(0.4, 0.0, 1.0, "beta of importance sampling; 0 is none, 1 the whole correction")


def _build(settings: PrioritizedReplaySettings, facts: StrategyFacts) -> Strategy:
    del facts
    return prioritized_replay(exponent=settings.exponent, floor=settings.floor, correction=settings.correction)


ROW = StrategyRow(
    name="prioritized_replay",
    summary="real transitions with large TD errors again, in place of model queries",
    settings=PrioritizedReplaySettings,
    build=_build,
    needs=always("stored transitions"),
    queries_model=False,
    tunes_updates=False,
    space={"exponent": Range(0.1, 2.0), "correction": Range(0.1, 1.0, share_of_zero=0.25)},
)
