"""Prioritized memory access: the gain of an update in the value of the policy, times the need of its state."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.expected import expected_error
from mgsc.search_control.frequency import no_queries_yet, recent_queries, with_query
from mgsc.search_control.largest import (
    empty_queue,
    find_largest,
    queue_of,
    refreshed,
    rewritten,
    still_ruled_out,
)
from mgsc.search_control.predecessors import most_touched, touched_pairs
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class GainNeedState(NamedTuple):
    """The successor representation, the agent's state, and the priorities.

    Attributes:
        occupancy: [N, N] the successor representation: expected discounted visits of each state from each.
        here: [] int32 the state of the agent; after the end of an episode, the one before.
        gains: [N·A + 1] of every pair; the last slot takes what belongs to no pair.
        queue: [N·A + 1] gain × need.
        frequency: [N, A] recent share of the queries at each pair.
    """

    occupancy: Array
    here: Array
    gains: Array
    queue: Array
    frequency: Array


def gain_need(
    num_actions: int,
    predecessors: Array | None = None,
    *,
    step_size: Array | float,
    occupancy_rate: Array | float,
    least_gain: Array | float,
) -> Strategy:
    """The pair with the largest gain × need, computed anew for every update; ties are broken at random.

    gain(s, a) = Σ_b (π_new(b|s) − π(b|s)) q_new(s, b), with q_new as q but for q(s, a) + α E_m δ(s, a);
    need(s) = the expected discounted visits of s from the agent's state.

    Args:
        num_actions: A.
        predecessors: [S, I] pairs among which are all that may ever lead to each state (``incoming_pairs``): the gains
            of A + I pairs are then computed after each update. None: of all S·A.
        step_size: α; may be traced.
        occupancy_rate: step size of the successor representation, in (0, 1]; may be traced.
        least_gain: least gain [reward], so that need decides where no pair gains; may be traced.

    Every update takes expected backups, and the policy of the pair's state before and after it, for each of those
    pairs; every real step ranks all pairs by the new need: a step is slower than three of uniform's.

    Source: Mattar & Daw 2018 (EVB = gain × need). Differs in that the representation is learned by
    temporal differences (Dayan 1993) on the real transitions, where theirs follows from a learned transition
    matrix; that the policy is the agent's own (ε-greedy), theirs a softmax; that updates are of one step only,
    not of n; that the model is queried, not a memory of transitions; and that it plans after every step, where theirs
    plans before the start and at the goal of an episode, with a need that reaches from the goal into the next one.
    """

    def build(parts: Parts) -> SearchControl:
        rule = _Rule(parts, num_actions, predecessors, step_size, occupancy_rate, least_gain)
        return SearchControl(
            init=rule.init,
            weights=recent_queries,
            propose=rule.propose,
            after_backup=rule.after_backup,
            observe=rule.observe,
            after_learning=rule.after_learning,
        )

    return build


class _Rule(NamedTuple):
    """What the strategy was built of: its arguments, and the agent's parts."""

    parts: Parts
    num_actions: int
    predecessors: Array | None
    step_size: Array | float
    occupancy_rate: Array | float
    least_gain: Array | float

    def gain(self, params: Params, pair: Array) -> Array:
        """[] of one pair."""
        return expected_gain(self.parts, params, pair // self.num_actions, pair % self.num_actions, self.step_size)

    def worth(self, gain: Array, need: Array) -> Array:
        """[...] gain × need, gains being at least ``least_gain``."""
        return jnp.maximum(gain, self.least_gain) * need

    def new_gains(self, state: GainNeedState, params: Params, here: Array) -> tuple[Array | None, Array]:
        """[A + I] pairs whose gains a change of the values at ``here`` may change, None: all; and all gains anew."""
        own = here * self.num_actions + jnp.arange(self.num_actions)
        places = touched_pairs(self.predecessors, here, own)
        return places, rewritten(state.gains, places, lambda pair: self.gain(params, pair))

    def init(self, key: Array, params: Params, candidates: Candidates) -> GainNeedState:
        del key
        occupancy = jnp.eye(len(candidates.index), dtype=jnp.result_type(float))
        frequency = no_queries_yet(candidates, self.num_actions)
        gains = jax.vmap(self.gain, (None, 0))(params, jnp.arange(frequency.size))
        return GainNeedState(occupancy, jnp.zeros((), jnp.int32), queue_of(gains), empty_queue(frequency), frequency)

    def observe(
        self, state: GainNeedState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[GainNeedState, dict[str, Array]]:
        del params, candidates
        here = transition.observation
        row, next_row = lookup(state.occupancy, here), lookup(state.occupancy, transition.successor)
        target = (jnp.arange(len(row)) == here) + transition.discount * next_row
        occupancy = put_at(state.occupancy, here, row + self.occupancy_rate * (target - row))
        after = jnp.where(transition.discount > 0, transition.successor, here)
        return state._replace(occupancy=occupancy, here=after), {}

    def after_learning(self, state: GainNeedState, params: Params, backup: Backup) -> GainNeedState:
        _, gains = self.new_gains(state, params, backup.transition.observation)
        # The agent has moved: the need of every state is another.
        need = lookup(state.occupancy, state.here)
        worths = self.worth(gains[:-1].reshape(-1, self.num_actions), need[:, None]).reshape(-1)
        queue = queue_of(still_ruled_out(state.queue[:-1], worths))
        return state._replace(gains=gains, queue=queue)

    def propose(
        self,
        noise: PyTree,
        state: GainNeedState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del params, distribution, last
        pair = find_largest(state.queue[:-1], noise)[0]
        place = pair // self.num_actions
        return Query(lookup(candidates.observation, place), lookup(candidates.index, place), pair % self.num_actions)

    def after_backup(self, state: GainNeedState, params: Params, backup: Backup) -> GainNeedState:
        places, gains = self.new_gains(state, params, backup.index)
        num_states = len(state.occupancy)

        def worth(pair: Array) -> Array:
            need = lookup(state.occupancy.reshape(-1), state.here * num_states + pair // self.num_actions)
            return self.worth(lookup(gains, pair), need)

        queue = refreshed(state.queue, places, worth)
        frequency = with_query(state.frequency, (backup.index, backup.transition.action))
        return state._replace(gains=gains, queue=queue, frequency=frequency)


def expected_gain(parts: Parts, params: Params, observation: Array, action: Array, step_size: Array | float) -> Array:
    """[] gain of the policy's value in a state by an expected update of one action (reward)."""
    q = parts.action_values(params.values, observation)
    move = step_size * expected_error(parts, params, observation, action)
    updated = jnp.where(jnp.arange(len(q)) == action, q + move, q)
    return jnp.sum((parts.policy(updated) - parts.policy(q)) * updated)


@dataclasses.dataclass(frozen=True)
class GainNeedSettings:
    """Settings of ``gain_need``."""

    occupancy_rate: float = number(0.1, 0.0, 1.0, "step size of the successor representation", above=True)
    least_gain: float = number(1e-6, 0.0, math.inf, "what every pair is taken to gain at least (reward)")


def _build(settings: GainNeedSettings, facts: StrategyFacts) -> Strategy:
    return gain_need(
        facts.problem.facts.num_actions,
        facts.problem.known.predecessors,
        step_size=facts.step_size,
        occupancy_rate=settings.occupancy_rate,
        least_gain=settings.least_gain,
    )


def _expected_backups(settings: GainNeedSettings, facts: StrategyFacts) -> int:
    """After every update, and the direct one, all actions of its state and all that may lead there."""
    del settings
    return (1 + int(facts.planning_updates)) * (facts.problem.facts.num_actions + most_touched(facts))


ROW = StrategyRow(
    name="gain_need",
    summary="where an update improves choices most, times how soon they come up",
    settings=GainNeedSettings,
    build=_build,
    needs=always("listed states", "tables", "discrete actions"),
    expected_backups=_expected_backups,
    space={"occupancy_rate": Range(0.01, 1.0, is_bounded=True), "least_gain": Range(1e-8, 1e-2)},
)
