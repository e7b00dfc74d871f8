"""Environments as exact tables: from sparse arrays, or from dense ones.

A ``World`` holds all that ``tabular`` and the experiments need of an environment that is no maze. Three states in a row
and one action, with reward 1 for reaching the last state:

    >>> transition = np.array([[[0, 1, 0]], [[0, 0, 1]], [[0, 0, 1]]])
    >>> world = from_dense(transition, [[0.0], [1.0], [0.0]], terminal=[False, False, True], start=0)
    >>> world.tables.is_terminal.tolist()
    [False, False, True]
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mgsc.environments.tables import Tables, check_steps, check_tables
from mgsc.errors import UserError, shown_value

NO_PLACE = -1
"""Row and column of a state without a map."""


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """Checked tables, and a step limit.

    Attributes:
        tables: stacked tables [P, S, A, M]. States in which no episode goes on, because only terminating
            transitions lead there or none does, are terminal: search control never queries them.
        step_limit: steps after which an episode is truncated; 0 for none.
    """

    tables: Tables
    step_limit: int = 0

    @property
    def row(self) -> NDArray[np.int64]:
        """[S] no places: the states lie in no map."""
        return np.full(len(self.tables.start), NO_PLACE)

    @property
    def column(self) -> NDArray[np.int64]:
        """[S] no places."""
        return self.row


def from_tables(
    probability: ArrayLike,
    reward: ArrayLike,
    successor: ArrayLike,
    terminates: ArrayLike,
    *,
    start: ArrayLike,
    step_limit: int = 0,
) -> World:
    """A world from sparse tables [S, A, M], or [P, S, A, M] for phases that follow in a circle.

    Equal outcomes of a state and action are merged; M becomes the largest number of outcomes that are left.

    Args:
        probability: sums to one over M; slots of probability zero are padding.
        reward: reward of the transition.
        successor: state index.
        terminates: whether the transition ends the episode.
        start: state index, or [S] probabilities.
        step_limit: steps after which an episode is truncated; 0 for none.

    Raises:
        UserError: wrong tables; the error names the phase, state, action and number. Or no episode can end although
            some transition terminates.
    """
    check_steps("step_limit", step_limit)
    arrays = [_as_numbers(name, array) for name, array in (("probability", probability), ("reward", reward))]
    landing = _whole("successor", successor)
    ends = _as_array("terminates", terminates)
    if ends.dtype != bool:
        raise UserError(f"terminates must hold true and false, not {ends.dtype}")
    stacked: list[NDArray[Any]] = [array[None] if array.ndim == 3 else array for array in (*arrays, landing, ends)]
    shape = stacked[0].shape
    if len(shape) != 4 or 0 in shape:
        raise UserError(f"probability must have shape [S, A, M] or [P, S, A, M], none of them 0, not {arrays[0].shape}")
    num_states = shape[1]
    begins = _start_distribution(start, num_states)
    tables = Tables(stacked[0], stacked[1], stacked[2], stacked[3], begins, np.zeros(num_states, bool))
    check_tables(tables)
    tables = _float32(_merged(tables))
    check_tables(tables)
    return World(_with_terminal_states(tables), step_limit)


def from_dense(
    transition: ArrayLike, reward: ArrayLike, terminal: ArrayLike, start: ArrayLike, *, step_limit: int = 0
) -> World:
    """A world from dense tables.

    Args:
        transition: [S, A, S] or [P, S, A, S] probabilities of the successors.
        reward: the same shape, or without the last axis where it does not depend on the successor.
        terminal: [S] bool, states whose entering ends the episode in all phases; ``from_tables`` takes goals that move.
        start: state index, or [S] probabilities.
        step_limit: steps after which an episode is truncated; 0 for none.

    Raises:
        UserError: as ``from_tables``; a slot's number is then the successor's.
    """
    probability, rewards = _as_numbers("transition", transition), _as_numbers("reward", reward)
    shape = probability.shape
    if probability.ndim not in (3, 4) or shape[-1] != shape[-3]:
        raise UserError(f"transition must have shape [S, A, S] or [P, S, A, S], not {shape}")
    if rewards.shape not in (shape, shape[:-1]):
        raise UserError(
            f"reward must have shape {shape} or {shape[:-1]}, as transition has, not {rewards.shape}: both "
            "have the axis P of phases, or neither"
        )
    is_terminal = _as_array("terminal", terminal)
    if is_terminal.dtype != bool or is_terminal.shape != shape[-1:]:
        raise UserError(
            f"terminal must be [{shape[-1]}] true or false, not {is_terminal.dtype} {is_terminal.shape}; it holds in "
            "all phases: goals that move are terminates [P, S, A, M] of from_tables"
        )
    if rewards.ndim < probability.ndim:
        rewards = rewards[..., None]
    return from_tables(
        probability,
        np.broadcast_to(rewards, shape),
        np.broadcast_to(np.arange(shape[-1]), shape),
        np.broadcast_to(is_terminal, shape),
        start=start,
        step_limit=step_limit,
    )


def _start_distribution(start: ArrayLike, num_states: int) -> NDArray[np.float32]:
    """[S] start probabilities, from those or from one state.

    Raises:
        UserError: it is neither.
    """
    given = _as_array("start", start)
    if given.ndim == 0 and np.issubdtype(given.dtype, np.integer) and 0 <= given < num_states:
        begins = np.zeros(num_states, np.float32)
        begins[int(given)] = 1
        return begins
    if given.shape != (num_states,) or given.dtype.kind not in "fiu":
        raise UserError(
            f"start must be a state in 0..{num_states - 1}, or {num_states} probabilities, not {shown_value(start)}"
        )
    found: NDArray[np.float32] = given.astype(np.float32)
    return found


def _as_array(name: str, array: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(array)
    except ValueError:
        raise UserError(f"{name} must be an array, all rows of one length") from None


def _as_numbers(name: str, array: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(array, np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name} must be an array of numbers, all rows of one length") from None


def _whole(name: str, array: ArrayLike) -> NDArray[np.int64]:
    given = _as_array(name, array)
    if not np.issubdtype(given.dtype, np.integer):
        raise UserError(f"{name} must hold whole numbers, not {given.dtype}")
    return given.astype(np.int64)


def _merged(tables: Tables) -> Tables:
    """Outcomes that differ in nothing but their probability become one; M is the most outcomes left."""
    shape = tables.probability.shape
    columns = [array.reshape(-1, shape[-1]) for array in tables[:4]]
    rows: list[dict[tuple[float, int, bool], float]] = []
    for probability, reward, successor, terminates in zip(*(array.tolist() for array in columns), strict=True):
        outcomes: dict[tuple[float, int, bool], float] = {}
        for share, *outcome in zip(probability, reward, successor, terminates, strict=True):
            if share > 0:
                key = (outcome[0], outcome[1], outcome[2])
                outcomes[key] = outcomes.get(key, 0.0) + share
        rows.append(outcomes)
    width = max(len(outcomes) for outcomes in rows)
    merged_probability: NDArray[Any] = np.zeros((len(rows), width))
    merged_reward: NDArray[Any] = np.zeros((len(rows), width))
    # Padding stays where it is, as in mazes.
    state = np.arange(len(rows)) // shape[2] % shape[1]
    merged_successor = np.repeat(state[:, None], width, 1)
    merged_terminates = np.zeros((len(rows), width), bool)
    for row, outcomes in enumerate(rows):
        for slot, ((reward, successor, terminates), share) in enumerate(outcomes.items()):
            merged_probability[row, slot], merged_reward[row, slot] = share, reward
            merged_successor[row, slot], merged_terminates[row, slot] = successor, terminates
    return tables._replace(
        probability=merged_probability.reshape(*shape[:3], width),
        reward=merged_reward.reshape(*shape[:3], width),
        successor=merged_successor.reshape(*shape[:3], width),
        terminates=merged_terminates.reshape(*shape[:3], width),
    )


def _float32(tables: Tables) -> Tables:
    with np.errstate(over="ignore"):  # what becomes infinite is refused, with its place
        return tables._replace(
            probability=tables.probability.astype(np.float32),
            reward=tables.reward.astype(np.float32),
            successor=tables.successor.astype(np.int32),
        )


def _with_terminal_states(tables: Tables) -> Tables:
    """Marks the states in which no episode goes on, and lets them be left no more.

    Raises:
        UserError: some transition terminates, but no episode can come to one that does.
    """
    possible = tables.probability > 0
    goes_on = possible & ~tables.terminates
    live = tables.start > 0
    while True:
        grown = live.copy()
        grown[tables.successor[goes_on & live[None, :, None, None]]] = True
        if (grown == live).all():
            break
        live = grown
    ends = possible & tables.terminates
    if ends.any() and not ends[:, live].any():
        _, state, action, _ = np.argwhere(ends)[0]
        raise UserError(
            f"no goal can be reached from the start: action {action} ends the episode in state {state}, "
            "but no episode comes there"
        )
    dead = ~live
    probability, reward = tables.probability.copy(), tables.reward.copy()
    successor, terminates = tables.successor.copy(), tables.terminates.copy()
    probability[:, dead] = np.arange(probability.shape[-1]) == 0
    reward[:, dead], terminates[:, dead] = 0, False
    successor[:, dead] = np.flatnonzero(dead)[:, None, None]
    made = Tables(probability, reward, successor, terminates, tables.start, dead)
    check_tables(made)
    return made
