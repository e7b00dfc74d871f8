"""Signals of each candidate of a step: uncertainty and error of the model, and the TD error.

They need no listed states: N candidates are enough.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.meta_gradient import exact_network
from mgsc.search_control.expected import all_expected_errors, all_values, expected_error, real_target
from mgsc.types import ActionChoice, Array, Candidates, Params, Parts, PyTree, Transition

FeatureFunction = Callable[[Parts, Params, Candidates], Array]

SMALLEST_SHARE = 1e-3
"""Added to every number, as a share of their mean, before its logarithm."""

SMALLEST = 1e-30
"""Added to divisors, which are 0 where all numbers are."""

SMALLEST_SPREAD = 1e-2
"""Added to the standard deviation that features are divided by: equal numbers, up to rounding, become 0."""


def experience_of(candidates: Candidates) -> Transition:
    """The candidates' own transitions [N].

    Raises:
        ValueError: their source stores none.
    """
    if candidates.experience is None:
        raise ValueError(
            "these candidates bring no stored transitions: they need another source, such as replay_buffer"
        )
    return candidates.experience


def age_of(candidates: Candidates) -> Array:
    """[N] int32 real steps since the candidates' own transitions.

    Raises:
        ValueError: their source stores none.
    """
    if candidates.age is None:
        raise ValueError("these candidates have no age: they need another source, such as replay_buffer")
    return candidates.age


def policy_of(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[N, A] probabilities of the behaviour policy in each candidate."""
    probabilities: Array = jax.vmap(parts.policy)(all_values(parts, params, candidates))
    return probabilities


def all_disagreements(parts: Parts, params: Params, candidates: Candidates, num_actions: int) -> Array:
    """[N, A] disagreement of the members of the ensemble.

    Raises:
        ValueError: the model is no ensemble.
    """
    between = _between_members(parts)
    observations = jnp.repeat(candidates.observation, num_actions, axis=0)
    actions = jnp.tile(jnp.arange(num_actions), candidates.observation.shape[0])
    found: Array = jax.vmap(between, (None, 0, 0))(params.model, observations, actions)
    return found.reshape(-1, num_actions)


def _between_members(parts: Parts) -> Callable[[PyTree, Array, Array], Array]:
    if parts.disagreement is None:
        raise ValueError("this model is no ensemble: its members cannot disagree")
    return parts.disagreement


def choice_errors(parts: Parts, params: Params, candidates: Candidates, choice: ActionChoice) -> Array:
    """[N, C] |E_m δ| of every candidate and action of ``choice``, which may be numbers."""
    q = exact_network.each_value(parts, params.values, candidates, choice)
    errors = jnp.abs(exact_network.expected_errors(parts, params, candidates, choice, q))
    return errors if parts.heads is None else jnp.mean(errors, -1)


def choice_disagreements(parts: Parts, params: Params, candidates: Candidates, choice: ActionChoice) -> Array:
    """[N, C] disagreement of the ensemble's members about every candidate and action of ``choice``.

    Raises:
        ValueError: the model is no ensemble.
    """
    of_state = jax.vmap(_between_members(parts), (None, None, 0))
    spread: Array = jax.vmap(of_state, (None, 0, 0))(params.model, candidates.observation, choice.action)
    return spread


