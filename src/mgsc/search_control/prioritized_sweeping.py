"""Prioritized sweeping: after a change of the values of a state, the pairs that lead there are updated next."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import lookup, pick, put_at
from mgsc.noise import nothing
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.expected import expected_error, real_target
from mgsc.search_control.frequency import FORGETTING, no_queries_yet, recent_queries, with_query
from mgsc.search_control.largest import empty_queue, find_largest, refreshed, still_ruled_out
from mgsc.search_control.predecessors import most_touched, touched_pairs
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import added, number, switch
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class SweepingState(NamedTuple):
    """The queue, and the pairs that may enter it.

    Attributes:
        queue: [N·A + 1] priorities of pairs numbered s · A + a, 0 for a pair that is not in the queue; the last slot
            takes what belongs to no pair.
        tried: [N, A] 1 for pairs tried in real steps; None where all are planned.
        frequency: [N, A] recent share of the queries at each pair.
    """

    queue: Array
    tried: Array | None
    frequency: Array


def prioritized_sweeping(
    num_actions: int,
    threshold: Array | float,
    predecessors: Array | None = None,
    *,
    only_tried: bool = False,
    requeues: bool = True,
) -> Strategy:
    """The pair of largest priority, each time; without one above ``threshold`` an update changes nothing.

    A real transition raises the priority of its pair to |δ| before the direct update. After each update from the
    queue, the priority of the pair itself and of all pairs that may lead to its state in the model becomes |E_m δ|, or
    0 where that is not above ``threshold``. Without ``requeues`` the priority of the pair itself becomes 0 in any case,
    unless it leads to its own state.

    Args:
        num_actions: A.
        threshold: θ [reward]; may be traced.
        predecessors: [S, I] pairs among which are all that may ever lead to each state (``incoming_pairs``): 1 + I
            pairs are then evaluated after each update. None: all S·A.
        only_tried: leave out pairs never tried in a real step, for a model that learns.
        requeues: whether the pair just updated stays queued where error is left; False is the book's.

    Expected backups, and the writes of their priorities, come with every update, not every real step: a step is slower
    than three of uniform's.

    Source: Sutton & Barto 2018, 8.4, for pairs ordered by error; Moore & Atkeson 1993, who queue states by the change
    that may reach them, and update each in full. Differs from both in that direct updates are made too; that the pair
    updated stays where error is left (unless ``requeues`` is False); and that predecessors' priorities are expected
    errors in a stochastic model, and the newest counts, not the highest.
    """

    def build(parts: Parts) -> SearchControl:
        rule = _Rule(parts, num_actions, threshold, predecessors, only_tried, requeues)
        return SearchControl(
            init=rule.init,
            weights=recent_queries,
            propose=rule.propose,
            after_backup=rule.after_backup,
            observe=rule.observe,
            draw=nothing,
        )

    return build


class _Rule(NamedTuple):
    """What the strategy was built of: its arguments, and the agent's parts."""

    parts: Parts
    num_actions: int
    threshold: Array | float
    predecessors: Array | None
    only_tried: bool
    requeues: bool

    def init(self, key: Array, params: Params, candidates: Candidates) -> SweepingState:
        del key, params
        frequency = no_queries_yet(candidates, self.num_actions)
        return SweepingState(empty_queue(frequency), jnp.zeros_like(frequency) if self.only_tried else None, frequency)

    def above(self, error: Array) -> Array:
        return jnp.where(jnp.abs(error) > self.threshold, jnp.abs(error), 0.0)

    def observe(
        self, state: SweepingState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[SweepingState, dict[str, Array]]:
        del candidates
        here, action = transition.observation, transition.action
        error = real_target(self.parts, params, transition) - pick(
            self.parts.action_values(params.values, here), action
        )
        pair = here * self.num_actions + action
        old = lookup(state.queue, pair)
        raised = still_ruled_out(old, jnp.maximum(old, self.above(error)))
        tried = state.tried if state.tried is None else put_at(state.tried, (here, action), jnp.ones(()))
        return state._replace(queue=put_at(state.queue, pair, raised), tried=tried), {}

    def propose(
        self,
        noise: PyTree,
        state: SweepingState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del noise, params, distribution, last
        pair, priority = find_largest(state.queue[:-1])
        place = pair // self.num_actions
        return Query(
            lookup(candidates.observation, place),
            lookup(candidates.index, place),
            pair % self.num_actions,
            step_scale=jnp.where(priority > 0, 1.0, 0.0),
        )

    def after_backup(self, state: SweepingState, params: Params, backup: Backup) -> SweepingState:
        here, action = backup.index, backup.transition.action
        own = here * self.num_actions + action
        is_popped = lookup(state.queue, own) > 0

        def priority(pair: Array) -> Array:
            query = pair // self.num_actions, pair % self.num_actions
            answers = self.parts.expect(params.model, *query)
            leads = (answers.probability > 0) & (answers.discount > 0) & (answers.observation == here)
            is_tried = True if state.tried is None else lookup(state.tried.reshape(-1), pair) > 0
            leads_here = jnp.any(leads) & is_tried
            is_touched = is_popped & (leads_here | (pair == own))
            new = self.above(expected_error(self.parts, params, *query))
            if not self.requeues:
                new = jnp.where(leads_here, new, 0.0)
            return jnp.where(is_touched, new, lookup(state.queue, pair))

        queue = refreshed(state.queue, touched_pairs(self.predecessors, here, own[None]), priority)
        share = jnp.where(is_popped, FORGETTING, 0.0)
        return state._replace(queue=queue, frequency=with_query(state.frequency, (here, action), share))


@dataclasses.dataclass(frozen=True)
class SweepingSettings:
    """Settings of ``prioritized_sweeping``."""

    threshold: float = number(1e-3, 0.0, math.inf, "theta: smaller expected errors do not enter the queue (reward)")
    requeues: bool = added(switch(True, "whether the pair just updated stays queued where error is left"))


def _build(settings: SweepingSettings, facts: StrategyFacts) -> Strategy:
    problem = facts.problem
    return prioritized_sweeping(
        problem.facts.num_actions,
        settings.threshold,
        problem.known.predecessors,
        only_tried=problem.learns,
        requeues=settings.requeues,
    )


def _expected_backups(settings: SweepingSettings, facts: StrategyFacts) -> int:
    """The pair updated, and all that may lead to its state."""
    del settings
    return int(facts.planning_updates) * (1 + most_touched(facts))


ROW = StrategyRow(
    name="prioritized_sweeping",
    summary="what leads to where values have just changed",
    settings=SweepingSettings,
    build=_build,
    needs=always("listed states", "tables", "discrete actions"),
    expected_backups=_expected_backups,
    space={"threshold": Range(1e-5, 1e-1)},
)
