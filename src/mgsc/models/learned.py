"""Models that learn transitions and rewards from experience, by counting or by recency-weighted averages.

For each state and action there are M slots, one for each outcome met so far: a successor, and whether
the episode ended there. A slot holds its weight and the mean reward of coming there. So memory and time
are linear in the transitions that can happen, and the expected backup is exact.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from mgsc.environments.tables import Tables
from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.indexing import lookup, put_at
from mgsc.models.base import Model, drawn_outcome
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.noise import uniforms
from mgsc.settings import check_setting, choice, number, size
from mgsc.types import Array, PyTree, Successors, Transition

Untried = Literal["stay", "uniform", "optimistic"]
EMPTY = -1
"""Outcome of an empty slot."""


class LearnedState(NamedTuple):
    """Outcomes met so far; pairs of state and action are numbered s · A + a.

    Attributes:
        outcome: [S·A, M] int32, 2 · successor + (1 if the episode ended), or ``EMPTY``.
        weight: [S·A, M] counts, or recency-weighted frequencies.
        reward: [S·A, M] mean reward.
        overflow: [] int32, transitions without a slot; above zero, M is too small.
    """

    outcome: Array
    weight: Array
    reward: Array
    overflow: Array


def learned(
    num_states: int,
    num_actions: int,
    max_successors: int,
    discount: Array | float,
    *,
    step_size: Array | float | None = None,
    untried: Untried = "stay",
    optimistic_reward: Array | float = 0.0,
    is_terminal: Array | None = None,
) -> Model:
    """A model of listed states that learns from every real transition.

    Args:
        max_successors: M, most outcomes that one state and action can have.
        discount: γ, given to successors that do not terminate; may be traced.
        step_size: None for sample averages; else in (0, 1], the weight of the newest outcome and
            reward in recency-weighted averages; may be traced.
        untried: prediction for a pair never tried. "stay": the same state with reward 0. "uniform": any
            non-terminal state, reward 0; every answer then has M + S slots. "optimistic": the episode
            ends with ``optimistic_reward``.
        optimistic_reward: [reward].
        is_terminal: [S] bool, states that "uniform" leaves out; None for none.

    Source: Sutton 1990 (Dyna-Q's table); averages as in Burega et al. 2024's *learned model* suites,
    whose details are *ours*.

    Raises:
        UserError: ``untried`` is none of these.
    """
    check_setting(LearnedModel, "untried", untried)
    anywhere = jnp.ones(num_states) if is_terminal is None else 1.0 - jnp.asarray(is_terminal)
    rule = _Rule(
        num_pairs=num_states * num_actions,
        num_actions=num_actions,
        max_successors=max_successors,
        discount=discount,
        step_size=step_size,
        untried=untried,
        optimistic_reward=optimistic_reward,
        anywhere=anywhere / anywhere.sum(),
    )
    return Model(
        init=rule.init, draw=uniforms, sample=rule.sample, expect=rule.expect, update=rule.update, problem=_problem
    )


class _Rule(NamedTuple):
    """The arguments of ``learned``; ``anywhere`` [S] is uniform over the states that "uniform" predicts."""

    num_pairs: int
    num_actions: int
    max_successors: int
    discount: Array | float
    step_size: Array | float | None
    untried: Untried
    optimistic_reward: Array | float
    anywhere: Array

    def init(self, key: Array) -> LearnedState:
        del key
        shape = (self.num_pairs, self.max_successors)
        zeros = jnp.zeros(shape, jnp.result_type(float))
        return LearnedState(jnp.full(shape, EMPTY, jnp.int32), zeros, zeros, jnp.zeros((), jnp.int32))

    def update(self, noise: PyTree, state: LearnedState, transition: Transition) -> LearnedState:
        del noise
        pair = transition.observation * self.num_actions + transition.action
        outcome = 2 * transition.successor + (transition.discount == 0)
        outcomes, weights, rewards = (lookup(column, pair) for column in state[:3])
        slot, is_found = slot_of(outcome, outcomes)
        here = (jnp.arange(self.max_successors) == slot) & is_found
        # A slot is new by its outcome: the weight of one met long ago may have faded to nothing.
        is_first, is_new = weights.sum() == 0, lookup(outcomes, slot) == EMPTY
        if self.step_size is None:
            grown = weights + here
            rate = 1.0 / jnp.maximum(lookup(grown, slot), 1.0)
        else:
            # The first outcome has all the weight, whatever the step size.
            share = jnp.where(is_first, 1.0, self.step_size)
            grown = jnp.where(is_found, (1 - share) * weights + share * here, weights)
            rate = jnp.where(is_new, 1.0, self.step_size)
        return LearnedState(
            put_at(state.outcome, pair, jnp.where(here, outcome, outcomes)),
            put_at(state.weight, pair, grown),
            put_at(state.reward, pair, rewards + here * rate * (transition.reward - rewards)),
            state.overflow + ~is_found,
        )

    def expect(self, state: LearnedState, observation: Array, action: Array) -> Successors:
        pair = observation * self.num_actions + action
        outcomes, weights, rewards = (lookup(column, pair) for column in state[:3])
        total = weights.sum()
        is_tried = total > 0
        known = Successors(
            weights / jnp.where(is_tried, total, 1.0),
            rewards,
            self.discount * (outcomes % 2 == 0),
            jnp.where(outcomes == EMPTY, observation, outcomes // 2),
        )
        if self.untried == "uniform":
            return _uniform(known, is_tried, self.discount, self.anywhere)
        if self.untried == "optimistic":
            return _one_slot(known, is_tried, self.optimistic_reward, 0.0)
        return _one_slot(known, is_tried, 0.0, self.discount)

    def sample(self, noise: PyTree, state: LearnedState, observation: Array, action: Array) -> Transition:
        return drawn_outcome(noise, observation, action, self.expect(state, observation, action))


def _problem(state: LearnedState) -> str:
    """The error of a model that has dropped an outcome, and would no longer be the model of its settings."""
    if not np.asarray(state.overflow).any():
        return ""
    return (
        f"the model met more than {state.outcome.shape[-1]} outcomes of a state and action, which is all it may keep: "
        "set model.max_successors higher, or to 0 for as many as there can be"
    )


def slot_of(outcome: Array, outcomes: Array) -> tuple[Array, Array]:
    """The slot of an outcome, or the first empty one, [] int32; and whether there is one, [] bool."""
    size = outcomes.shape[0]
    fits = (outcomes == outcome) | (outcomes == EMPTY)
    first = jnp.min(jnp.where(fits, jnp.arange(size), size))
    return jnp.minimum(first, size - 1), first < size


def _one_slot(known: Successors, is_tried: Array, reward: Array | float, goes_on: Array | float) -> Successors:
    """Where nothing was tried, all probability in the first slot, which has the state itself as successor."""
    first = jnp.arange(known.probability.shape[0]) == 0
    return Successors(
        jnp.where(is_tried, known.probability, first),
        jnp.where(is_tried, known.reward, reward),
        jnp.where(is_tried, known.discount, goes_on),
        known.observation,
    )


def _uniform(known: Successors, is_tried: Array, discount: Array | float, anywhere: Array) -> Successors:
    """Where nothing was tried, the probabilities of ``anywhere`` [S] in S slots more, with reward 0."""
    guess = jnp.where(is_tried, 0.0, anywhere)
    states = jnp.arange(len(anywhere), dtype=known.observation.dtype)
    return Successors(
        jnp.concatenate([known.probability, guess]),
        jnp.concatenate([known.reward, jnp.zeros_like(guess)]),
        jnp.concatenate([known.discount, jnp.full_like(guess, discount)]),
        jnp.concatenate([known.observation, states]),
    )


@dataclasses.dataclass(frozen=True)
class LearnedModel:
    """A model that learns from real transitions."""

    average: str = choice("recency", ("sample", "recency"), "sample averages, or recency-weighted ones")
    step_size: float = number(0.1, 0.0, 1.0, "weight of the newest experience in recency-weighted averages", above=True)
    untried: str = choice("stay", ("stay", "uniform", "optimistic"), "what a pair never tried predicts")
    optimistic_reward: float = number(1.0, -math.inf, math.inf, "reward that untried=optimistic predicts")
    max_successors: int = size(0, 0, 1000, "outcomes kept for a state and action; 0 for as many as there can be")


def learned_model(settings: LearnedModel, tables: Tables, discount: Array | float) -> Model:
    """The model of the settings, for an environment with tables [P, S, A, M]."""
    _, num_states, num_actions, _ = tables.probability.shape
    return learned(
        num_states,
        num_actions,
        slots_of(settings, tables),
        discount,
        step_size=None if settings.average == "sample" else settings.step_size,
        untried=settings.untried,  # type: ignore[arg-type]
        optimistic_reward=settings.optimistic_reward,
        is_terminal=tables.is_terminal,  # type: ignore[arg-type]
    )


def slots_of(settings: LearnedModel, tables: Tables) -> int:
    """M of a learned model: the most outcomes that a state and action have over all phases, or as set.

    Raises:
        UserError: fewer are set than there can be.
    """
    most = 1
    outcomes = 2 * tables.successor + tables.terminates
    for pair in np.ndindex(*tables.probability.shape[1:3]):
        is_possible = tables.probability[:, *pair] > 0
        most = max(most, len(np.unique(outcomes[:, *pair][is_possible])))
    if 0 < settings.max_successors < most:
        raise UserError(f"model.max_successors is {settings.max_successors}: this environment has up to {most}")
    return settings.max_successors or most


def _build(settings: LearnedModel, facts: Facts) -> BuiltModel:
    model = learned_model(settings, facts.listed, facts.discount)
    return BuiltModel(model, links=None if settings.untried == "uniform" else facts.listed)


LEARNED_ROW = ModelRow(
    "learned", "counts or recency-weighted averages of what was met", LearnedModel, _build, needs_tables=True
)
