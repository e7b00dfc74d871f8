"""A privileged yardstick: plans where values are wrong and the model is right."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables
from mgsc.indexing import lookup, settled
from mgsc.problem import StrategyFacts
from mgsc.reductions import largest, total
from mgsc.search_control.base import SearchControl, Strategy, allowed_pairs, masked_softmax
from mgsc.search_control.expected import all_answers, all_expected_targets, all_values
from mgsc.search_control.row import StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Candidates, Params, Parts, Transition


def oracle(tolerance: Array | float, *, tables: Tables, optimal: NDArray[np.float32], switch_every: int) -> Strategy:
    """Weights ∝ |q − q*| over the pairs whose expected target in the model is right; uniform where all are 0.

    Right means |E_m[r + γ' max q] − E_true[r + γ' max q]| ≤ tolerance, in the phase of the last real step;
    γ is taken from the model's own answers. 2·S·A expected backups for each real step: it is slower than three
    of uniform's.

    Args:
        tolerance: [reward]; may be traced.
        tables: the true transitions [P, S, A, M].
        optimal: [P, S, A] optimal action values of each phase.
        switch_every: real steps each phase lasts.

    Source: *ours*, of this project's definitions of value error and of a wrong model. Not a bound: values are
    not always best improved where they are worst.
    """
    num_phases, *_, num_slots = tables.probability.shape
    rows = (num_phases, -1, num_slots)
    probability, reward, successor = (jnp.asarray(column).reshape(rows) for column in tables[:3])
    survives = jnp.asarray(~tables.terminates, probability.dtype).reshape(rows)
    best = jnp.asarray(optimal).reshape(num_phases, -1)

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params, candidates
        return jnp.zeros((), jnp.int32)

    def observe(
        count: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[Array, dict[str, Array]]:
        del params, candidates, transition
        return count + 1, {}

    def build(parts: Parts) -> SearchControl:
        def weights(count: Array, params: Params, candidates: Candidates) -> Array:
            phase = jnp.maximum(count - 1, 0) // switch_every % tables.num_phases
            q = all_values(parts, params, candidates)
            discount = all_answers(parts, params.model, candidates, q.shape[1]).discount.max()
            # In one row, see ``all_expected_targets``.
            chance, gain, onward, after = (
                lookup(column, phase) for column in (probability, reward, survives, successor)
            )
            onward = discount * onward * settled(lookup(settled(largest(q)), after))
            true_target = total(chance * (gain + onward))
            error = all_expected_targets(parts, params, candidates, q.shape[1]).reshape(-1) - true_target
            allowed = allowed_pairs(candidates, q.shape[1])
            is_right = (jnp.abs(error) <= tolerance) & allowed.reshape(-1)
            far = jnp.abs(q.reshape(-1) - lookup(best, phase))
            scores = settled(jnp.where(is_right, far, 0.0)).reshape(q.shape)
            total_score = scores.sum()
            uniform = masked_softmax(jnp.zeros_like(scores), allowed)
            return jnp.where(total_score > 0, scores / jnp.where(total_score > 0, total_score, 1.0), uniform)

        return SearchControl(init=init, weights=weights, observe=observe)

    return build


@dataclasses.dataclass(frozen=True)
class OracleSettings:
    """Settings of ``oracle``."""

    tolerance: float = number(0.01, 0.0, math.inf, "error of the target at which a model is still right, over max|R|")


def _build(settings: OracleSettings, facts: StrategyFacts) -> Strategy:
    truth = facts.problem.known
    return oracle(
        settings.tolerance * facts.problem.facts.reward_scale,
        tables=truth.tables,
        optimal=truth.optimal,
        switch_every=facts.problem.facts.switch_every,
    )


def _expected_backups(settings: OracleSettings, facts: StrategyFacts) -> int:
    """With the model and with the truth, of all pairs."""
    del settings
    return 2 * facts.problem.facts.num_pairs


ROW = StrategyRow(
    name="oracle",
    summary="where values are wrong and the model is right (privileged)",
    settings=OracleSettings,
    build=_build,
    needs=always("listed states", "tables", "discrete actions"),
    expected_backups=_expected_backups,
)
