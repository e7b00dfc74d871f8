"""Less planning where the members of an ensemble of models disagree."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import jax.numpy as jnp

from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy, from_logits
from mgsc.search_control.candidate_signals import all_disagreements, logits_of_smallest, mean_variance, policy_of
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import check_setting, choice, number
from mgsc.types import Array, Candidates, Params, Parts, PyTree

Kind = Literal["weights", "mask"]


def disagreement(
    num_actions: int | None, kind: Kind = "weights", *, temperature: Array | float = 1.0, kept: Array | float = 0.5
) -> Strategy:
    """Prefers candidates at which the members of an ensemble agree.

    u² of a candidate is the mean variance of the members' predictions over the policy's actions. "weights" is the
    softmax of −u² / (τ · mean u²); "mask" is uniform over the share ``kept`` of the candidates with the smallest u.

    Args:
        num_actions: A; None where actions are numbers: C actions then stand for the policy.
        kind: "weights" or "mask".
        temperature: τ > 0 of "weights"; may be traced.
        kept: in (0, 1], of "mask"; may be traced. At least one candidate is kept; equals share a rank.

    N·A predictions of each of E members for each real step.

    Source: Abbas et al. 2020 ("weights"), Pan et al. 2020 (M2AC, "mask": the most certain share of a batch of model
    rollouts). Differs in that both choose where the model is queried, while the sources weigh or drop its answers;
    and in that the variance is that between members, relative to the mean of the step's candidates.

    Raises:
        UserError: ``kind`` is neither.
    """
    check_setting(DisagreementSettings, "kind", kind)

    def build(parts: Parts) -> SearchControl:
        def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
            del state
            if num_actions is None:
                variance = mean_variance(parts, params, candidates)
            else:
                spread = all_disagreements(parts, params, candidates, num_actions) ** 2
                variance = jnp.sum(policy_of(parts, params, candidates) * spread, 1)
            if kind == "mask":
                return logits_of_smallest(variance, kept)
            mean = jnp.mean(variance)
            return -variance / (temperature * jnp.where(mean > 0, mean, 1.0))

        return from_logits(logits)(parts)

    return build


@dataclasses.dataclass(frozen=True)
class DisagreementSettings:
    """Settings of ``disagreement``."""

    kind: Kind = choice("weights", ("weights", "mask"), "a softmax of minus the variance, or the most certain share")
    temperature: float = number(1.0, 0.0, math.inf, "temperature of kind=weights; large is uniform", above=True)
    kept: float = number(0.5, 0.0, 1.0, "share of the candidates that kind=mask keeps", above=True)


def _build(settings: DisagreementSettings, facts: StrategyFacts) -> Strategy:
    problem = facts.problem.facts
    num_actions = problem.num_actions if problem.numbers is None else None
    return disagreement(num_actions, settings.kind, temperature=settings.temperature, kept=settings.kept)


ROW = StrategyRow(
    name="disagreement",
    summary="candidates of which the members of an ensemble of models say the same",
    settings=DisagreementSettings,
    build=_build,
    needs=always("an ensemble"),
    space={"temperature": Range(0.1, 10.0), "kept": Range(0.1, 1.0)},
)
