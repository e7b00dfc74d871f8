"""A suite's environment, model and candidates, and the agents built on them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc import models, values
from mgsc.dyna import Dyna, assemble
from mgsc.environments import Environment, Maze, Tables, TabularParams, World, tabular
from mgsc.environments.tables import steps_to_goal
from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError
from mgsc.experiments.design.environments import build_maze
from mgsc.experiments.design.models import FixedModel, believed_tables, learned_model
from mgsc.experiments.design.suites import row_of, updates_of
from mgsc.experiments.running.optimal import optimal_values
from mgsc.models import Model
from mgsc.policies import epsilon_greedy
from mgsc.search_control.predecessors import incoming_pairs
from mgsc.types import Array, Candidates

if TYPE_CHECKING:
    from scipy import sparse

    from mgsc.experiments.design.agents import AgentSettings
    from mgsc.experiments.design.suites import Suite


class Problem(NamedTuple):
    """What all agents of a suite share.

    Attributes:
        tables: the true transitions [P, S, A, M].
        model: what planning asks.
        model_tables: what a fixed model believes [S, A, M]; None where the model learns.
        links: what the model may ever say of where pairs lead; None where that is anywhere.
        wrong: [P, S] bool, states of which a fixed model is wrong in some action, in each phase.
        optimal: [P, S, A] the optimal action values of each phase, were it to last.
        reward_scale: max |R|.
        switch_every: environment steps each phase lasts.
    """

    maze: Maze | World
    environment: Environment
    environment_params: TabularParams
    tables: Tables
    model: Model
    model_tables: Tables | None
    links: Tables | None
    wrong: NDArray[np.bool_]
    optimal: NDArray[np.float32]
    reward_scale: float
    switch_every: int

    @property
    def learns(self) -> bool:
        """Whether the model learns."""
        return self.model_tables is None

    @property
    def predecessors(self) -> Array | None:
        """[S, I] among which are all pairs that the model may ever say lead to each state; None where any may.

        For a model that learns, the pairs that really can: who asks such a pair finds what the model has met of it.
        """
        return None if self.links is None else jnp.asarray(incoming_pairs(self.links))

    @property
    def is_candidate(self) -> NDArray[np.bool_]:
        """[S] bool: the non-terminal states."""
        return ~self.tables.is_terminal

    @property
    def candidates(self) -> Candidates:
        """All S states, the terminal ones not allowed."""
        index = jnp.arange(len(self.is_candidate), dtype=jnp.int32)
        return Candidates(index, index, jnp.asarray(self.is_candidate))


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


def wrong_states(tables: Tables, believed: Tables) -> NDArray[np.bool_]:
    """[P, S] bool: non-terminal states with any difference between the model's and the true transitions."""
    model = outcomes(believed)
    wrong = np.zeros((tables.num_phases, len(tables.start)), bool)
    for number in range(tables.num_phases):
        for mine, theirs in zip(model, outcomes(tables.phase(number)), strict=True):
            wrong[number, (mine != theirs).nonzero()[0] // tables.probability.shape[2]] = True
    return wrong & ~tables.is_terminal


def outcomes(tables: Tables) -> tuple[sparse.csr_array, ...]:
    """(probability, reward · probability, termination · probability), each sparse [S·A, S], of one phase."""
    from scipy import sparse

    num_states, num_actions, num_slots = tables.probability.shape
    pair = np.repeat(np.arange(num_states * num_actions), num_slots)
    places = (pair, tables.successor.ravel())
    shape = (num_states * num_actions, num_states)
    return tuple(
        sparse.csr_array(((tables.probability.astype(np.float64) * factor).ravel(), places), shape=shape)
        for factor in (1.0, tables.reward, tables.terminates)
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
