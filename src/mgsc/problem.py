"""A problem: an environment, a model, a value function and candidates, which all agents of a suite share."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.candidates import CandidateSource
from mgsc.environments import Environment, Maze, Tables, World
from mgsc.environments.predecessors import incoming_pairs
from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.models import Model
from mgsc.policies import BehaviourPolicy
from mgsc.types import Array, Candidates, PyTree


class Truth(NamedTuple):
    """The exact facts of an environment with tables. Measures and privileged strategies read them; no other agent does.

    Attributes:
        source: the maze or world.
        tables: the true transitions [P, S, A, M].
        optimal: [P, S, A] the optimal action values of each phase, were it to last.
        model_tables: [S, A, M] of a fixed model; None where the model learns.
        links: tables of all successors that the model may ever predict; None where it may predict any.
        wrong: [P, S] bool, states in which a fixed model is wrong about some action, in each phase.
    """

    source: Maze | World
    tables: Tables
    optimal: NDArray[np.float32]
    model_tables: Tables | None
    links: Tables | None
    wrong: NDArray[np.bool_]

    @property
    def is_candidate(self) -> NDArray[np.bool_]:
        """[S] bool: the non-terminal states."""
        return ~self.tables.is_terminal

    @property
    def predecessors(self) -> Array | None:
        """[S, I] pairs, among which are all that may ever lead to each state in the model; None where any may.

        Of a model that learns, they are the pairs that lead there in the environment.
        """
        return None if self.links is None else jnp.asarray(incoming_pairs(self.links))


class Problem(NamedTuple):
    """What all agents of a suite share.

    Attributes:
        facts: what parts are built of.
        environment, environment_params: the environment, and its numbers that may be traced.
        policy: the behaviour policy.
        model: the model that planning queries.
        learns: whether the model learns.
        candidates: the source of the candidates of each real step.
        truth: the exact facts; None where the environment has no tables.
    """

    facts: Facts
    environment: Environment
    environment_params: PyTree
    policy: BehaviourPolicy
    model: Model
    learns: bool
    candidates: CandidateSource
    truth: Truth | None

    @property
    def known(self) -> Truth:
        """The truth.

        Raises:
            UserError: the environment has no tables.
        """
        if self.truth is None:
            raise UserError("this environment has no tables: nothing is known exactly of it")
        return self.truth

    @property
    def listed(self) -> Candidates:
        """The candidates, where they are the same in every step.

        Raises:
            UserError: they are drawn anew for each step.
        """
        if self.candidates.listed is None:
            raise UserError("this problem has no listed states: its candidates are drawn anew in every step")
        return self.candidates.listed

    @property
    def tables(self) -> PyTree:
        """Arrays that programs take as arguments: problems that differ only in these share their programs."""
        return self.model.tables

    def of_tables(self, tables: PyTree) -> Problem:
        """The problem with other such arrays, which may be traced."""
        if self.model.of_tables is None:
            return self
        return self._replace(model=self.model.of_tables(tables))


class StrategyFacts(NamedTuple):
    """The facts that a strategy is built of.

    Attributes:
        problem: of all agents of the suite.
        step_size: α of the agent; may be traced.
        planning_updates: K of the agent; may be traced.
        is_table: whether the agent's values are a table.
        most_updates: bound of K; needed where K is traced.
    """

    problem: Problem
    step_size: Array
    planning_updates: Array | int
    is_table: bool
    most_updates: int | None = None

    @property
    def max_updates(self) -> int:
        """K at most, static.

        Raises:
            TypeError: K is traced and has no bound.
        """
        if self.most_updates is not None:
            return self.most_updates
        if not isinstance(self.planning_updates, int):
            raise TypeError("most_updates must be given where planning_updates is not a Python int")
        return self.planning_updates
