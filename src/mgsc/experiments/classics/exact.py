"""The expected length of a random walk to the goal: the first episode of every agent whose values are all equal.

With ``r = 0`` everywhere but at the goal no value changes before the goal is found, with any number of updates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables


def expected_first_episode(tables: Tables, switch_every: int | None = None) -> float:
    """Expected environment steps until an episode of uniformly random actions ends.

    Args:
        tables: [P, S, A, M]; the last phase never ends.
        switch_every: environment steps that each phase before it lasts; None where there is one phase.

    Raises:
        ValueError: there are several phases, and their length is not given.
    """
    if switch_every is None and tables.num_phases > 1:
        raise ValueError("tables of several phases need switch_every")
    where, steps = tables.start.astype(np.float64), 0.0
    for phase in range(tables.num_phases - 1):
        walk = random_walk(tables.phase(phase))
        for _ in range(switch_every or 0):
            steps += where.sum()  # every walk that is still on the way makes a step
            where = where @ walk
    return float(steps + where @ hitting_times(tables.phase(tables.num_phases - 1)))


def hitting_times(tables: Tables) -> NDArray[np.float64]:
    """[S] expected steps of a random walk from each state to the end of the episode; h = 1 + W h."""
    walk, is_state = random_walk(tables), ~tables.is_terminal
    times = np.zeros(len(is_state))
    times[is_state] = np.linalg.solve(
        np.eye(is_state.sum()) - walk[np.ix_(is_state, is_state)], np.ones(is_state.sum())
    )
    return times


def random_walk(tables: Tables) -> NDArray[np.float64]:
    """[S, S] W, the probabilities that an episode goes on in each state, under uniformly random actions.

    Args:
        tables: of one phase.
    """
    num_states, num_actions = tables.probability.shape[:2]
    walk = np.zeros((num_states, num_states))
    onward = tables.probability.astype(np.float64) * ~tables.terminates / num_actions
    np.add.at(walk, (np.arange(num_states)[:, None, None], tables.successor), onward)
    return walk
