"""Exact sparse transition tables: the form of every environment whose states can be listed.

For each state and action there are M slots, each with a probability, a reward, a successor and whether
the transition terminates (termination belongs to the transition, as in Gymnasium). Slots of
probability zero are padding. The environment, fixed models and exact measures use the same arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mgsc.errors import UserError, check_type

PROBABILITY_TOLERANCE = 1e-6
"""Largest distance of a row's sum from one, by which float32 input is accepted."""


class Tables(NamedTuple):
    """Sparse tables of one phase [S, A, M], or of P phases with a leading axis.

    Attributes:
        probability: float, rows sum to one over M.
        reward: float, reward of the transition.
        successor: int32 state index.
        terminates: bool.
        start: [S] float, probabilities of the first state of an episode.
        is_terminal: [S] bool, states that are only ever successors of terminating transitions.
    """

    probability: NDArray[np.float32]
    reward: NDArray[np.float32]
    successor: NDArray[np.int32]
    terminates: NDArray[np.bool_]
    start: NDArray[np.float32]
    is_terminal: NDArray[np.bool_]

    @property
    def cumulative(self) -> NDArray[np.float32]:
        """[..., S, A, M] running sums over slots, from which ``sampling`` draws."""
        return np.cumsum(self.probability, axis=-1, dtype=np.float64).astype(np.float32)

    @property
    def num_phases(self) -> int:
        """P of stacked tables."""
        return int(self.probability.shape[0])

    @property
    def largest_reward(self) -> float:
        """max |R| over possible transitions."""
        return float(np.max(np.abs(self.reward) * (self.probability > 0)))

    def phase(self, number: int) -> Tables:
        """The tables of one phase of stacked tables."""
        return self._replace(
            probability=self.probability[number],
            reward=self.reward[number],
            successor=self.successor[number],
            terminates=self.terminates[number],
        )


def stack_phases(phases: list[Tables]) -> Tables:
    """Puts P phases that share start and terminal states under one leading axis."""
    first = phases[0]
    return first._replace(
        probability=np.stack([phase.probability for phase in phases]),
        reward=np.stack([phase.reward for phase in phases]),
        successor=np.stack([phase.successor for phase in phases]),
        terminates=np.stack([phase.terminates for phase in phases]),
    )


MOST_STEPS = np.iinfo(np.int32).max
"""Largest number of environment steps of an int32 clock."""


def check_steps(name: str, value: object, least: int = 0) -> None:
    """Checks a number of environment steps.

    Raises:
        UserError: it is none; the error names what is allowed.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not least <= int(value) <= MOST_STEPS:  # type: ignore[call-overload]
        none = ", or 0 for none" if least == 0 else ""
        raise UserError(f"{name} is {value!r}: it must be a number of steps in [{max(least, 1)}, {MOST_STEPS}]{none}")


def check_tables(tables: Tables) -> None:
    """Checks that stacked tables [P, S, A, M] describe a Markov decision process.

    Raises:
        UserError: they do not, and the error names the phase, state, action and number; or they are no tables.
    """
    check_type("tables", tables, Tables, "be Tables")
    probability, reward, successor, terminates = tables[:4]
    num_states = len(tables.start)
    if probability.ndim != 4 or probability.shape[1] != num_states:
        raise UserError(f"tables must have shape [P, S, A, M] with S = {num_states}, not {probability.shape}")
    for name, array in (("reward", reward), ("successor", successor), ("terminates", terminates)):
        if array.shape != probability.shape:
            raise UserError(f"{name} has shape {array.shape}, probability has {probability.shape}: they must be equal")
    _refuse(
        ~np.isfinite(probability) | (probability < 0), probability, "probability", "must be finite and not negative"
    )
    _refuse(~np.isfinite(reward), reward, "reward", "must be finite")
    _refuse(
        (successor < 0) | (successor >= num_states), successor, "successor", f"must be a state in 0..{num_states - 1}"
    )
    totals = probability.astype(np.float64).sum(-1)
    _refuse(np.abs(totals - 1) > PROBABILITY_TOLERANCE, totals, "sum of probabilities", "must be 1")
    if not np.isclose(tables.start.sum(), 1) or (tables.start < 0).any():
        raise UserError(f"start probabilities must be non-negative and sum to 1, not {tables.start.sum():g}")
    if (tables.start[tables.is_terminal] > 0).any():
        raise UserError("a terminal state cannot be a start state")
    lands = (probability > 0) & tables.is_terminal[successor] & ~terminates
    lands &= ~tables.is_terminal[None, :, None, None]
    _refuse(lands, successor, "successor", "is a terminal state, so the transition must terminate")


def _refuse(is_wrong: NDArray[np.bool_], values: NDArray[np.generic], name: str, rule: str) -> None:
    if is_wrong.any():
        where = np.argwhere(is_wrong)[0]
        place = ", ".join(
            f"{axis} {index}" for axis, index in zip(("phase", "state", "action", "slot"), where, strict=False)
        )
        raise UserError(f"{name} at {place} is {values[tuple(where)]}: it {rule}")


def reachable(tables: Tables) -> NDArray[np.bool_]:
    """[S] bool: states that some policy can be in, in some phase, of stacked tables."""
    seen = tables.start > 0
    while True:
        possible = (tables.probability > 0) & seen[None, :, None, None] & ~tables.is_terminal[None, :, None, None]
        grown = seen.copy()
        grown[tables.successor[possible]] = True
        if (grown == seen).all():
            return seen
        seen = grown


def steps_to_goal(tables: Tables) -> int:
    """Fewest steps of any policy from a start state to a terminating transition.

    Raises:
        UserError: no policy comes to one.
    """
    seen = tables.start > 0
    for steps in range(1, len(seen) + 1):
        possible = (tables.probability > 0) & seen[None, :, None, None]
        if (possible & tables.terminates).any():
            return steps
        seen = seen.copy()
        seen[tables.successor[possible]] = True
    raise UserError("no goal can be reached from the start")


def goal_rewards(tables: Tables) -> NDArray[np.float32]:
    """[P, S] the largest reward of entering each terminal state, in each phase; NaN for other states."""
    found = np.full((tables.num_phases, len(tables.start)), -np.inf, np.float32)
    phase, state, action, slot = np.nonzero((tables.probability > 0) & tables.terminates)
    np.maximum.at(
        found, (phase, tables.successor[phase, state, action, slot]), tables.reward[phase, state, action, slot]
    )
    return np.where(tables.is_terminal & np.isfinite(found), found, np.float32(np.nan))


def mean_of_phases(tables: Tables) -> Tables:
    """One phase with the mean rewards of all: the tables of a model that averages over time.

    Raises:
        UserError: the phases differ in more than their rewards.
    """
    for array in (tables.probability, tables.successor, tables.terminates):
        if (array != array[:1]).any():
            raise UserError("rewards 'mean' need phases that differ in their rewards only; choose rewards 'stale'")
    return tables.phase(0)._replace(reward=tables.reward.mean(0, dtype=np.float64).astype(np.float32))


def check_can_end(tables: Tables, step_limit: int) -> None:
    """Checks that some goal can be reached within a step limit.

    Raises:
        UserError: none can; the error names the steps to the nearest goal.
    """
    has_end = (tables.terminates & (tables.probability > 0)).any()
    if has_end and 0 < step_limit < (nearest := steps_to_goal(tables)):
        raise UserError(
            f"environment.step_limit is {step_limit}, but the nearest goal is {nearest} steps from the start"
        )
