"""A privileged yardstick: plans where values are wrong and the model is right."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables
from mgsc.indexing import lookup, settled
from mgsc.sampling import largest, total
from mgsc.search_control.base import SearchControl, Strategy, allowed_pairs, masked_softmax
from mgsc.search_control.expected import all_answers, all_expected_targets, all_values
from mgsc.types import Array, Candidates, Params, Parts, Transition


class Truth(NamedTuple):
    """What only a yardstick may know.

    Attributes:
        tables: the true transitions [P, S, A, M].
        optimal: [P, S, A] optimal action values of each phase.
        switch_every: real steps each phase lasts.
    """

    tables: Tables
    optimal: NDArray[np.float32]
    switch_every: int


def oracle(truth: Truth, tolerance: Array | float) -> Strategy:
    """Weights ∝ |q − q*| over the pairs whose expected target in the model is right; uniform where all are 0.

    Right means |E_m[r + γ' max q] − E_true[r + γ' max q]| ≤ tolerance, in the phase of the last real step;
    γ is taken from the model's own answers. 2·S·A expected backups for each real step: it is slower than three
    of uniform's.

    Args:
        truth: tables, optimal values and schedule of the environment.
        tolerance: [reward]; may be traced.

    Source: *ours*, of this project's definitions of value error and of a wrong model. Not a bound: values are
    not always best improved where they are worst.
    """
    tables = truth.tables
    num_phases, *_, num_slots = tables.probability.shape
    rows = (num_phases, -1, num_slots)
    probability, reward, successor = (jnp.asarray(column).reshape(rows) for column in tables[:3])
    survives = jnp.asarray(~tables.terminates, probability.dtype).reshape(rows)
    optimal = jnp.asarray(truth.optimal).reshape(num_phases, -1)

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
            phase = jnp.maximum(count - 1, 0) // truth.switch_every % tables.num_phases
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
            far = jnp.abs(q.reshape(-1) - lookup(optimal, phase))
            scores = settled(jnp.where(is_right, far, 0.0)).reshape(q.shape)
            total_score = scores.sum()
            uniform = masked_softmax(jnp.zeros_like(scores), allowed)
            return jnp.where(total_score > 0, scores / jnp.where(total_score > 0, total_score, 1.0), uniform)

        return SearchControl(init, weights, observe=observe)

    return build
