"""Less planning where the model's targets have lately been wrong."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.search_control.expected import expected_target, real_target
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Candidates, Params, Parts, Transition


def model_error(temperature: Array | float, rate: Array | float) -> Strategy:
    """Softmax of −e(s)/τ, e being a running average of the model's error on real transitions from s.

    The error of a transition is |E_m[r + γ' max q(s')] − (r + γ' max q(s'))|, with the model as it was before
    the transition. It includes the randomness of the environment: an exact model of a random outcome has errors, too.
    States never visited have error 0.

    Args:
        temperature: τ > 0 [reward]; may be traced.
        rate: weight of the newest error in (0, 1]; may be traced.

    Source: *ours*, the plainest estimate of the errors that Abbas et al. 2020 avoid; their regression learns the
    variance of the model's predictions as a function of the input.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params
        return jnp.zeros(candidates.index.shape, jnp.result_type(float))

    def weights(errors: Array, params: Params, candidates: Candidates) -> Array:
        del params
        return masked_softmax(-errors / temperature, candidates.is_allowed)

    def build(parts: Parts) -> SearchControl:
        def observe(
            errors: Array, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[Array, dict[str, Array]]:
            del candidates
            here = transition.observation
            expected = expected_target(parts, params, here, transition.action)
            error = jnp.abs(expected - real_target(parts, params, transition))
            return add_at(errors, here, rate * (error - lookup(errors, here))), {}

        return SearchControl(init=init, weights=weights, observe=observe)

    return build


@dataclasses.dataclass(frozen=True)
class ModelErrorSettings:
    """Settings of ``model_error``."""

    temperature: float = number(
        0.1, 0.0, math.inf, "temperature of the softmax of minus the error (reward)", above=True
    )
    rate: float = number(0.1, 0.0, 1.0, "weight of the newest error in a state's running average", above=True)


def _build(settings: ModelErrorSettings, facts: StrategyFacts) -> Strategy:
    del facts
    return model_error(settings.temperature, settings.rate)


def _expected_backups(settings: ModelErrorSettings, facts: StrategyFacts) -> int:
    del settings, facts
    return 1


ROW = StrategyRow(
    name="model_error",
    summary="states where the model's targets have lately been right",
    settings=ModelErrorSettings,
    build=_build,
    needs=always("listed states"),
    expected_backups=_expected_backups,
    space={"temperature": Range(1e-3, 1.0), "rate": Range(0.01, 1.0, is_bounded=True)},
)
