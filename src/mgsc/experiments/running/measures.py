"""What is measured at a moment of a run: where d looks, how wrong and how redundant that is, what it brings.

On the exact tables of the phase of the step just made, with the values, the model and the d of that
moment. All sums over states and actions are exact expectations; nothing is sampled.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.agent import parts_of
from mgsc.dyna import Dyna, DynaState
from mgsc.indexing import lookup, settled
from mgsc.meta_gradient import entropy
from mgsc.problem import Problem
from mgsc.search_control.expected import all_answers
from mgsc.types import Array, Candidates, Successors

REDUNDANT = 0.01
"""An update is redundant below this share of max |R|."""

WRONG = 0.05
"""A learned model is wrong in a state whose error is above this share of max |R|."""

Record = dict[str, Array]


class Moment(NamedTuple):
    """The agent's view of all states, beside the truth.

    Attributes:
        phase: [] int32 of the step just made.
        q: [S, A].
        best: [S] max q.
        policy: [S, A].
        believed: [S, A, M] the model's answers.
        believed_target: [S, A] E_m[r + γ' max q].
        true_target: [S, A] E_true[r + γ' max q].
        error: [S] e(s) = Σ_a π(a|s) |E_m[r + γ' max q] − E_true[r + γ' max q]|.
        update: [S] Σ_a π(a|s) |E_m δ(s, a)|.
    """

    phase: Array
    q: Array
    best: Array
    policy: Array
    believed: Successors
    believed_target: Array
    true_target: Array
    error: Array
    update: Array


def look(agent: Dyna, problem: Problem, state: DynaState) -> Moment:
    """Asks the agent and the tables about every state."""
    params, candidates = state.params, all_states(problem)
    clock = state.environment.clock - 1
    phase = (clock // problem.environment_params.switch_every) % problem.known.tables.num_phases
    parts = parts_of(agent.values, agent.policy, agent.model)
    q = jax.vmap(parts.action_values, (None, 0))(params.values, candidates.observation)
    policy = settled(jax.vmap(parts.policy)(q))
    best = settled(q.max(-1))
    answers = all_answers(agent.model, params.model, candidates, agent.environment.num_actions)
    believed = Successors(*(column.reshape(*q.shape, -1) for column in answers))
    truth = _truth(agent, problem, phase)
    believed_target, true_target = (
        settled(_expected(successors, _targets(successors, best))) for successors in (believed, truth)
    )
    error = _mean_distance(policy, believed_target, true_target)
    update = _mean_distance(policy, believed_target, q)
    return Moment(phase, q, best, policy, believed, believed_target, true_target, error, update)


def all_states(problem: Problem) -> Candidates:
    """All S states, the terminal ones not allowed, whatever the candidates are."""
    index = jnp.arange(len(problem.known.is_candidate), dtype=jnp.int32)
    return Candidates(index, index, jnp.asarray(problem.known.is_candidate))


def measure_values(problem: Problem, moment: Moment) -> tuple[Record, Record, Record]:
    """What every agent has: ``ALWAYS``, the ``STATE_MEASURES``, and the ``SNAPSHOTS``."""
    far = jnp.abs(moment.q - jnp.asarray(problem.known.optimal)[moment.phase]).mean(-1)
    candidates = jnp.asarray(problem.known.is_candidate)
    is_flat = moment.best == moment.q.min(-1)
    greedy = jnp.where(is_flat, -1.0, jnp.argmax(moment.q, -1).astype(far.dtype))
    return (
        {"value_error": jnp.sum(far * candidates) / candidates.sum()},
        {"model_error": moment.error, "state_value_error": far},
        {"state_value": moment.best, "greedy_action": greedy},
    )


def measure_planning(agent: Dyna, problem: Problem, state: DynaState, moment: Moment) -> Record:
    """Where d looks and what it brings: the ``MEASURES``, each a scalar."""
    candidates = problem.listed
    weights = agent.search_control.weights(state.search, state.params, candidates)
    d = weights if weights.ndim == 1 else weights.sum(-1)
    uniform = candidates.is_allowed / candidates.is_allowed.sum()
    if problem.known.model_tables is None:
        wrong = moment.error > WRONG * problem.facts.reward_scale
    else:
        wrong = jnp.asarray(problem.known.wrong)[moment.phase]
    is_redundant = (moment.update < REDUNDANT * problem.facts.reward_scale) & ~wrong
    pairs = weights if weights.ndim == 2 else d[:, None] * moment.policy
    return {
        "entropy": entropy(weights),
        "wrong_mass": d @ wrong,
        "uniform_wrong_mass": uniform @ wrong,
        "weighted_error": d @ moment.error,
        "uniform_error": uniform @ moment.error,
        "redundant_mass": d @ is_redundant,
        "uniform_redundant_mass": uniform @ is_redundant,
        "weighted_update": d @ moment.update,
        "uniform_update": uniform @ moment.update,
        "useful_share": useful_share(agent, problem, moment, pairs),
        "alignment": alignment(moment, pairs),
        "overshoot": agent.step_size * agent.planning_updates * pairs.max(),
    }


def useful_share(agent: Dyna, problem: Problem, moment: Moment, pairs: Array) -> Array:
    """Of planning updates at ``pairs`` [S, A] that change anything, the share that comes closer to q*.

    Each outcome the model may answer with counts with its probability; NaN where nothing would change.
    """
    target = _targets(moment.believed, moment.best)
    optimal = jnp.asarray(problem.known.optimal)[moment.phase][..., None]
    q = moment.q[..., None]
    updated = q + agent.step_size * (target - q)
    chance = pairs[..., None] * moment.believed.probability
    changes = jnp.sum(chance * (updated != q))
    closer = jnp.sum(chance * (jnp.abs(updated - optimal) < jnp.abs(q - optimal)))
    return jnp.where(changes > 0, closer / jnp.where(changes > 0, changes, 1.0), jnp.nan)


def alignment(moment: Moment, pairs: Array) -> Array:
    """Cosine of Σ d π E_m[Δ] with the same under the true dynamics; NaN where either is nil."""
    planned = pairs * (moment.believed_target - moment.q)
    real = pairs * (moment.true_target - moment.q)
    norms = jnp.sqrt(jnp.sum(planned**2) * jnp.sum(real**2))
    return jnp.where(norms > 0, jnp.sum(planned * real) / jnp.where(norms > 0, norms, 1.0), jnp.nan)


def _truth(agent: Dyna, problem: Problem, phase: Array) -> Successors:
    tables = problem.known.tables
    return Successors(
        lookup(jnp.asarray(tables.probability), phase),
        lookup(jnp.asarray(tables.reward), phase),
        agent.discount * (1.0 - lookup(jnp.asarray(tables.terminates, jnp.float32), phase)),
        lookup(jnp.asarray(tables.successor), phase),
    )


def _mean_distance(policy: Array, one: Array, other: Array) -> Array:
    """[S] Σ_a π(a|s) |one − other|, all [S, A]."""
    return settled(jnp.sum(policy * jnp.abs(one - other), -1))


def _targets(successors: Successors, best: Array) -> Array:
    """[S, A, M] r + γ' max q(s'); ``best`` [S] holds max q."""
    return successors.reward + successors.discount * lookup(best, successors.observation)


def _expected(successors: Successors, values: Array) -> Array:
    return jnp.sum(successors.probability * values, -1)
