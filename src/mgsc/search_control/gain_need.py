"""Prioritized memory access: how much an update would improve choices, times how soon it will matter."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.sampling import index_from_tree, sum_tree
from mgsc.search_control.base import Distribution, SearchControl, Strategy, allowed_pairs
from mgsc.search_control.expected import all_expected_errors, all_values
from mgsc.search_control.frequency import no_queries_yet, with_query
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class GainNeedState(NamedTuple):
    """How often each state follows each, and where the agent is.

    Attributes:
        occupancy: [N, N] the successor representation: expected discounted visits of each state from each.
        here: [] int32 the state the agent is in; after the end of an episode, where it was before.
        frequency: [N, A] recent share of the queries at each pair.
    """

    occupancy: Array
    here: Array
    frequency: Array


def gain_need(
    num_actions: int, *, step_size: Array | float, occupancy_rate: Array | float, least_gain: Array | float
) -> Strategy:
    """The pair with the largest gain × need, worked out anew for every update; ties are broken at random.

    gain(s, a) = Σ_b (π_new(b|s) − π(b|s)) q_new(s, b), with q_new as q but for q(s, a) + α E_m δ(s, a);
    need(s) = the expected discounted visits of s from where the agent is.

    Args:
        num_actions: A.
        step_size: α; may be traced.
        occupancy_rate: step size of the successor representation, in (0, 1]; may be traced.
        least_gain: gains are at least this [reward], so that need decides where nothing gains; may be traced.

    S·A expected backups for every planning update, and the policy of every state as each of its A values would change
    it: a step is slower than three of uniform's.

    Source: Mattar & Daw 2018 (EVB = gain × need). Differs in that the representation is learned by
    temporal differences (Dayan 1993) on the real transitions, where theirs follows from a learned transition
    matrix; that the policy is the agent's own (ε-greedy), theirs a softmax; that updates are of one step only,
    not of n; and that the model answers, not a memory of what happened.
    """

    def init(key: Array, candidates: Candidates) -> GainNeedState:
        del key
        occupancy = jnp.eye(len(candidates.index), dtype=jnp.result_type(float))
        return GainNeedState(occupancy, jnp.zeros((), jnp.int32), no_queries_yet(candidates, num_actions))

    def observe(
        state: GainNeedState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[GainNeedState, dict[str, Array]]:
        del params, candidates
        here = transition.observation
        row, next_row = lookup(state.occupancy, here), lookup(state.occupancy, transition.successor)
        target = (jnp.arange(len(row)) == here) + transition.discount * next_row
        occupancy = put_at(state.occupancy, here, row + occupancy_rate * (target - row))
        after = jnp.where(transition.discount > 0, transition.successor, here)
        return state._replace(occupancy=occupancy, here=after), {}

    def weights(state: GainNeedState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return state.frequency

    def after_backup(state: GainNeedState, params: Params, backup: Backup) -> GainNeedState:
        del params
        return state._replace(frequency=with_query(state.frequency, (backup.index, backup.transition.action)))

    def build(parts: Parts) -> SearchControl:
        def propose(
            noise: PyTree,
            state: GainNeedState,
            params: Params,
            distribution: Distribution,
            candidates: Candidates,
            last: Backup,
        ) -> Query:
            del distribution, last
            need = lookup(state.occupancy, state.here)
            worth = jnp.maximum(all_gains(parts, params, candidates, step_size), least_gain) * need[:, None]
            worth = jnp.where(allowed_pairs(candidates, num_actions), worth, -1.0).reshape(-1)
            is_best = jnp.asarray(worth == worth.max(), worth.dtype)
            pair = index_from_tree(noise, sum_tree(is_best))
            place = pair // num_actions
            return Query(lookup(candidates.observation, place), lookup(candidates.index, place), pair % num_actions)

        return SearchControl(init, weights, propose, after_backup, observe)

    return build


def all_gains(parts: Parts, params: Params, candidates: Candidates, step_size: Array | float) -> Array:
    """[N, A] what the value of each state's choices would gain by an expected update of each pair."""
    q = all_values(parts, params, candidates)
    moves = step_size * all_expected_errors(parts, params, candidates)
    updated = q[:, None, :] + moves[:, :, None] * jnp.eye(q.shape[1], dtype=q.dtype)
    before = jax.vmap(parts.policy)(q)
    after = jax.vmap(jax.vmap(parts.policy))(updated)
    return jnp.sum((after - before[:, None, :]) * updated, -1)
