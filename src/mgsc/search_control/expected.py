"""Expected TD errors in the agent's own model, of one pair of state and action or of all.

One such number is an expected backup: it uses all M outcomes of a pair, where a planning update uses one. The rows of
strategies that make some hold their number (``expected_backups``).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, pick, settled
from mgsc.meta_gradient import exact_network
from mgsc.models.base import Model
from mgsc.reductions import largest, total
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Successors, Transition


def expected_target(parts: Parts, params: Params, observation: Array, action: Array) -> Array:
    """[] E_m[r + γ' max q(s', ·)] of one state and action."""
    answers = parts.expect(params.model, observation, action)
    best = jax.vmap(parts.bootstrap, (None, None, 0))(params.values, params.learner, answers.observation)
    return jnp.sum(answers.probability * (answers.reward + answers.discount * best))


def expected_error(parts: Parts, params: Params, observation: Array, action: Array) -> Array:
    """[] E_m[δ(s, a)]."""
    return expected_target(parts, params, observation, action) - pick(
        parts.action_values(params.values, observation), action
    )


def all_values(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[N, A] q of every candidate."""
    return exact_network.all_values(parts, params.values, candidates)


def all_expected_targets(parts: Parts, params: Params, candidates: Candidates, num_actions: int) -> Array:
    """[N, A] E_m[r + γ' max q(s', ·)] of every candidate and action; the candidates are all states, in order."""
    best = settled(largest(all_values(parts, params, candidates)))
    # Pairs in one row: a compiled loop on a CPU takes several at a time, and along the few actions of a state one.
    probability, reward, discount, successor = all_answers(parts, params.model, candidates, num_actions)
    after = lookup(best, successor)
    return total(probability * (reward + discount * after)).reshape(-1, num_actions)


def all_answers(source: Model | Parts, model: PyTree, candidates: Candidates, num_actions: int) -> Successors:
    """[N·A, M] a model's outcomes of all pairs of a candidate and an action, in order."""
    observations = jnp.repeat(candidates.observation, num_actions, axis=0)
    actions = jnp.tile(jnp.arange(num_actions), candidates.observation.shape[0])
    each: Successors = jax.vmap(source.expect, (None, 0, 0))(model, observations, actions)
    return each


def all_expected_errors(parts: Parts, params: Params, candidates: Candidates, *, is_listed: bool = True) -> Array:
    """[N, A] E_m[δ] of every candidate and action.

    Args:
        is_listed: whether the candidates are all states, in order; otherwise every outcome's value is computed anew.
    """
    q = all_values(parts, params, candidates)
    if is_listed:
        return all_expected_targets(parts, params, candidates, q.shape[1]) - q
    every = exact_network.choices_of_all(parts, q)
    return exact_network.expected_targets(parts, params, candidates, every) - q


def all_value_changes(parts: Parts, params: Params, candidates: Candidates, num_actions: int) -> Array:
    """[N, A] E_m[max q(s') − max q(s)] of every candidate and action; the candidates are all states, in order.

    An outcome that ends the episode counts as no change.
    """
    best = settled(largest(all_values(parts, params, candidates)))
    # In one row, see ``all_expected_targets``.
    probability, _, discount, successor = all_answers(parts, params.model, candidates, num_actions)
    steps = settled(lookup(best, successor)) - jnp.repeat(best, num_actions)[:, None]
    return total(jnp.where(discount > 0, probability * steps, 0.0)).reshape(-1, num_actions)


def real_target(parts: Parts, params: Params, transition: Transition) -> Array:
    """[] r + γ' max q(s', ·) of a transition."""
    return transition.reward + transition.discount * parts.bootstrap(
        params.values, params.learner, transition.successor
    )
