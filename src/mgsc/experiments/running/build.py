"""The tables and the environment of a suite, and its agents, built from their settings."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from mgsc import models, values
from mgsc.dyna import Dyna, assemble
from mgsc.environments import Tables, tabular
from mgsc.environments.tables import steps_to_goal
from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.environments import build_maze
from mgsc.experiments.design.models import FixedModel, believed_tables, learned_model
from mgsc.experiments.design.problem import Problem, wrong_states
from mgsc.experiments.design.suites import Suite, row_of, updates_of
from mgsc.experiments.running.optimal import optimal_values
from mgsc.policies import epsilon_greedy
from mgsc.types import Array


def build_problem(suite: Suite) -> Problem:
    """Builds the tables and the environment of a suite.

    Raises:
        UserError: the maze is impossible, or its goals cannot be reached within the step limit.
    """
    maze = build_maze(suite.environment)
    tables = maze.tables
    limit = suite.environment.step_limit
    goes_on_for_ever = not (tables.terminates & (tables.probability > 0)).any()
    if not goes_on_for_ever and 0 < limit < (nearest := steps_to_goal(tables)):
        raise UserError(f"environment.step_limit is {limit}, but the nearest goal is {nearest} steps from the start")
    environment, params = tabular(
        tables,
        switch_every=suite.environment.switch_every,
        step_limit=suite.environment.step_limit or NO_LIMIT,
    )
    wrong = np.zeros((tables.num_phases, len(tables.start)), bool)
    believed = None
    if isinstance(suite.model, FixedModel):
        believed = believed_tables(suite.model, tables)
        model, wrong = models.fixed(believed, suite.discount), wrong_states(tables, believed)
        links: Tables | None = believed
    else:
        model = learned_model(suite.model, tables, suite.discount)
        links = None if suite.model.untried == "uniform" else tables
    return Problem(
        maze,
        environment,
        params,
        tables,
        model,
        believed,
        links,
        wrong,
        optimal_values(tables, suite.discount),
        tables.largest_reward,
        suite.environment.switch_every,
    )


def build_agent(suite: Suite, agent: AgentSettings, problem: Problem) -> Dyna:
    """An agent of a suite; the traced settings may be tracers, K too: then the loop is the budget long."""
    row = row_of(agent)
    num_states, num_actions = problem.tables.probability.shape[1:3]
    planning_updates: Array | int = agent.planning_updates
    if isinstance(planning_updates, int):
        most = planning_updates = updates_of(suite, agent)
    else:
        most = suite.planning_updates + agent.extra_updates if row.plans else 0
        planning_updates = jnp.where(planning_updates == 0, most, planning_updates)
    strategy = row.build(agent.options, jnp.asarray(agent.step_size), planning_updates, problem)
    return assemble(
        problem.environment,
        problem.environment_params,
        values.table(num_states, num_actions, agent.initial_value),
        epsilon_greedy(suite.epsilon),
        problem.model,
        strategy,
        problem.candidates,
        step_size=agent.step_size,
        discount=suite.discount,
        planning_updates=planning_updates,
        max_planning_updates=most,
        learns_model_first=getattr(agent.options, "order", "meta_first") == "model_first",
    )


def replace_numbers(agent: AgentSettings, numbers: dict[str, object]) -> AgentSettings:
    """The agent with some traced settings replaced; its options' names have no prefix."""
    own = {field.name for field in dataclasses.fields(agent.options)}
    options = dataclasses.replace(agent.options, **{k: v for k, v in numbers.items() if k in own})
    rest = {k: v for k, v in numbers.items() if k not in own}
    return dataclasses.replace(agent, options=options, **rest)  # type: ignore[arg-type]
