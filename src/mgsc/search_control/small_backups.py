"""Small backups: a value follows one of its successors at a time, the one that has moved it least lately."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, pick, put_at, settled
from mgsc.sampling import index_from_tree, largest, sum_tree
from mgsc.search_control.base import Distribution, SearchControl, Strategy, allowed_pairs
from mgsc.search_control.expected import all_values
from mgsc.search_control.frequency import FORGETTING, no_queries_yet, with_query
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition

ROUNDING = 64 * 2.0**-23
"""Changes below this share of the value they change are left alone, whatever the threshold.

What rounding adds to a change is at most 2^-24 of the value. Up to a discount of 0.99, a change above this share
loses more than that around any loop of states; a smaller one could go round for ever, and drive the values along.
"""


class SmallBackupsState(NamedTuple):
    """What each successor was worth when its pair last heard of it.

    Attributes:
        stored: [N·A, M] U of each slot, minus ``base``.
        base: [] the value of all states before the first update, from which all U start.
        is_begun: [] 1 once ``base`` is known.
        tried: [N, A] 1 for pairs really tried; None where all are planned.
        frequency: [N, A] recent share of the queries at each pair.
    """

    stored: Array
    base: Array
    is_begun: Array
    tried: Array | None
    frequency: Array


def small_backups(
    num_actions: int,
    num_slots: int,
    threshold: Array | float,
    *,
    step_size: Array | float,
    only_tried: bool = False,
) -> Strategy:
    """The largest P γ (V(s') − U) of all, each time: q(s, a) moves by it, without a step size, and U becomes V(s').

    V = max q, and U is what the successor was worth when the pair last heard of it: from a small backup, or from a
    direct update along the same transition. One not above ``threshold`` is left for later, and the update
    then changes nothing. Ties are broken at random. Planning leaves q(s, a) − Σ_m P γ U as it finds it, so rewards
    come in by direct updates alone.

    Args:
        num_actions: A.
        num_slots: M, outcomes in an answer of the model.
        threshold: θ [reward], with ``ROUNDING`` below it; may be traced.
        step_size: α of the planning updates, which is divided out again; may be traced.
        only_tried: leave out pairs never really tried, for a model that learns.

    A small backup itself looks at one outcome. Finding it here means looking at all S·A·M for every update, as much
    as S·A expected backups, and counting ties in a tree of them: a step is slower than three of uniform's.

    Source: van Seijen & Sutton 2013. Differs in that each update makes the largest single backup of all, where
    theirs takes a state from a queue ordered by |V − U| and makes the backups of all its predecessors; that U is
    kept for each pair and outcome, where theirs is one for each state; and that a direct update is Q-learning
    toward V(s') with a step size, where theirs is the average of all that the pair has met, with U in place of
    V(s'). So what was not yet backed up is lost in part when the pair is tried, and a change of the model's
    probabilities moves no value until then.
    """

    def init(key: Array, candidates: Candidates) -> SmallBackupsState:
        del key
        frequency = no_queries_yet(candidates, num_actions)
        nought = jnp.zeros((), frequency.dtype)
        stored = jnp.zeros((frequency.size, num_slots), frequency.dtype)
        return SmallBackupsState(stored, nought, nought, jnp.zeros_like(frequency) if only_tried else None, frequency)

    def weights(state: SmallBackupsState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return state.frequency

    def build(parts: Parts) -> SearchControl:
        def observe(
            state: SmallBackupsState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[SmallBackupsState, dict[str, Array]]:
            del candidates
            here, action, _, goes_on, successor = transition
            base = jnp.where(state.is_begun > 0, state.base, parts.q(params.values, here)[0])
            answers = parts.expect(params.model, here, action)
            is_used = (answers.observation == successor) & (goes_on > 0)
            tried = state.tried
            if tried is not None:
                # The model is about to put a new outcome into an empty slot, or into that of its first guess.
                is_first = lookup(tried.reshape(-1), here * num_actions + action) == 0
                is_used = is_used | (answers.probability == 0) | is_first
                tried = put_at(tried, (here, action), jnp.ones(()))
            worth = largest(parts.q(params.values, successor)) - base
            stored = with_worth(state.stored, here * num_actions + action, is_used, worth)
            return SmallBackupsState(stored, base, jnp.ones_like(base), tried, state.frequency), {}

        def propose(
            noise: PyTree,
            state: SmallBackupsState,
            params: Params,
            distribution: Distribution,
            candidates: Candidates,
            last: Backup,
        ) -> Query:
            del distribution, last
            changes = settled(all_small_changes(parts, params, candidates, state, num_actions))
            allowed = allowed_pairs(candidates, num_actions)
            is_open = allowed if state.tried is None else allowed & (state.tried > 0)
            sizes = jnp.where(is_open.reshape(-1, 1), jnp.abs(changes), 0.0)
            # What must not be queried is chosen never, also where nothing is left to be done.
            sizes = settled(jnp.where(allowed.reshape(-1, 1), sizes, -1.0).reshape(-1))
            most = sizes.max()
            chosen = index_from_tree(noise, sum_tree(jnp.asarray(sizes == most, sizes.dtype)))
            pair, slot = chosen // num_slots, chosen % num_slots
            observation, action = lookup(candidates.observation, pair // num_actions), pair % num_actions
            successors = parts.expect(params.model, observation, action).observation
            successor = lookup(successors, slot)
            change = jnp.sum(jnp.where(successors == successor, lookup(changes, pair), 0.0))
            q = pick(parts.q(params.values, observation), action)
            is_due = most > jnp.maximum(threshold, ROUNDING * jnp.abs(q))
            reward = q + jnp.where(is_due, change, 0.0)
            return Query(
                observation,
                lookup(candidates.index, pair // num_actions),
                action,
                outcome=Transition(observation, action, reward, jnp.zeros_like(q), successor),
                step_scale=jnp.where(is_due, 1.0 / step_size, 0.0),
            )

        def after_backup(state: SmallBackupsState, params: Params, backup: Backup) -> SmallBackupsState:
            here, action, _, _, successor = backup.transition
            # V(s') as it was when the backup was chosen.
            is_own = (jnp.arange(num_actions) == action) & (successor == here)
            before = parts.q(params.values, successor) - jnp.where(is_own, backup.td_error, 0.0)
            is_made = backup.td_error != 0
            is_used = (parts.expect(params.model, here, action).observation == successor) & is_made
            pair = backup.index * num_actions + action
            stored = with_worth(state.stored, pair, is_used, largest(before) - state.base)
            share = jnp.where(is_made, FORGETTING, 0.0)
            return state._replace(stored=stored, frequency=with_query(state.frequency, (backup.index, action), share))

        return SearchControl(init, weights, propose, after_backup, observe)

    return build


def with_worth(stored: Array, pair: Array, is_used: Array, worth: Array) -> Array:
    """``stored`` with some slots [M] of a pair at ``worth``."""
    return put_at(stored, pair, jnp.where(is_used, worth, lookup(stored, pair)))


def all_small_changes(
    parts: Parts, params: Params, candidates: Candidates, state: SmallBackupsState, num_actions: int
) -> Array:
    """[N·A, M] P γ (V(s') − U) of every slot; the candidates are all states, in order."""
    best = settled(largest(all_values(parts, params, candidates)) - state.base)

    def one(observation: Array, action: Array, stored: Array) -> Array:
        answers = parts.expect(params.model, observation, action)
        return answers.probability * answers.discount * (lookup(best, answers.observation) - stored)

    each = jax.vmap(jax.vmap(one, (None, 0, 0)), (0, None, 0))
    number = len(candidates.index)
    changes: Array = each(
        candidates.observation, jnp.arange(num_actions), state.stored.reshape(number, num_actions, -1)
    )
    return changes.reshape(state.stored.shape)
