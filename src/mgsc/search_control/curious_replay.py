"""Queries of states that were seldom queried, and of those where the model is wrong."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy
from mgsc.search_control.candidate_signals import FeatureFunction, model_misses
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Backup, Candidates, Params, Parts, Transition


def curious_replay(
    misses: FeatureFunction,
    num_slots: int,
    *,
    bonus: Array | float,
    decay: Array | float,
    exponent: Array | float,
    floor: Array | float,
) -> Strategy:
    """Weights ∝ c · β^count + (e + ε)^α over the candidates.

    *count* is how often a stored transition's state was queried, e the model's error about that transition.

    Args:
        misses: ``(parts, params, candidates) -> [N]`` e, such as ``candidate_signals.model_misses``.
        num_slots: count of the numbers that a candidate's ``index`` may have.
        bonus: c; may be traced, as are the others.
        decay: β in [0, 1].
        exponent: α.
        floor: ε > 0.

    Source: Kauvar et al. 2023 (Curious Replay), with its settings as defaults. Differs in that planning begins
    at the chosen transitions, where the source trains its model on them; that e is the model's current error and not
    its loss when last trained; and that only the step's N candidates are compared.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params, candidates
        return jnp.zeros(num_slots, jnp.result_type(float))

    def observe(
        counts: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[Array, dict[str, Array]]:
        del params, transition
        assert candidates.age is not None, "its row asks for stored transitions"
        newest = (candidates.index[0] + candidates.age[0]) % num_slots
        return put_at(counts, newest, jnp.zeros(())), {}

    def after_backup(counts: Array, params: Params, backup: Backup) -> Array:
        del params
        return add_at(counts, jnp.maximum(backup.index, 0), jnp.where(backup.index >= 0, 1.0, 0.0))

    def build(parts: Parts) -> SearchControl:
        def weights(counts: Array, params: Params, candidates: Candidates) -> Array:
            wrong = (misses(parts, params, candidates) + floor) ** exponent
            seldom = bonus * decay ** lookup(counts, candidates.index)
            scores = jnp.where(candidates.is_allowed, seldom + wrong, 0.0)
            return scores / scores.sum()

        return SearchControl(init=init, weights=weights, observe=observe, after_backup=after_backup)

    return build


@dataclasses.dataclass(frozen=True)
class CuriousReplaySettings:
    """Settings of ``curious_replay``."""

    bonus: float = number(1e4, 0.0, math.inf, "c, weight of what was never queried")
    decay: float = number(0.7, 0.0, 1.0, "beta, by which each query multiplies that")
    exponent: float = number(0.7, 0.0, 100.0, "alpha, exponent of the model's error")
    floor: float = number(0.01, 0.0, math.inf, "epsilon, added to the model's error", above=True)


def _build(settings: CuriousReplaySettings, facts: StrategyFacts) -> Strategy:
    num_slots = facts.problem.candidates.num_slots
    assert num_slots is not None, "its row asks for stored transitions"
    return curious_replay(model_misses(facts.problem.facts), num_slots, **dataclasses.asdict(settings))


ROW = StrategyRow(
    name="curious_replay",
    summary="states seldom queried, and those the model is wrong about",
    settings=CuriousReplaySettings,
    build=_build,
    needs=always("stored transitions"),
    space={"bonus": Range(1e-2, 1e4), "exponent": Range(0.1, 2.0)},
)