def mean_variance(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[N] variance of the ensemble's members in the mean over the policy's actions, which may be numbers.

    Raises:
        ValueError: the model is no ensemble.
    """
    choice = exact_network.action_choices(parts, params.values, candidates)
    return jnp.sum(choice.probability * choice_disagreements(parts, params, candidates, choice) ** 2, -1)


def experience_errors(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[N] TD errors of the candidates' own transitions [reward]."""
    own = experience_of(candidates)
    goals = jax.vmap(lambda transition: real_target(parts, params, transition))(own)
    q: Array = jax.vmap(parts.q, (None, 0, 0))(params.values, own.observation, own.action)
    return goals - q


def model_misses(facts: Facts) -> FeatureFunction:
    """The error of the model about the candidates' own transitions.

    Returns:
        ``(parts, params, candidates) -> [N]``: the distance of the mean reward over ``reward_scale``, plus that of the
        mean successor over ``observation_scale``, averaged over its entries, plus that of the probability of the end.
        An exact model of random outcomes has such errors, too.
    """
    scale = 1.0 if facts.observation_scale is None else jnp.asarray(facts.observation_scale)

    def miss(parts: Parts, model: PyTree, seen: Transition) -> Array:
        said = parts.expect(model, seen.observation, seen.action)
        share = said.probability.reshape(-1, *[1] * seen.successor.ndim)
        successor = jnp.sum(share * said.observation, 0)
        # A mean answer, too, says by its discount how likely the end is.
        lasts = jnp.sum(said.probability * said.discount) / jnp.maximum(facts.discount, SMALLEST)
        reward = jnp.abs(jnp.sum(said.probability * said.reward) - seen.reward) / facts.reward_scale
        return reward + jnp.mean(jnp.abs(successor - seen.successor) / scale) + jnp.abs(lasts - (seen.discount > 0))

    def misses(parts: Parts, params: Params, candidates: Candidates) -> Array:
        own = experience_of(candidates)
        return jax.vmap(lambda transition: miss(parts, params.model, transition))(own)

    return misses


def candidate_features(facts: Facts, *, per_action: bool, has_stored: bool = False) -> FeatureFunction:
    """The features of learned logits: |E δ|, error of the model, age, and disagreement where the model is an ensemble.

    The first and the last are of each pair, of the candidate's own action where it has one, or means over the policy's
    actions; the others are of the state. Each becomes its logarithm, less the mean over the candidates, divided by the
    standard deviation over them. So features have no unit, and keep their size as values and model improve.

    A stored transition that d may choose in place of the model's answers has the size of its own TD error, and no
    disagreement, since no model answers. Both are compared with those of all answers.

    Args:
        facts: the scales of rewards and observations.
        per_action: whether d is over pairs.
        has_stored: whether d has one more column, of the candidates' own stored transitions; for discrete actions.

    Returns:
        ``(parts, params, candidates) -> [N, F]``; with columns for pairs [N, A, F], with one more for stored
        transitions [N, A + 1, F], or [N, 2, F] where d is not over pairs.
    """
    misses = model_misses(facts)

    def features(parts: Parts, params: Params, candidates: Candidates) -> Array:
        of_states = [misses(parts, params, candidates), 1.0 + age_of(candidates)]
        if facts.numbers is not None:
            of_pairs = _of_choices(parts, params, candidates, facts.num_choices, per_action=per_action)
        else:
            of_pairs = _of_pairs(parts, params, candidates, facts.num_actions)
        if not per_action and facts.numbers is None and candidates.action is None:
            policy = policy_of(parts, params, candidates)
            of_pairs = [jnp.sum(policy * numbers, 1) for numbers in of_pairs]
        if has_stored:
            of_pairs = _with_stored(parts, params, candidates, of_pairs)
        if per_action or has_stored:
            of_states = [jnp.repeat(numbers[:, None], of_pairs[0].shape[1], 1) for numbers in of_states]
        return jnp.stack([compared(numbers) for numbers in (*of_pairs, *of_states)], -1)

    return features


def _with_stored(parts: Parts, params: Params, candidates: Candidates, of_answers: list[Array]) -> list[Array]:
    """The size of E δ, and perhaps disagreement, [N] or [N, A], with a column more: that of stored transitions."""
    own = jnp.abs(experience_errors(parts, params, candidates))
    columns = [own, *[jnp.zeros_like(own)] * (len(of_answers) - 1)]
    return [
        jnp.concatenate([numbers.reshape(len(own), -1), column[:, None]], 1)
        for numbers, column in zip(of_answers, columns, strict=True)
    ]


def check_num_choices(found: int, wanted: int) -> None:
    """Checks that a policy compares as many actions of a state as a d over pairs is over.

    Raises:
        UserError: it does not.
    """
    if found != wanted:
        raise UserError(f"d over pairs is over {wanted} actions of a state, and actions of the policy gives {found}")


def _of_choices(
    parts: Parts, params: Params, candidates: Candidates, num_choices: int, *, per_action: bool
) -> list[Array]:
    """The same of actions that are numbers: [N, C] of each, or [N] of their distribution."""
    choice = exact_network.action_choices(parts, params.values, candidates)
    errors = choice_errors(parts, params, candidates, choice)
    if per_action:
        check_num_choices(errors.shape[1], num_choices)
    found = [errors if per_action else jnp.sum(choice.probability * errors, -1)]
    if parts.disagreement is not None:
        spread = choice_disagreements(parts, params, candidates, choice)
        found.append(spread if per_action else jnp.sqrt(jnp.sum(choice.probability * spread**2, -1)))
    return found


def _of_pairs(parts: Parts, params: Params, candidates: Candidates, num_actions: int) -> list[Array]:
    """The size of E δ, and perhaps disagreement: [N, A], or [N] of candidates that bring an action along."""
    if candidates.action is None:
        found = [jnp.abs(all_expected_errors(parts, params, candidates, is_listed=False))]
        if parts.disagreement is not None:
            found.append(all_disagreements(parts, params, candidates, num_actions))
        return found
    own = candidates.observation, candidates.action
    errors = jax.vmap(lambda observation, action: expected_error(parts, params, observation, action))(*own)
    found = [jnp.abs(errors)]
    if parts.disagreement is not None:
        found.append(jax.vmap(parts.disagreement, (None, 0, 0))(params.model, *own))
    return found


def logits_of_smallest(numbers: Array, share: Array | float) -> Array:
    """[N] 0 for the ``share`` of the candidates with the smallest numbers, at least one, and −inf for the others.

    Equals share a rank.
    """
    smaller = jnp.sum(numbers[None, :] < numbers[:, None], 1)
    return jnp.where(smaller < jnp.maximum(1.0, share * len(numbers)), 0.0, -jnp.inf)


def compared(numbers: Array) -> Array:
    """Logarithms of numbers ≥ 0, shifted and scaled to mean 0 and a variance of about 1."""
    logarithm = jnp.log(numbers / (jnp.mean(numbers) + SMALLEST) + SMALLEST_SHARE)
    centred = logarithm - jnp.mean(logarithm)
    return centred / (jnp.std(logarithm) + SMALLEST_SPREAD)
