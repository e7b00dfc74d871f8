"""What a run records, reduced inside the compiled loop.

Every step: reward, d, the meta-loss. Every ``measure_every`` steps, on the exact tables and
with the values and the d of that moment: the entropy of d, how wrong the model is where d looks, and
how redundant.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mgsc.dyna import Dyna, DynaState, Recorder, StepInfo
from mgsc.experiments.problem import Problem
from mgsc.meta_gradient import entropy
from mgsc.types import Array, Params, Successors

REDUNDANT = 0.01
"""An update is redundant below this share of max |R|."""

MEASURES = (
    "entropy",
    "weighted_error",
    "uniform_error",
    "redundant_mass",
    "uniform_redundant_mass",
    "weighted_update",
    "uniform_update",
)

Record = dict[str, Array]


def reward_recorder() -> Recorder:
    """Records the sum of rewards only, under the name ``reward``."""
    return Recorder(
        lambda: {"reward": jnp.zeros(())},
        lambda record, info: {"reward": record["reward"] + info.transition.reward},
        lambda record, state: record,
    )


def make_recorder(agent: Dyna, problem: Problem, num_steps: int, measure_every: int) -> Recorder:
    """The recorder of one chunk of ``num_steps``; its record holds means over the chunk, and the sum of rewards.

    Record entries: ``reward`` (sum); and where the agent plans ``query_distribution`` [S], ``meta_loss``
    (NaN where the strategy gives none), and the ``MEASURES``.
    """
    plans = agent.max_planning_updates > 0
    num_measures = num_steps // measure_every

    def init() -> Record:
        zero = jnp.zeros(())
        record = {"reward": zero}
        if plans:
            record |= {"query_distribution": jnp.zeros(len(problem.is_candidate)), "meta_loss": zero}
            record |= dict.fromkeys(MEASURES, zero)
        return record

    def step(record: Record, info: StepInfo) -> Record:
        after = dict(record, reward=record["reward"] + info.transition.reward)
        if info.weights is not None:
            after["query_distribution"] = record["query_distribution"] + info.weights / num_steps
            after["meta_loss"] = record["meta_loss"] + info.search.get("meta_loss", jnp.nan) / num_steps
        return after

    def measure(record: Record, state: DynaState) -> Record:
        if not plans:
            return record
        measured = measure_planning(agent, problem, state)
        return record | {name: record[name] + measured[name] / num_measures for name in MEASURES}

    return Recorder(init, step, measure)


def measure_planning(agent: Dyna, problem: Problem, state: DynaState) -> Record:
    """Where d looks, on the exact tables of the phase of the step just made: the ``MEASURES``, each a scalar.

    ``entropy`` is that of d (nats). ``weighted_error`` is Σ d·e (reward) with
    e(s) = Σ_a π(a|s) |E_m[r + γ' max q] − E_true[r + γ' max q]|. ``weighted_update`` is
    Σ d·Σ_a π |E_m δ| (reward). ``redundant_mass`` is the mass of d on states whose update is below the
    threshold and whose model is right. The uniform ones have d uniform.
    """
    params = Params(state.values, state.model)
    clock = state.environment.clock - 1
    phase = (clock // agent.environment_params.switch_every) % problem.tables.num_phases
    q = jax.vmap(agent.values.apply, (None, 0))(params.values, agent.candidates.observation)
    policy = jax.vmap(agent.policy.probabilities)(q)
    best = q.max(-1)
    believed = _expected_targets(_all_successors(agent, params), best)
    true = _expected_targets(_true_successors(agent, problem, phase), best)
    error = jnp.sum(policy * jnp.abs(believed - true), -1)
    update = jnp.sum(policy * jnp.abs(believed - q), -1)
    is_redundant = (update < REDUNDANT * problem.reward_scale) & ~jnp.asarray(problem.wrong)[phase]
    allowed = agent.candidates.is_allowed
    uniform = allowed / allowed.sum()
    weights = agent.search_control.weights(state.search, params, agent.candidates)
    joint = weights if weights.ndim == 1 else weights.sum(-1)
    return {
        "entropy": entropy(weights),
        "weighted_error": joint @ error,
        "uniform_error": uniform @ error,
        "redundant_mass": joint @ is_redundant,
        "uniform_redundant_mass": uniform @ is_redundant,
        "weighted_update": joint @ update,
        "uniform_update": uniform @ update,
    }


def _all_successors(agent: Dyna, params: Params) -> Successors:
    actions = jnp.arange(agent.environment.num_actions)
    one_state = jax.vmap(agent.model.expect, (None, None, 0))
    return jax.vmap(one_state, (None, 0, None))(params.model, agent.candidates.observation, actions)


def _true_successors(agent: Dyna, problem: Problem, phase: Array) -> Successors:
    tables = problem.tables
    return Successors(
        jnp.asarray(tables.probability)[phase],
        jnp.asarray(tables.reward)[phase],
        agent.discount * (1.0 - jnp.asarray(tables.terminates)[phase]),
        jnp.asarray(tables.successor)[phase],
    )


def _expected_targets(successors: Successors, best: Array) -> Array:
    """[S, A] expected r + γ' max q(s') of [S, A, M] successors; ``best`` [S] holds max q."""
    target = successors.reward + successors.discount * best[successors.observation]
    return jnp.sum(successors.probability * target, -1)
