"""Small backups: a value follows one of its successors at a time, the one that has moved it least lately."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.reductions import largest
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.frequency import FORGETTING, no_queries_yet, recent_queries, with_query
from mgsc.search_control.largest import empty_queue, find_largest, refreshed
from mgsc.search_control.predecessors import most_touched, touched_pairs
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import number
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition

ROUNDING = 64 * 2.0**-23
"""Changes below this share of the value they change are never made, whatever the threshold.

What rounding adds to a change is at most 2^-24 of the value. Up to a discount of 0.99, a change above this share
loses more than that around any loop of states; a smaller one could go round for ever, and drive the values along.
"""


class SmallBackupsState(NamedTuple):
    """The value of each successor when its pair last took it in.

    Attributes:
        stored: [N·A, M] U of each slot.
        queue: [N·A + 1] the size of each pair's largest backup; the last slot takes what belongs to no pair.
        tried: [N, A] 1 for pairs tried in real steps; None where all are planned.
        frequency: [N, A] recent share of the queries at each pair.
    """

    stored: Array
    queue: Array
    tried: Array | None
    frequency: Array


def small_backups(
    num_actions: int,
    threshold: Array | float,
    predecessors: Array | None = None,
    *,
    step_size: Array | float,
    only_tried: bool = False,
) -> Strategy:
    """The largest |P γ (V(s') − U)| of all, each time: q(s, a) moves by it, without a step size, and U becomes V(s').

    V = max q. U is the successor's value when the pair last took it in, by a small backup or by a direct update along
    the same transition; at first, its value before any update. Where no backup is above ``threshold``, the update
    changes nothing. Of equal pairs one is drawn. Planning does not change q(s, a) − Σ_m P γ U, so rewards come in by
    direct updates alone.

    Args:
        num_actions: A.
        threshold: θ [reward], and never less than ``ROUNDING`` of the value; may be traced.
        predecessors: [S, I] pairs among which are all that may ever lead to each state (``incoming_pairs``): 1 + I
            pairs are then evaluated after each update. None: all S·A.
        step_size: α of the planning updates, by which the backup is divided; may be traced.
        only_tried: leave out pairs never tried in a real step, for a model that learns.

    A small backup itself uses one outcome. To find it, the outcomes of all pairs that lead to a changed state are
    evaluated after every update, and ranked: a step is slower than three of uniform's.

    Source: van Seijen & Sutton 2013. Differs in that each update makes the largest single backup of all, where
    theirs takes a state from a queue ordered by |V − U| and makes the backups of all its predecessors; that U is
    kept for each pair and outcome, where theirs is one for each state; and that a direct update is Q-learning
    toward V(s') with a step size, where theirs is the average of all that the pair has met, with U in place of
    V(s'). So what was not yet backed up is lost in part when the pair is tried, and a change of the model's
    probabilities moves no value until then.
    """

    def build(parts: Parts) -> SearchControl:
        rule = _Rule(parts, num_actions, threshold, predecessors, step_size, only_tried)
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
    threshold: Array | float
    predecessors: Array | None
    step_size: Array | float
    only_tried: bool

    def init(self, key: Array, params: Params, candidates: Candidates) -> SmallBackupsState:
        del key
        frequency = no_queries_yet(candidates, self.num_actions)

        def worth(pair: Array) -> Array:
            answers = self.parts.expect(params.model, pair // self.num_actions, pair % self.num_actions)
            return worths(self.parts, params, answers.observation)

        stored = jax.vmap(worth)(jnp.arange(frequency.size, dtype=jnp.int32))
        queue = empty_queue(frequency)
        return SmallBackupsState(stored, queue, jnp.zeros_like(frequency) if self.only_tried else None, frequency)

    def observe(
        self, state: SmallBackupsState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[SmallBackupsState, dict[str, Array]]:
        del candidates
        here, action, _, goes_on, successor = transition
        pair = here * self.num_actions + action
        answers = self.parts.expect(params.model, here, action)
        is_taken = (answers.observation == successor) & (goes_on > 0)
        tried = state.tried
        if tried is not None:
            # The model is about to put a new outcome into an empty slot, or into that of its first guess.
            is_first = lookup(tried.reshape(-1), pair) == 0
            is_taken = is_taken | (answers.probability == 0) | is_first
            tried = put_at(tried, (here, action), jnp.ones(()))
        worth = largest(self.parts.action_values(params.values, successor))
        return state._replace(stored=with_worth(state.stored, pair, is_taken, worth), tried=tried), {}

    def after_learning(self, state: SmallBackupsState, params: Params, backup: Backup) -> SmallBackupsState:
        return self.requeued(state, params, backup.transition.observation, backup.transition.action)

    def requeued(self, state: SmallBackupsState, params: Params, here: Array, action: Array) -> SmallBackupsState:
        """Looks again at what a change of the values at ``here`` touches, and at the pair itself."""

        def largest_size(pair: Array) -> Array:
            size = largest(jnp.abs(small_changes(self.parts, params, state.stored, pair, self.num_actions)[0]))
            is_open = True if state.tried is None else lookup(state.tried.reshape(-1), pair) > 0
            return jnp.where(is_open, size, 0.0)

        own = here * self.num_actions + action
        places = touched_pairs(self.predecessors, here, own[None])
        return state._replace(queue=refreshed(state.queue, places, largest_size))

    def propose(
        self,
        noise: PyTree,
        state: SmallBackupsState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del distribution, last
        pair, size = find_largest(state.queue[:-1], noise)
        place, action = pair // self.num_actions, pair % self.num_actions
        observation = lookup(candidates.observation, place)
        changes, successors = small_changes(self.parts, params, state.stored, pair, self.num_actions)
        successor = lookup(successors, first_largest(jnp.abs(changes)))
        change = jnp.sum(jnp.where(successors == successor, changes, 0.0))
        q = self.parts.q(params.values, observation, action)
        is_due = size > jnp.maximum(self.threshold, ROUNDING * jnp.abs(q))
        reward = q + jnp.where(is_due, change, 0.0)
        return Query(
            observation,
            lookup(candidates.index, place),
            action,
            outcome=Transition(observation, action, reward, jnp.zeros_like(q), successor),
            step_scale=jnp.where(is_due, 1.0 / self.step_size, 0.0),
        )

    def after_backup(self, state: SmallBackupsState, params: Params, backup: Backup) -> SmallBackupsState:
        here, action, _, _, successor = backup.transition
        # V(s') as it was when the backup was chosen.
        is_own = (jnp.arange(self.num_actions) == action) & (successor == here)
        before = self.parts.action_values(params.values, successor) - jnp.where(is_own, backup.td_error, 0.0)
        is_made = backup.td_error != 0
        is_taken = (self.parts.expect(params.model, here, action).observation == successor) & is_made
        pair = backup.index * self.num_actions + action
        stored = with_worth(state.stored, pair, is_taken, largest(before))
        share = jnp.where(is_made, FORGETTING, 0.0)
        after = state._replace(stored=stored, frequency=with_query(state.frequency, (backup.index, action), share))
        return self.requeued(after, params, here, action)


def with_worth(stored: Array, pair: Array, is_taken: Array, worth: Array) -> Array:
    """``stored`` with the slots ``is_taken`` [M] of a pair at ``worth``."""
    return put_at(stored, pair, jnp.where(is_taken, worth, lookup(stored, pair)))


def first_largest(sizes: Array) -> Array:
    """[] int32 the first slot of the largest size."""
    is_largest = sizes == largest(sizes)
    return jnp.min(jnp.where(is_largest, jnp.arange(len(sizes), dtype=jnp.int32), len(sizes)))


def worths(parts: Parts, params: Params, observations: Array) -> Array:
    """[M] V = max q of each."""
    best: Array = largest(jax.vmap(parts.action_values, (None, 0))(params.values, observations))
    return best


def small_changes(parts: Parts, params: Params, stored: Array, pair: Array, num_actions: int) -> tuple[Array, Array]:
    """[M] P γ (V(s') − U) of every slot of a pair, and [M] its successors s'."""
    answers = parts.expect(params.model, pair // num_actions, pair % num_actions)
    moved = worths(parts, params, answers.observation) - lookup(stored, pair)
    return answers.probability * answers.discount * moved, answers.observation


@dataclasses.dataclass(frozen=True)
class SmallBackupsSettings:
    """Settings of ``small_backups``."""

    threshold: float = number(1e-3, 0.0, math.inf, "theta: smaller changes are left for later (reward)")


def _build(settings: SmallBackupsSettings, facts: StrategyFacts) -> Strategy:
    problem = facts.problem
    return small_backups(
        problem.facts.num_actions,
        settings.threshold,
        problem.known.predecessors,
        step_size=facts.step_size,
        only_tried=problem.learns,
    )


def _expected_backups(settings: SmallBackupsSettings, facts: StrategyFacts) -> int:
    """After every update, and the direct one, all outcomes of the pair and of all that may lead to its state."""
    del settings
    return (1 + int(facts.planning_updates)) * (1 + most_touched(facts))


ROW = StrategyRow(
    name="small_backups",
    summary="the successor whose value has moved furthest since its pair took it in",
    settings=SmallBackupsSettings,
    build=_build,
    needs=always("listed states", "tables", "discrete actions"),
    expected_backups=_expected_backups,
    space={"threshold": Range(1e-5, 1e-1)},
)
