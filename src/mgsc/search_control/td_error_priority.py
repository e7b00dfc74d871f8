"""Queries in proportion to the expected TD error in the model, or to its rank."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection
from typing import Literal

import jax.numpy as jnp
from jax import lax

from mgsc.indexing import lookup, settled
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import (
    Distribution,
    SearchControl,
    Strategy,
    allowed_pairs,
    importance,
    no_state,
    sample_query,
)
from mgsc.search_control.expected import all_expected_errors
from mgsc.search_control.row import Need, Range, StrategyRow, num_candidate_pairs
from mgsc.settings import check_setting, choice, number
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query

Kind = Literal["proportional", "rank"]
Correction = Literal["none", "importance"]


def td_error_priority(
    kind: Kind = "proportional",
    *,
    exponent: Array | float,
    floor: Array | float,
    correction: Array | float | None = None,
    is_listed: bool = True,
) -> Strategy:
    """P(s, a) ∝ p^exponent, with p = |E_m δ(s, a)| + floor, or p = 1 / rank of that error.

    Args:
        kind: "proportional"; or "rank", where the rank is one more than the number of pairs with a larger
            error, found without a sort by comparing all pairs with all: (S·A)² comparisons for each real step.
        exponent: α of the source; 0 is uniform. May be traced.
        floor: ε [reward], not used by "rank"; may be traced.
        correction: β of importance sampling: the step size is multiplied by (N P)^−β over the largest such
            weight. None: no correction. May be traced. For listed states only.
        is_listed: whether the candidates are all states, in order; otherwise N·A pairs take the place of S·A.

    S·A expected backups for each real step, and a logarithm and an exponential of each: a step is slower than three
    of uniform's.

    Source: Schaul et al. 2016, 3.3 (eq. 1) and 3.4. Differs in that the priorities are the current expected
    errors of all S·A pairs, where the source stores the last sampled error of each transition in a memory; that β is
    constant; and that equal errors share a rank.

    Raises:
        UserError: ``kind`` is neither.
    """
    check_setting(PrioritySettings, "kind", kind)

    def build(parts: Parts) -> SearchControl:
        def weights(state: PyTree, params: Params, candidates: Candidates) -> Array:
            del state
            errors = settled(jnp.abs(all_expected_errors(parts, params, candidates, is_listed=is_listed)))
            return _probabilities(kind, errors, allowed_pairs(candidates, errors.shape[1]), floor, exponent)

        propose = None if correction is None else functools.partial(_propose_corrected, correction)
        return SearchControl(init=no_state, weights=weights, propose=propose)

    return build


def _probabilities(kind: Kind, errors: Array, allowed: Array, floor: Array | float, exponent: Array | float) -> Array:
    """[N, A] of pairs with these expected errors [N, A], 0 where not ``allowed`` [N, A]."""
    base = errors + floor
    if kind == "rank":
        base = 1.0 / (1.0 + _number_of_larger(jnp.where(allowed, errors, -1.0)))
    # In one row, see ``all_expected_targets``. Divided by the largest: powers of small numbers would leave the range of
    # float32.
    base = jnp.where(allowed, base, 0.0).reshape(-1)
    scores = jnp.exp(exponent * jnp.log(base / base.max()))
    scores = settled(jnp.where(allowed.reshape(-1), scores, 0.0))
    return (scores / scores.sum()).reshape(errors.shape)


def _propose_corrected(
    correction: Array | float,
    noise: PyTree,
    state: PyTree,
    params: Params,
    distribution: Distribution,
    candidates: Candidates,
    last: Backup,
) -> Query:
    """A query of the shared sampler, with the step size that importance sampling gives it."""
    del state, params, last
    query = sample_query(noise, distribution, candidates)
    chances = distribution.weights
    assert query.action is not None, "the distribution is joint"
    chance = lookup(chances.reshape(-1), query.index * chances.shape[1] + query.action)
    return query._replace(step_scale=importance(distribution, chance, correction))


def _number_of_larger(errors: Array) -> Array:
    """[N, A] how many entries are larger than each; a loop, so that ``errors`` is worked out only once."""
    flat = errors.reshape(-1)

    def compare(number: Array, counts: Array) -> Array:
        return counts + (lookup(flat, number) > flat)

    counts: Array = lax.fori_loop(0, len(flat), compare, jnp.zeros_like(flat))
    return counts.reshape(errors.shape)


@dataclasses.dataclass(frozen=True)
class PrioritySettings:
    """Settings of ``td_error_priority``."""

    kind: Kind = choice("proportional", ("proportional", "rank"), "priority: the expected TD error, or 1 / its rank")
    exponent: float = number(0.6, 0.0, 100.0, "exponent of the priorities; 0 is uniform")
    floor: float = number(1e-3, 0.0, math.inf, "added to every expected error (reward)", above=True)
    correction: Correction = choice(
        "none", ("none", "importance"), "whether step sizes are corrected for the priorities"
    )
    correction_exponent: float = number(0.4, 0.0, 1.0, "beta of correction=importance; 1 is the whole correction")


def _build(settings: PrioritySettings, facts: StrategyFacts) -> Strategy:
    return td_error_priority(
        settings.kind,
        exponent=settings.exponent,
        floor=settings.floor,
        correction=settings.correction_exponent if settings.correction == "importance" else None,
        is_listed=facts.problem.candidates.listed is not None,
    )


def _needs(settings: PrioritySettings) -> Collection[Need]:
    """The correction reads a candidate's probability by its number."""
    needs: list[Need] = ["discrete actions"]
    return ["listed states", *needs] if settings.correction == "importance" else needs


def _expected_backups(settings: PrioritySettings, facts: StrategyFacts) -> int:
    del settings
    return num_candidate_pairs(facts)


ROW = StrategyRow(
    name="td_error_priority",
    summary="pairs by the size, or the rank, of their expected TD error",
    settings=PrioritySettings,
    build=_build,
    needs=_needs,
    expected_backups=_expected_backups,
    space={"exponent": Range(0.1, 2.0), "floor": Range(1e-5, 1e-1)},
)
