"""Plain accounts, in loops and float64, of what strategies read: to hold their queries against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tests.search_control import strategies_table as table

STEP_SIZE, DISCOUNT, EPSILON = 0.5, 0.9, 0.3
"""What rows of the table run with."""

MODEL = table.PROBLEM.known.model_tables
ALLOWED = np.flatnonzero(~table.IS_TERMINAL)
PAIRS = [(state, action) for state in ALLOWED for action in range(table.NUM_ACTIONS)]


class Step(NamedTuple):
    """One real step of a run.

    Attributes:
        real: (s, a, r, γ', s').
        at_first: [S, A] values before the direct update.
        before: [K] values before each planning update, the first those after the direct update.
        queries: [K] (s, a, r, γ', s') planned.
    """

    number: int
    real: tuple[int, int, float, float, int]
    at_first: np.ndarray
    before: list[np.ndarray]
    queries: list[tuple[int, int, float, float, int]]


def steps(seen: table.Trajectory, scale: np.ndarray | None = None) -> Iterator[Step]:
    """The run again, by the update rule alone.

    ``scale`` [T, K] are the planning updates' step scales; who reads no ``before`` but the first of a step may
    fill in its scales when it is given.
    """
    values = np.zeros((table.NUM_STATES, table.NUM_ACTIONS))
    scale = np.ones(seen.query.shape) if scale is None else scale
    for number in range(table.NUM_STEPS):
        real = tuple(column[number].item() for column in seen.transition)
        at_first = values
        values = updated(values, real, STEP_SIZE)
        queries = [tuple(column[number, k].item() for column in seen.planned) for k in range(table.BUDGET)]
        before = []
        for query, part in zip(queries, scale[number], strict=True):
            before.append(values)
            values = updated(values, query, STEP_SIZE * part)
        yield Step(number, real, at_first, before, queries)
        values = before[0]
        for query, part in zip(queries, scale[number], strict=True):
            values = updated(values, query, STEP_SIZE * part)
        np.testing.assert_allclose(values, seen.values[number], atol=1e-5)
        values = seen.values[number].astype(float)


def updated(values: np.ndarray, transition: tuple, step_size: float) -> np.ndarray:
    state, action, *_ = transition
    after = values.copy()
    after[state, action] += step_size * (target(values, transition) - values[state, action])
    return after


def target(values: np.ndarray, transition: tuple) -> float:
    _, _, reward, discount, successor = transition
    return reward + discount * values[successor].max()


def outcomes(tables, state: int, action: int) -> list[tuple[float, float, float, int]]:
    """(probability, reward, discount, successor) of every outcome that can happen."""
    return [
        (
            float(tables.probability[state, action, slot]),
            float(tables.reward[state, action, slot]),
            0.0 if tables.terminates[state, action, slot] else DISCOUNT,
            int(tables.successor[state, action, slot]),
        )
        for slot in range(tables.probability.shape[2])
        if tables.probability[state, action, slot] > 0
    ]


def expected_target(values: np.ndarray, state: int, action: int, tables=MODEL) -> float:
    return sum(p * (r + g * values[s].max()) for p, r, g, s in outcomes(tables, state, action))


def expected_error(values: np.ndarray, state: int, action: int) -> float:
    return expected_target(values, state, action) - values[state, action]


def epsilon_greedy(row: np.ndarray) -> np.ndarray:
    best = row == row.max()
    return EPSILON / len(row) + (1 - EPSILON) * best / best.sum()
