"""The exact facts of a problem with tables: its optimum, and the states in which a fixed model is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mgsc.environments import Maze, Tables, World
from mgsc.experiments.running.optimal import optimal_values
from mgsc.models import BuiltModel
from mgsc.problem import Truth

if TYPE_CHECKING:
    from scipy import sparse


def truth_of(source: Maze | World, built: BuiltModel, discount: float) -> Truth:
    """The truth about an environment with tables and the model that planning queries."""
    tables = source.tables
    wrong = np.zeros((tables.num_phases, len(tables.start)), bool)
    if built.tables is not None:
        wrong = wrong_states(tables, built.tables)
    return Truth(
        source=source,
        tables=tables,
        optimal=optimal_values(tables, discount),
        model_tables=built.tables,
        links=built.links,
        wrong=wrong,
    )


def wrong_states(tables: Tables, model: Tables) -> NDArray[np.bool_]:
    """[P, S] bool: non-terminal states with any difference between the model's and the true transitions."""
    of_model = outcomes(model)
    wrong = np.zeros((tables.num_phases, len(tables.start)), bool)
    for number in range(tables.num_phases):
        for mine, theirs in zip(of_model, outcomes(tables.phase(number)), strict=True):
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
