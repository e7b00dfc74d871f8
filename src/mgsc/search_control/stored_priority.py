"""Planning from stored states: the newest ones, or those whose own transitions have large TD errors."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp

from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy, from_logits
from mgsc.search_control.candidate_signals import age_of, experience_errors
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import check_setting, choice, number
from mgsc.types import Array, Candidates, Params, Parts, PyTree

By = Literal["td_error", "recency"]


def stored_priority(
    by: By = "td_error",
    *,
    exponent: Array | float = 0.6,
    floor: Array | float = 0.01,
    horizon: Array | float = 1000.0,
) -> Strategy:
    """d ∝ (|δ| + ε)^ω of the candidates' own transitions, or ∝ exp(−age / horizon); the model is queried there.

    Args:
        by: "td_error" or "recency".
        exponent: ω of "td_error"; 0 is uniform. May be traced, as are the others.
        floor: ε > 0 of "td_error" [reward].
        horizon: of "recency" [environment steps].

    N TD errors for each real step by "td_error".

    Source: Schaul et al. 2016 (priorities of stored transitions). Differs in that only the state is taken, at which
    an imagined step or rollout begins, and that the errors are the current ones.

    Raises:
        UserError: ``by`` is neither.
    """
    check_setting(StoredPrioritySettings, "by", by)

    def build(parts: Parts) -> SearchControl:
        def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
            del state
            if by == "recency":
                return -age_of(candidates) / horizon
            return exponent * jnp.log(jnp.abs(experience_errors(parts, params, candidates)) + floor)

        return from_logits(logits)(parts)

    return build


@dataclasses.dataclass(frozen=True)
class StoredPrioritySettings:
    """Settings of ``stored_priority``."""

    by: By = choice("td_error", ("td_error", "recency"), "what is preferred: large TD errors, or states met of late")
    exponent: float = number(0.6, 0.0, 100.0, "of by=td_error: exponent of the error; 0 is uniform")
    floor: float = number(0.01, 0.0, math.inf, "of by=td_error: added to every error (reward)", above=True)
    horizon: float = number(1000.0, 0.0, math.inf, "of by=recency: weight exp(-age / horizon) (steps)", above=True)


def _build(settings: StoredPrioritySettings, facts: StrategyFacts) -> Strategy:
    del facts
    return stored_priority(settings.by, exponent=settings.exponent, floor=settings.floor, horizon=settings.horizon)


ROW = StrategyRow(
    name="stored_priority",
    summary="stored states that were met of late, or whose own transitions have large TD errors",
    settings=StoredPrioritySettings,
    build=_build,
    needs=always("stored transitions"),
    space={"exponent": Range(0.1, 2.0), "horizon": Range(100, 10_000)},
)
