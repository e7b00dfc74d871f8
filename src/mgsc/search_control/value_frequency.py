"""More planning where the values change most from state to state."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp

from mgsc.indexing import settled
from mgsc.problem import StrategyFacts
from mgsc.reductions import total
from mgsc.search_control.base import SearchControl, Strategy, no_state
from mgsc.search_control.expected import all_value_changes
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Candidates, Params, Parts, PyTree


def value_frequency(num_actions: int, floor: Array | float) -> Strategy:
    """Weights ∝ Σ_a D(s, a)² + (Σ_a D(s, a))² + floor, D being the change of the value by an action.

    D(s, a) = E_m[max q(s') − max q(s)], an outcome that ends the episode counting as no change. The first sum
    stands for the squared gradient of the value, the second for its squared second derivative, which on a grid is
    the sum of the differences to the neighbours. S·A expected backups for each real step.

    Args:
        num_actions: A.
        floor: share of a state around which the value is flat [reward²], above 0; may be traced.

    Source: Pan, Mei & Farahmand 2020 (local frequency of v by ‖∇v‖² and ‖H_v‖²). Differs in that states are
    listed: derivatives are differences along the model's actions, the Hessian is its trace only, and states
    are drawn in proportion, where theirs are reached by climbing that measure or, by chance, the values.
    """

    def build(parts: Parts) -> SearchControl:
        def weights(state: PyTree, params: Params, candidates: Candidates) -> Array:
            del state
            changes = all_value_changes(parts, params, candidates, num_actions)
            measure = total(changes**2) + total(changes) ** 2
            scores = settled(jnp.where(candidates.is_allowed, measure + floor, 0.0))
            return scores / scores.sum()

        return SearchControl(init=no_state, weights=weights)

    return build


@dataclasses.dataclass(frozen=True)
class FrequencySettings:
    """Settings of ``value_frequency``."""

    floor: float = number(1e-3, 0.0, math.inf, "share of a state around which values are flat (reward^2)", above=True)


def _build(settings: FrequencySettings, facts: StrategyFacts) -> Strategy:
    return value_frequency(facts.problem.facts.num_actions, settings.floor)


def _expected_backups(settings: FrequencySettings, facts: StrategyFacts) -> int:
    del settings
    return facts.problem.facts.num_pairs


ROW = StrategyRow(
    name="value_frequency",
    summary="states around which the values change most",
    settings=FrequencySettings,
    build=_build,
    needs=always("listed states", "discrete actions"),
    expected_backups=_expected_backups,
    space={"floor": Range(1e-5, 1e-1)},
)
