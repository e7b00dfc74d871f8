"""More planning where the model has lately become better."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import SearchControl, Strategy
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number, size
from mgsc.types import Array, Candidates, Params, Parts, Transition

LEAST_LIKELIHOOD = 1e-3
"""Least likelihood: an outcome that the model holds impossible must not count for ever."""


class ProgressState(NamedTuple):
    """The last log-likelihoods of each state.

    Attributes:
        ring: [N, 2W] of the real transitions from each state, in nats.
        count: [N] int32 transitions so far.
    """

    ring: Array
    count: Array  # type: ignore[assignment]


def learning_progress(window: int, *, floor: Array | float, reward_width: Array | float) -> Strategy:
    """Weights ∝ max(progress, 0) + floor, progress being the gain in the model's log-likelihood.

    For each state: the mean log-likelihood of its last W real transitions, minus that of the W before, each under the
    model before it learned from the transition. A state with fewer than 2W transitions has progress 0.

    Args:
        window: W, static.
        floor: share of a state without progress [nats], above 0; may be traced.
        reward_width: the likelihood of a reward falls as a Gaussian of this standard deviation around the
            mean of its outcome, 1 at the mean [reward]; may be traced.

    Source: Lopes et al. 2012, learning progress ζ as the decrease of the model's loss over the last k
    experiences. Differs in that the loss of each transition is that of the model of its time, in place of
    cross-validation with and without the last k, to which theirs adds a share of the loss's standard deviation;
    that it is kept for states, not pairs; that rewards count; and that it directs planning, where theirs directs
    exploration, by a bonus or by the states that count as known. A fixed model makes progress by chance only.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> ProgressState:
        del key, params
        number = len(candidates.index)
        return ProgressState(jnp.zeros((number, 2 * window), jnp.result_type(float)), jnp.zeros(number, jnp.int32))

    def weights(state: ProgressState, params: Params, candidates: Candidates) -> Array:
        del params
        scores = jnp.where(candidates.is_allowed, jnp.maximum(progress_of(state), 0.0) + floor, 0.0)
        return scores / scores.sum()

    def build(parts: Parts) -> SearchControl:
        def observe(
            state: ProgressState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[ProgressState, dict[str, Array]]:
            del candidates
            here = transition.observation
            slot = lookup(state.count, here) % (2 * window)
            likelihood = log_likelihood(parts, params, transition, reward_width)
            ring = put_at(state.ring, (here, slot), likelihood)
            return ProgressState(ring, add_at(state.count, here, jnp.ones((), jnp.int32))), {}

        return SearchControl(init=init, weights=weights, observe=observe)

    return build


def progress_of(state: ProgressState) -> Array:
    """[N] gain in mean log-likelihood, in nats."""
    size = state.ring.shape[1]
    age = (state.count[:, None] - 1 - jnp.arange(size)) % size
    gains = jnp.where(age < size // 2, state.ring, -state.ring)
    return jnp.where(state.count >= size, gains.sum(-1) / (size // 2), 0.0)


def log_likelihood(parts: Parts, params: Params, transition: Transition, reward_width: Array | float) -> Array:
    """[] log-likelihood of a transition under the model: of its outcome, and of its reward around the mean."""
    answers = parts.expect(params.model, transition.observation, transition.action)
    is_it = (answers.observation == transition.successor) & ((answers.discount > 0) == (transition.discount > 0))
    distance = (answers.reward - transition.reward) / reward_width
    likelihood = jnp.sum(jnp.where(is_it, answers.probability * jnp.exp(-0.5 * distance**2), 0.0))
    return jnp.log(jnp.maximum(likelihood, LEAST_LIKELIHOOD))


@dataclasses.dataclass(frozen=True)
class ProgressSettings:
    """Settings of ``learning_progress``."""

    half_window: int = size(5, 1, 1000, "transitions from a state in each of the two means that are compared")
    floor: float = number(0.1, 0.0, math.inf, "share of a state without progress (nats)", above=True)
    reward_width: float = number(
        0.1, 0.0, math.inf, "standard deviation of rewards in the likelihood, over max|R|", above=True
    )


def _build(settings: ProgressSettings, facts: StrategyFacts) -> Strategy:
    reward_width = settings.reward_width * facts.problem.facts.reward_scale
    return learning_progress(settings.half_window, floor=settings.floor, reward_width=reward_width)


def _expected_backups(settings: ProgressSettings, facts: StrategyFacts) -> int:
    del settings, facts
    return 1


ROW = StrategyRow(
    name="learning_progress",
    summary="states where the model has lately become better",
    settings=ProgressSettings,
    build=_build,
    needs=always("listed states"),
    expected_backups=_expected_backups,
    space={"floor": Range(1e-3, 1.0)},
)
