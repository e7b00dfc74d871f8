"""Prioritized sweeping: where the values have just changed, what leads there is next."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from mgsc.environments.tables import Tables
from mgsc.indexing import lookup, pick, put_at
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.expected import all_expected_errors, expected_error, real_target
from mgsc.search_control.frequency import FORGETTING, no_queries_yet, with_query
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition

NEVER = -1.0
"""Priority of what must not be queried; 0 is a pair that is not in the queue."""


class SweepingState(NamedTuple):
    """The queue as a dense array.

    Attributes:
        priority: [N·A + 1] of pairs numbered s · A + a; the last entry takes what belongs nowhere.
        tried: [N, A] 1 for pairs that were really tried.
        frequency: [N, A] recent share of the queries at each pair.
    """

    priority: Array
    tried: Array
    frequency: Array


def prioritized_sweeping(num_actions: int, threshold: Array | float, predecessors: Array | None = None) -> Strategy:
    """The pair of largest priority, each time; without one above ``threshold`` an update changes nothing.

    A real transition gives its pair the priority |δ|. After each update from the queue, the pair itself and
    all pairs that the model says may lead to its state get |E_m δ|, or leave where that is not above
    ``threshold``.

    Args:
        num_actions: A.
        threshold: θ [reward]; may be traced.
        predecessors: [S, I] the pairs that lead to each state, padded with S·A, for a model that never
            changes (``incoming_pairs``): 1 + I expected backups for each update. None: those pairs really
            tried of which the model says so now, found by asking it about all S·A pairs, which is as many expected
            backups for each update. (Exact and cheaper would be to keep E_m δ of all pairs and add
            P(s̄|s,a) γ ΔV(s̄), at the price of errors that add up and of every change of the model.)

    Expected backups, the writes of their priorities and the search for the largest come with every update, not every
    real step: a step is slower than three of uniform's.

    Source: Moore & Atkeson 1993; Sutton & Barto 2018, 8.4. Differs in that direct updates are made too; that
    updates are sampled and move by the step size, so the pair updated stays where error is left; that
    predecessors' priorities are expected errors in a stochastic model, and the newest counts, not the highest.
    """

    def init(key: Array, candidates: Candidates) -> SweepingState:
        del key
        frequency = no_queries_yet(candidates, num_actions)
        priority = jnp.append(jnp.where(frequency > 0, jnp.zeros_like(frequency), NEVER).reshape(-1), NEVER)
        return SweepingState(priority, jnp.zeros_like(frequency), frequency)

    def above(error: Array) -> Array:
        return jnp.where(jnp.abs(error) > threshold, jnp.abs(error), 0.0)

    def weights(state: SweepingState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return state.frequency

    def propose(
        noise: PyTree,
        state: SweepingState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del noise, params, distribution, last
        pair = jnp.argmax(state.priority[:-1]).astype(jnp.int32)
        place = pair // num_actions
        return Query(
            lookup(candidates.observation, place),
            lookup(candidates.index, place),
            pair % num_actions,
            step_scale=jnp.where(lookup(state.priority, pair) > 0, 1.0, 0.0),
        )

    def build(parts: Parts) -> SearchControl:
        def observe(
            state: SweepingState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[SweepingState, dict[str, Array]]:
            del candidates
            error = real_target(parts, params, transition) - pick(
                parts.q(params.values, transition.observation), transition.action
            )
            pair = transition.observation * num_actions + transition.action
            raised = jnp.maximum(lookup(state.priority, pair), above(error))
            tried = put_at(state.tried, (transition.observation, transition.action), jnp.ones(()))
            return state._replace(priority=put_at(state.priority, pair, raised), tried=tried), {}

        def swept(state: SweepingState, params: Params, here: Array, own: Array) -> Array:
            if predecessors is None:
                return _swept_all(parts, params, state, here, own, above)
            pairs = jnp.append(lookup(predecessors, here), own)

            def new_priority(pair: Array) -> Array:
                error = expected_error(parts, params, pair // num_actions, pair % num_actions)
                return jnp.where(lookup(state.priority, pair) < 0, NEVER, above(error))

            # Padding asks about some pair, and writes NEVER into the entry that belongs nowhere.
            found = jax.vmap(new_priority)(jnp.minimum(pairs, len(state.priority) - 2))
            found = jnp.where(pairs == len(state.priority) - 1, NEVER, found)

            def write(number: Array, priority: Array) -> Array:
                return put_at(priority, lookup(pairs, number), lookup(found, number))

            priority: Array = lax.fori_loop(0, len(pairs), write, state.priority)
            return priority

        def after_backup(state: SweepingState, params: Params, backup: Backup) -> SweepingState:
            here, action = backup.index, backup.transition.action
            own = here * num_actions + action
            is_popped = lookup(state.priority, own) > 0
            priority = jnp.where(is_popped, swept(state, params, here, own), state.priority)
            share = jnp.where(is_popped, FORGETTING, 0.0)
            return state._replace(priority=priority, frequency=with_query(state.frequency, (here, action), share))

        return SearchControl(init, weights, propose, after_backup, observe, draw=_nothing)

    return build


def _swept_all(parts: Parts, params: Params, state: SweepingState, here: Array, own: Array, above: PyTree) -> Array:
    """The priorities after a change of the values at ``here``, for a model that says itself what leads there."""
    num_states, num_actions = state.tried.shape
    states = jnp.arange(num_states, dtype=jnp.int32)
    listed = Candidates(states, states, states >= 0)

    def leads(observation: Array, action: Array) -> Array:
        answers = parts.expect(params.model, observation, action)
        return jnp.any((answers.probability > 0) & (answers.discount > 0) & (answers.observation == here))

    each = jax.vmap(jax.vmap(leads, (None, 0)), (0, None))
    leads_here = each(states, jnp.arange(num_actions)) & (state.tried > 0)
    is_new = leads_here.reshape(-1) | (jnp.arange(num_states * num_actions) == own)
    found = above(all_expected_errors(parts, params, listed)).reshape(-1)
    old = state.priority[:-1]
    return jnp.append(jnp.where(is_new & (old >= 0), found, old), NEVER)


def incoming_pairs(tables: Tables) -> NDArray[np.int32]:
    """[S, I] the pairs s · A + a that may lead on to each state, padded with S·A.

    Args:
        tables: what a fixed model believes, [S, A, M].
    """
    num_states, num_actions = tables.probability.shape[:2]
    leads = (tables.probability > 0) & ~tables.terminates
    state, action, slot = np.nonzero(leads)
    links = np.unique(np.stack([tables.successor[state, action, slot], state * num_actions + action], 1), axis=0)
    counts = np.bincount(links[:, 0], minlength=num_states)
    pairs = np.full((num_states, max(int(counts.max()), 1)), num_states * num_actions, np.int32)
    column = np.arange(len(links)) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs[links[:, 0], column] = links[:, 1]
    return pairs


def _nothing(key: Array) -> tuple[()]:
    del key
    return ()
