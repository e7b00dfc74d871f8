"""Less planning where the model is unsure: by counts, or by the disagreement of an ensemble."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Literal

import jax.numpy as jnp

from mgsc.indexing import add_at, settled
from mgsc.models.learned import LearnedModel, slots_of
from mgsc.problem import Problem, StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.search_control.ensemble import Ensemble, EnsembleState, is_tried, learn_from, new_ensemble
from mgsc.search_control.row import Need, Range, StrategyRow
from mgsc.settings import added, choice, number, size
from mgsc.types import Array, Candidates, Params, Parts, Transition

Doubt = Literal["counts", "ensemble"]


def uncertainty(num_actions: int, temperature: Array | float, ensemble: Ensemble | None = None) -> Strategy:
    """Softmax of −u/τ over the pairs tried in real steps, u being the model's uncertainty of each.

    By counts, u = 1/√n, n being how often the pair was tried. By an ensemble, u is the disagreement of E learned
    models, each of which learns from a real transition with probability ½: the root of the summed variances, over
    members, of their probabilities of outcomes and of their mean rewards.

    Args:
        num_actions: A.
        temperature: τ > 0; may be traced. Large is uniform over the pairs tried.
        ensemble: None for counts.

    S·A exponentials, by counts as many square roots, and a tree of their sums for each real step: by counts, and with
    more than some ten members, it is slower than three of uniform's. An ensemble adds a hash and a few times M·E
    operations, and keeps S·A·(M + 1)·(E + 1) numbers.

    Source: Abbas et al. 2020 (selective planning: imagined targets are weighted by a softmax of minus the
    model's predicted variance). Differs in that the uncertainty is the 1/√n of counts or the disagreement of an
    ensemble, which both see what was tried too little and not what the model cannot represent (the source's main
    point, for which it learns a variance by heteroscedastic regression); and that it weights queries, not the steps
    of an expanded target. The ensemble is an online bootstrap (Oza & Russell 2001) and its spread is taken as in
    Pathak et al. 2019, who seek disagreement where this avoids it. Differs from these in that its weights are coins,
    not Poisson numbers; that members are tables, which disagree in probabilities and mean rewards; and that a member
    that saw nothing of a pair disagrees with all others.
    """
    if ensemble is not None:
        return _by_ensemble(num_actions, temperature, ensemble)

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
        return SearchControl(init=init, weights=weights, observe=observe)

    return build


def _by_ensemble(num_actions: int, temperature: Array | float, ensemble: Ensemble) -> Strategy:
    """The same, with the disagreement of an ensemble."""

    def init(key: Array, params: Params, candidates: Candidates) -> EnsembleState:
        del params
        return new_ensemble(key, len(candidates.index) * num_actions, ensemble)

    def observe(
        state: EnsembleState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[EnsembleState, dict[str, Array]]:
        del params, candidates
        return learn_from(ensemble, state, transition.observation * num_actions + transition.action, transition), {}

    def weights(state: EnsembleState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        chances = masked_softmax(-state.disagreement / temperature, is_tried(state))
        return settled(chances.reshape(-1, num_actions))

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init=init, weights=weights, observe=observe)

    return build


@dataclasses.dataclass(frozen=True)
class UncertaintySettings:
    """Settings of ``uncertainty``."""

    temperature: float = number(0.3, 0.0, math.inf, "temperature of the softmax of minus the uncertainty", above=True)
    source: Doubt = added(
        choice(
            "counts",
            ("counts", "ensemble"),
            "uncertainty: 1/sqrt(visits), or how much an ensemble of learned models disagrees",
        )
    )
    members: int = added(size(5, 2, 64, "models in the ensemble of source=ensemble"))


def _build(settings: UncertaintySettings, facts: StrategyFacts) -> Strategy:
    ensemble = ensemble_for(facts.problem, settings.members) if settings.source == "ensemble" else None
    return uncertainty(facts.problem.facts.num_actions, settings.temperature, ensemble)


def ensemble_for(problem: Problem, members: int = 5) -> Ensemble:
    """Learned models with slots for all outcomes there can be in any phase."""
    return Ensemble(members, slots_of(LearnedModel(), problem.known.tables), problem.facts.reward_scale or 1.0)


def _needs(settings: UncertaintySettings) -> Collection[Need]:
    """The members of an ensemble have as many slots as the true transitions have outcomes."""
    if settings.source == "ensemble":
        return "listed states", "tables", "discrete actions"
    return "listed states", "discrete actions"


ROW = StrategyRow(
    name="uncertainty",
    summary="pairs of which the model is sure rather than unsure",
    settings=UncertaintySettings,
    build=_build,
    needs=_needs,
    space={"temperature": Range(0.01, 10.0)},
)
