"""A privileged yardstick: it plans where an update in the model brings values closer to the optimal ones."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.phases import phase_at
from mgsc.indexing import lookup, settled
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy, allowed_pairs, masked_softmax
from mgsc.search_control.expected import all_expected_targets, all_values
from mgsc.search_control.row import NoSettings, StrategyRow, always
from mgsc.types import Array, Candidates, Params, Parts, Transition


def oracle(step_size: Array | float, *, optimal: NDArray[np.float32], switch_every: int) -> Strategy:
    """Weights ∝ the progress of an expected update of the pair; uniform where none makes any.

    The progress is |q − q*| − |q + α (E_m[r + γ' max q] − q) − q*|, where it is positive, with q* of the phase of the
    last real step. S·A expected backups for each real step.

    Args:
        step_size: α; may be traced.
        optimal: [P, S, A] optimal action values of each phase.
        switch_every: real steps each phase lasts.

    Source: *ours*. An update is useful if the model's own target lies closer to q*. The model need not be exact: one
    that learns by small steps is wrong for long after a change, and updates with it still bring progress. It is no
    bound, since it considers one update ahead.
    """
    num_phases = len(optimal)
    best = jnp.asarray(optimal).reshape(num_phases, -1)

    def build(parts: Parts) -> SearchControl:
        def weights(phase: Array, params: Params, candidates: Candidates) -> Array:
            q = all_values(parts, params, candidates)
            allowed = allowed_pairs(candidates, q.shape[1])
            aim = lookup(best, phase)
            before = q.reshape(-1) - aim
            target = all_expected_targets(parts, params, candidates, q.shape[1]).reshape(-1)
            after = before + step_size * (target - q.reshape(-1))
            progress = jnp.maximum(jnp.abs(before) - jnp.abs(after), 0.0)
            scores = settled(jnp.where(allowed.reshape(-1), progress, 0.0)).reshape(q.shape)
            total_score = scores.sum()
            uniform = masked_softmax(jnp.zeros_like(scores), allowed)
            return jnp.where(total_score > 0, scores / jnp.where(total_score > 0, total_score, 1.0), uniform)

        return told_the_phase(weights, switch_every, num_phases)

    return build


def told_the_phase(
    weights: Callable[[Array, Params, Candidates], Array], switch_every: int, num_phases: int
) -> SearchControl:
    """Search control by ``(phase [], params, candidates) -> d``, the phase being that of the last real step."""

    def init(key: Array, params: Params, candidates: Candidates) -> Array:
        del key, params, candidates
        return jnp.zeros((), jnp.int32)

    def observe(
        count: Array, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[Array, dict[str, Array]]:
        del params, candidates, transition
        return count + 1, {}

    def now(count: Array, params: Params, candidates: Candidates) -> Array:
        return weights(phase_at(jnp.maximum(count - 1, 0), switch_every, num_phases), params, candidates)

    return SearchControl(init=init, weights=now, observe=observe)


def _build(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings
    problem = facts.problem
    return oracle(facts.step_size, optimal=problem.known.optimal, switch_every=problem.facts.switch_every)


def _expected_backups(settings: NoSettings, facts: StrategyFacts) -> int:
    """With the model, of all pairs."""
    del settings
    return facts.problem.facts.num_pairs


ROW = StrategyRow(
    name="oracle",
    summary="where an update comes closer to the optimal values (privileged)",
    settings=NoSettings,
    build=_build,
    needs=always("listed states", "tables", "discrete actions"),
    expected_backups=_expected_backups,
)
