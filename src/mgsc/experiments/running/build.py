"""The problem of a suite and its agents, built from their settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.agent import parts_of
from mgsc.dyna import Dyna, assemble
from mgsc.environments import tabular
from mgsc.environments.episodes import with_episodes
from mgsc.environments.row import Simulator
from mgsc.environments.tables import check_can_end
from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.own import OwnPart
from mgsc.experiments.design.parts import CANDIDATES, MODELS, POLICIES, VALUES, build_source, row_for
from mgsc.experiments.design.suites import Suite, row_of, updates_of
from mgsc.experiments.running.truth import truth_of
from mgsc.facts import Facts
from mgsc.models.simulated import SIMULATED_ROW
from mgsc.problem import Problem, StrategyFacts
from mgsc.search_control.candidate_signals import model_misses
from mgsc.types import Array, like, to_device
from mgsc.values import ValueFunction


def build_problem(suite: Suite) -> Problem:
    """Builds the problem that all agents of a suite share.

    Raises:
        UserError: the environment is impossible, its goals cannot be reached within the step limit, or a part needs
            tables that it does not have.
    """
    source = build_source(suite.environment)
    simulator = source if isinstance(source, Simulator) else _simulator(suite, source)
    facts = Facts(
        observation=like(simulator.observation.shape, jax.dtypes.canonicalize_dtype(simulator.observation.dtype)),
        num_actions=simulator.environment.num_actions,
        discount=suite.discount,
        reward_scale=simulator.reward_scale,
        switch_every=suite.environment.switch_every,
        tables=None if isinstance(source, Simulator) else source.tables,
        observation_scale=simulator.observation_scale,
        outcomes=simulator.outcomes,
        num_phases=simulator.num_phases,
        numbers=simulator.action,
    )
    tables: dict[str, Mapping[str, Any]] = {"model": MODELS, "values": VALUES, "candidates": CANDIDATES}
    for key, table in tables.items():
        row, _ = row_for(getattr(suite, key), table)
        if row.needs_tables and facts.tables is None:
            raise UserError(
                f"{key} {row.name} needs an environment with tables, which this one has not: "
                f"allowed are {_usable(key, table, facts)}"
            )
    _check_actions(suite, facts)
    model_row, model_settings = row_for(suite.model, MODELS)
    built = model_row.build(model_settings, facts)
    candidates_row, candidates_settings = row_for(suite.candidates, CANDIDATES)
    policy_row, policy_settings = row_for(suite.policy, POLICIES)
    environment = simulator.environment
    return Problem(
        facts=facts,
        environment=with_episodes(environment) if suite.records_episodes else environment,
        environment_params=simulator.params,
        policy=policy_row.build(policy_settings, suite.epsilon),
        model=built.model,
        learns=built.model.update is not None,
        candidates=candidates_row.build(candidates_settings, facts),
        truth=None if isinstance(source, Simulator) else truth_of(source, built, suite.discount),
    )


def _check_actions(suite: Suite, facts: Facts) -> None:
    """Refuses values of numbered actions where actions are numbers, and the other way around."""
    if isinstance(suite.values, OwnPart):
        return
    row, _ = row_for(suite.values, VALUES)
    has_numbers = facts.numbers is not None
    if row.takes_numbers != has_numbers:
        raise UserError(
            f"values {row.name} are of {_kind(row.takes_numbers)}, and this environment has {_kind(has_numbers)}: "
            f"allowed are {_usable('values', VALUES, facts)}"
        )


def _usable(key: str, table: Mapping[str, Any], facts: Facts) -> str:
    """The parts of a kind that fit an environment, in words."""
    rows = [row for row in table.values() if facts.tables is not None or not row.needs_tables]
    if key == "values":
        rows = [row for row in rows if row.takes_numbers == (facts.numbers is not None)]
    if facts.outcomes is None:
        rows = [row for row in rows if row.name != SIMULATED_ROW.name]
    return f"{', '.join(row.name for row in rows)}, and own_{key}"


def _kind(has_numbers: bool) -> str:
    return "actions that are numbers" if has_numbers else "numbered actions"


def _simulator(suite: Suite, source: Any) -> Simulator:
    """The environment of tables, which switches phases and cuts episodes as the suite says."""
    limit = suite.environment.step_limit
    check_can_end(source.tables, limit)
    environment, params = tabular(
        source.tables, switch_every=suite.environment.switch_every, step_limit=limit or NO_LIMIT
    )
    return Simulator(environment, params, like((), jnp.int32), source.tables.largest_reward)


def build_values(suite: Suite, agent: AgentSettings, problem: Problem) -> ValueFunction:
    """The value function of an agent."""
    row, settings = row_for(suite.values, VALUES)
    return row.build(settings, problem.facts, agent.initial_value)


def expected_backups(suite: Suite, agent: AgentSettings, problem: Problem) -> int:
    """Expected backups of an agent per real step."""
    step_size, updates = to_device(np.float32(agent.step_size)), updates_of(suite, agent)
    facts = StrategyFacts(problem, step_size, updates, build_values(suite, agent, problem).is_table)
    return row_of(agent).expected_backups(agent.options, facts)


def build_agent(suite: Suite, agent: AgentSettings, problem: Problem) -> Dyna:
    """An agent of a suite; the traced settings may be tracers, K too: then the loop is the budget long.

    Raises:
        UserError: its strategy has a need that the problem lacks.
    """
    row = row_of(agent)
    values = build_values(suite, agent, problem)
    _check_needs(agent, problem, values)
    planning_updates: Array | int = agent.planning_updates
    if isinstance(planning_updates, int):
        most = planning_updates = updates_of(suite, agent)
    else:
        most = suite.planning_updates + agent.extra_updates if row.plans else 0
        planning_updates = jnp.where(planning_updates == 0, most, planning_updates)
    facts = StrategyFacts(problem, jnp.asarray(agent.step_size), planning_updates, values.is_table, most)
    built = assemble(
        environment=problem.environment,
        environment_params=problem.environment_params,
        values=values,
        policy=problem.policy,
        model=problem.model,
        strategy=row.build(agent.options, facts),
        candidates=problem.candidates,
        step_size=agent.step_size,
        discount=suite.discount,
        planning_updates=planning_updates,
        max_planning_updates=most,
        learns_model_first=row.learns_model_first(agent.options),
        batch_size=suite.batch_size,
        rollout_length=suite.rollout_length,
        warm_up_steps=suite.warm_up_steps,
    )
    built = _with_rollouts(suite, agent, built, problem)
    counts = built.search_control.after_backup is not None and problem.candidates.listed is not None
    if counts and suite.rollout_length > 1:
        raise UserError(
            f"strategy {agent.own.name if agent.own else agent.strategy} counts queries of listed states, which"
            " imagined rollouts leave: set rollout_length to 1, or choose another agent"
        )
    return built


def _with_rollouts(suite: Suite, agent: AgentSettings, built: Dyna, problem: Problem) -> Dyna:
    """The agent with the suite's branched rollouts, unless it brings real transitions or makes no updates.

    Raises:
        UserError: its strategy keeps account of each query, or no real transitions are stored for its minibatches.
    """
    row, control = row_of(agent), built.search_control
    name = agent.own.name if agent.own else agent.strategy
    if problem.facts.numbers is not None and not row.queries_model:
        built = built._replace(model=built.model._replace(update=None))
    if not suite.rollouts.starts or not row.queries_model or not row.plans:
        return built
    if control.propose is not None or control.after_backup is not None:
        raise UserError(
            f"strategy {name} chooses or counts each query by itself, and rollouts begin before: set rollouts.starts "
            "to 0, or choose another agent"
        )
    if suite.rollouts.real_share > 0 and problem.candidates.stored is None:
        raise UserError(
            "rollouts.real_share is above 0 and these candidates store no real transitions: set it to 0, or take "
            "candidates from replay_buffer"
        )
    built = built._replace(rollouts=suite.rollouts)
    if problem.candidates.num_slots is None:
        return built
    parts, misses = parts_of(built.values, built.policy, built.model), model_misses(problem.facts)
    return built._replace(model_miss=lambda params, candidates: misses(parts, params, candidates))


def _check_needs(agent: AgentSettings, problem: Problem, values: ValueFunction) -> None:
    row = row_of(agent)
    has = {
        "listed states": problem.candidates.listed is not None,
        "tables": problem.truth is not None,
        "discrete actions": values.action_values is not None,
        "a table of values": values.is_table,
        "stored transitions": problem.candidates.num_slots is not None,
        "an ensemble": problem.model.disagreement is not None,
    }
    missing = [need for need in row.needs(agent.options) if not has[need]]
    if missing:
        remedy = row.remedy(agent.options, missing)
        raise UserError(
            f"strategy {agent.own.name if agent.own else agent.strategy} needs {' and '.join(missing)}, "
            f"which this suite has not: choose another agent{', or ' * bool(remedy)}{remedy}"
        )


def replace_numbers(agent: AgentSettings, numbers: dict[str, object]) -> AgentSettings:
    """The agent with some traced settings replaced; its options' names have no prefix."""
    own = {field.name for field in dataclasses.fields(agent.options)}
    options = dataclasses.replace(agent.options, **{k: v for k, v in numbers.items() if k in own})
    rest = {k: v for k, v in numbers.items() if k not in own}
    return dataclasses.replace(agent, options=options, **rest)  # type: ignore[arg-type]
