"""The measures of problems with tables: the states under d, their errors and redundancy, and the use of updates.

They are taken on the exact tables of the phase of the step just made, with the values, the model and the d after
that step. All sums over states and actions are exact expectations; nothing is sampled. An agent's loop keeps what
depends on its parts (``see``); one program works out the rest for all agents of a suite (``running.measuring``).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.agent import Dyna, DynaState, parts_of
from mgsc.environments.phases import phase_at
from mgsc.indexing import lookup, settled
from mgsc.meta_gradient import entropy
from mgsc.policies import Policy
from mgsc.problem import Problem
from mgsc.reductions import largest, total
from mgsc.search_control.expected import all_answers
from mgsc.types import Array, Candidates, Successors, to_device

REDUNDANT = 0.01
"""An update is redundant below this share of max |R|."""

WRONG = 0.05
"""A learned model is wrong in a state whose error is above this share of max |R|."""

Record = dict[str, Array]


class Known(NamedTuple):
    """The exact facts of a problem, as arguments of the program that measures.

    Attributes:
        truth: [P, S, A, M] all outcomes in each phase.
        optimal: [P, S, A] q* of each phase.
        wrong: [P, S] where a fixed model is wrong.
        is_candidate: [S] which states are not terminal.
        uniform: [S] a uniform d over the allowed states.
        switch_every: [] int32 environment steps of a phase.
    """

    truth: Successors
    optimal: Array
    wrong: Array
    is_candidate: Array
    uniform: Array
    switch_every: Array


def known_of(problem: Problem) -> Known:
    """The exact facts of a problem with tables."""
    known, tables = problem.known, problem.known.tables
    discount = to_device(np.float32(problem.facts.discount) * ~tables.terminates)
    truth = (to_device(tables.probability), to_device(tables.reward), discount, to_device(tables.successor))
    listed = problem.candidates.listed
    is_allowed = np.asarray(known.is_candidate if listed is None else listed.is_allowed, np.float32)
    return Known(
        truth=Successors(*truth),
        optimal=to_device(known.optimal),
        wrong=to_device(known.wrong),
        is_candidate=to_device(known.is_candidate),
        uniform=to_device(is_allowed / is_allowed.sum()),
        switch_every=jnp.asarray(problem.environment_params.switch_every),
    )


class Seen(NamedTuple):
    """What a loop keeps of its agent at one measurement.

    Attributes:
        clock: [] int32 environment steps made.
        q: [S, A].
        model_target: [S, A] E_m[r + γ' max q].
        weights: [S] or [S, A] d; None where there is none, or none of listed states.
        useful_share: [] see ``useful_share``; None where ``weights`` is.
    """

    clock: Array
    q: Array
    model_target: Array
    weights: Array | None
    useful_share: Array | None


class Measurement(NamedTuple):
    """The agent's values and targets at one measurement, beside the true ones.

    Attributes:
        phase: [] int32 of the step just made.
        q: [S, A].
        best: [S] max q.
        policy: [S, A].
        model_target: [S, A] E_m[r + γ' max q].
        true_target: [S, A] E_true[r + γ' max q].
        error: [S] e(s) = Σ_a π(a|s) |E_m[r + γ' max q] − E_true[r + γ' max q]|.
        update: [S] Σ_a π(a|s) |E_m δ(s, a)|.
    """

    phase: Array
    q: Array
    best: Array
    policy: Array
    model_target: Array
    true_target: Array
    error: Array
    update: Array


def see(agent: Dyna, problem: Problem, state: DynaState, weights: Array | None) -> Seen:
    """The values and targets of all states and the useful share of updates; compiled into the agent's loop."""
    candidates, clock = all_states(problem), state.environment.clock
    parts = parts_of(agent.values, agent.policy, agent.model)
    q = jax.vmap(parts.action_values, (None, 0))(state.values, candidates.observation)
    best = settled(largest(q))
    answers = all_answers(parts, state.model, candidates, agent.environment.num_actions)
    outcomes = Successors(*(column.reshape(*q.shape, -1) for column in answers))
    targets = _targets(outcomes, best)
    share = None
    if weights is not None:
        phase = _phase(clock, problem.environment_params.switch_every, problem.known.tables.num_phases)
        optimal = jnp.asarray(problem.known.optimal)[phase]
        pairs = _pairs(weights, jax.vmap(parts.policy)(q))
        share = useful_share(q, targets, optimal, pairs[..., None] * outcomes.probability, agent.step_size)
    return Seen(clock, q, settled(_expected(outcomes, targets)), weights, share)


def measure_states(known: Known, policy: Policy, seen: Seen) -> Measurement:
    """The measurement of what a loop has kept, with the exact tables.

    Raises:
        ValueError: the policy has no probabilities of actions.
    """
    phase, q = _phase(seen.clock, known.switch_every, len(known.optimal)), seen.q
    if policy.probabilities is None:
        raise ValueError("exact tables have discrete actions: the policy must have probabilities")
    chosen = settled(jax.vmap(policy.probabilities)(q))
    best = settled(largest(q))
    truth = Successors(*(lookup(column, phase) for column in known.truth))
    true_target = settled(_expected(truth, _targets(truth, best)))
    error = _mean_distance(chosen, seen.model_target, true_target)
    update = _mean_distance(chosen, seen.model_target, q)
    return Measurement(phase, q, best, chosen, seen.model_target, true_target, error, update)


def all_states(problem: Problem) -> Candidates:
    """All S states as candidates, the terminal ones not allowed."""
    index = jnp.arange(len(problem.known.is_candidate), dtype=jnp.int32)
    return Candidates(index, index, jnp.asarray(problem.known.is_candidate))


def measure_values(known: Known, measurement: Measurement) -> tuple[Record, Record, Record]:
    """The measures of every agent: ``ALWAYS``, ``STATE_MEASURES`` and ``SNAPSHOTS``."""
    far = total(jnp.abs(measurement.q - known.optimal[measurement.phase])) / measurement.q.shape[-1]
    is_flat = measurement.best == measurement.q.min(-1)
    greedy = jnp.where(is_flat, -1.0, jnp.argmax(measurement.q, -1).astype(far.dtype))
    return (
        {"value_error": jnp.sum(far * known.is_candidate) / known.is_candidate.sum()},
        {"model_error": measurement.error, "state_value_error": far},
        {"state_value": measurement.best, "greedy_action": greedy},
    )


def measure_planning(
    known: Known, weights: Array, rate: Array, measurement: Measurement, *, reward_scale: float, learns: bool
) -> Record:
    """The ``MEASURES`` of d but ``useful_share``, each a scalar.

    Args:
        known: the exact tables.
        weights: [S] or [S, A] d.
        rate: [] α K.
        measurement: of the agent.
        reward_scale: max |R|, of which ``WRONG`` and ``REDUNDANT`` are shares.
        learns: whether the model learns; where a fixed one is wrong follows from its tables.
    """
    d = weights if weights.ndim == 1 else weights.sum(-1)
    uniform = known.uniform
    wrong = measurement.error > WRONG * reward_scale if learns else known.wrong[measurement.phase]
    is_redundant = (measurement.update < REDUNDANT * reward_scale) & ~wrong
    pairs = _pairs(weights, measurement.policy)
    return {
        "entropy": entropy(weights),
        "wrong_mass": d @ wrong,
        "uniform_wrong_mass": uniform @ wrong,
        "weighted_error": d @ measurement.error,
        "uniform_error": uniform @ measurement.error,
        "redundant_mass": d @ is_redundant,
        "uniform_redundant_mass": uniform @ is_redundant,
        "weighted_update": d @ measurement.update,
        "uniform_update": uniform @ measurement.update,
        "alignment": alignment(measurement, pairs),
        "overshoot": rate * pairs.max(),
    }


def useful_share(q: Array, targets: Array, optimal: Array, chance: Array, step_size: Array | float) -> Array:
    """[] the share of planning updates that come closer to q*, of those that change a value; NaN if none does.

    Args:
        q, optimal: [S, A].
        targets: [S, A, M] r + γ' max q of each outcome in the model.
        chance: [S, A, M] its probability in planning.
        step_size: α.
    """
    old, optimal = q[..., None], optimal[..., None]
    updated = old + step_size * (targets - old)
    changes = jnp.sum(total(total(chance * (updated != old))))
    closer = jnp.sum(total(total(chance * (jnp.abs(updated - optimal) < jnp.abs(old - optimal)))))
    return jnp.where(changes > 0, closer / jnp.where(changes > 0, changes, 1.0), jnp.nan)


def alignment(measurement: Measurement, pairs: Array) -> Array:
    """[] cosine of Σ d π E_m[Δ] with the same under the true dynamics; NaN where either is 0."""
    planned = pairs * (measurement.model_target - measurement.q)
    real = pairs * (measurement.true_target - measurement.q)
    norms = jnp.sqrt(jnp.sum(total(planned**2)) * jnp.sum(total(real**2)))
    return jnp.where(norms > 0, jnp.sum(total(planned * real)) / jnp.where(norms > 0, norms, 1.0), jnp.nan)


def _phase(clock: Array, switch_every: Array, num_phases: int) -> Array:
    """[] of the step just made."""
    if num_phases == 1:  # XLA aborts where a kernel has an argument that turns out to be needless
        return jnp.zeros((), jnp.int32)
    return phase_at(clock - 1, switch_every, num_phases)


def _pairs(weights: Array, policy: Array) -> Array:
    """[S, A] share of the queries at each pair."""
    return weights if weights.ndim == 2 else weights[:, None] * policy


def _mean_distance(policy: Array, one: Array, other: Array) -> Array:
    """[S] Σ_a π(a|s) |one − other|, all [S, A]."""
    return settled(total(policy * jnp.abs(one - other)))


def _targets(successors: Successors, best: Array) -> Array:
    """[S, A, M] r + γ' max q(s'); ``best`` [S] holds max q."""
    return successors.reward + successors.discount * lookup(best, successors.observation)


def _expected(successors: Successors, values: Array) -> Array:
    return total(successors.probability * values)
