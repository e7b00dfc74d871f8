"""Mazes from text maps.

A map is a drawing: ``#`` or a blank is wall, ``.`` is floor, ``S`` is the start, any other capital letter
is a goal, and a small letter is a gate. All goals with one letter share their rewards, one number per phase,
given on entering, and entering ends the episode. All gates with one letter are open in the same phases, and
wall in the others; an agent in a gate that closes can still walk out. A maze is a map and a line:

    >>> maze = from_map("S..A", goals={"A": (1.0,)}, slip=0.1)
    >>> maze = from_map("S.a.A", goals={"A": (1.0, 1.0)}, gates={"a": (True, False)})
    >>> maze.tables.probability.shape[:3]  # phases, states, actions
    (2, 5, 4)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables, check_tables, reachable, stack_phases
from mgsc.errors import UserError, check_type, shown_value

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(row, column) steps of the actions up, down, left, right."""

WALLS = "# "
FLOOR = "."
START = "S"


@dataclasses.dataclass(frozen=True, eq=False)
class Maze:
    """A maze as exact tables, with its map.

    Attributes:
        text: the map.
        tables: stacked tables [P, S, A, M].
        row, column: [S] int, the place of each state in the map.
        gates: for each gate letter whether it is open in each of the P phases.
    """

    text: str
    tables: Tables
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    gates: Mapping[str, Sequence[bool]] = dataclasses.field(default_factory=dict)

    def drawing(self, phase: int) -> str:
        """The map in one phase: open gates are floor, closed ones are wall."""
        letters = {ord(letter): FLOOR if is_open[phase] else WALLS[0] for letter, is_open in self.gates.items()}
        return self.text.translate(letters)


def from_map(
    text: str,
    goals: Mapping[str, Sequence[float]],
    *,
    gates: Mapping[str, Sequence[bool]] | None = None,
    slip: float = 0.0,
) -> Maze:
    """Builds the exact tables of a maze.

    Actions are four moves. With probability ``slip`` a uniformly random move replaces the action. A move into a wall
    leaves the agent where it is. States are numbered in reading order.

    Args:
        text: the map, see above.
        goals: for each goal letter its reward in each of the P phases.
        gates: for each gate letter whether it is open in each of the P phases.
        slip: probability in [0, 1].

    Raises:
        UserError: the map is no text, has not exactly one start, an unknown character, a goal without rewards or
            rewards without a goal, the same of gates, or a goal that cannot be reached.
    """
    check_type("text", text, str, 'be a map, as in "S.A"')
    if not isinstance(slip, int | float) or isinstance(slip, bool) or not 0 <= slip <= 1:
        raise UserError(f"slip must be a probability in [0, 1], not {shown_value(slip)}")
    gates = {} if gates is None else gates
    _check_by_letter("goals", goals, "rewards", "a number")
    _check_by_letter("gates", gates, "phases", "true or false")
    cells = _read_cells(text, goals, gates)
    phases = [
        _phase_tables(
            cells,
            {letter: rewards[phase] for letter, rewards in goals.items()},
            {letter for letter, is_open in gates.items() if not is_open[phase]},
            slip,
        )
        for phase in range(_count_phases(goals, gates))
    ]
    tables = _without_padding(stack_phases(phases))
    check_tables(tables)
    _check_reachable(tables, cells)
    places = np.array(list(cells))
    return Maze(text, tables, places[:, 0], places[:, 1], gates)


def _check_by_letter(name: str, given: object, entries: str, entry: str) -> None:
    """Refuses what does not map letters to a list, one entry per phase.

    Raises:
        UserError: naming what is wrong.
    """
    check_type(name, given, Mapping, f"map letters to {entries}, as in {{'A': (1.0, -1.0)}}")
    assert isinstance(given, Mapping)
    kinds = (bool, np.bool_) if name == "gates" else (int, float, np.number)
    for letter, values in given.items():
        check_type(f"a key of {name}", letter, str, "be a letter")
        is_list = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
        if not is_list or not all(isinstance(value, kinds) for value in values):
            raise UserError(f"{name}[{letter!r}] is {shown_value(values)}: it must be a list with {entry} per phase")


def _read_cells(
    text: str, goals: Mapping[str, Sequence[float]], gates: Mapping[str, Sequence[bool]]
) -> dict[tuple[int, int], str]:
    cells: dict[tuple[int, int], str] = {}
    for row, line in enumerate(text.splitlines()):
        for column, letter in enumerate(line):
            if letter in WALLS:
                continue
            if letter not in (FLOOR, START) and letter not in goals and letter not in gates:
                gates_too = f" and the gates {sorted(gates)}" if gates else ""
                raise UserError(
                    f"map has {letter!r} at row {row}, column {column}: allowed are '#' and blank (wall), '.' (floor), "
                    f"'S' (start) and the goals {sorted(goals)}{gates_too}"
                )
            cells[row, column] = letter
    letters = list(cells.values())
    if letters.count(START) != 1:
        raise UserError(f"a map needs exactly one start 'S', this one has {letters.count(START)}")
    for letter in goals:
        if len(letter) != 1 or not letter.isupper() or letter == START:
            raise UserError(f"{letter!r} cannot name a goal: use one capital letter other than 'S'")
        if letter not in letters:
            raise UserError(f"goal {letter!r} has rewards but is not on the map")
    for letter in gates:
        if len(letter) != 1 or not letter.islower():
            raise UserError(f"{letter!r} cannot name a gate: use one small letter")
        if letter not in letters:
            raise UserError(f"gate {letter!r} has phases but is not on the map")
    return cells


def _count_phases(goals: Mapping[str, Sequence[float]], gates: Mapping[str, Sequence[bool]]) -> int:
    lengths = {len(rewards) for rewards in goals.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise UserError(f"every goal needs one reward per phase, but their numbers are {sorted(lengths)}")
    lengths |= {len(is_open) for is_open in gates.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise UserError(
            f"every gate needs true or false per phase, as goals do, but their numbers are {sorted(lengths)}"
        )
    return lengths.pop() if lengths else 1


def _phase_tables(
    cells: dict[tuple[int, int], str], goal_reward: Mapping[str, float], closed: Collection[str], slip: float
) -> Tables:
    """One phase [S, A, 4]: as many slots as there are moves."""
    number = {place: index for index, place in enumerate(cells)}
    can_enter = {place: index for place, index in number.items() if cells[place] not in closed}
    letters = list(cells.values())
    num_states, num_actions = len(cells), len(MOVES)
    is_terminal = np.array([letter in goal_reward for letter in letters])
    shape = (num_states, num_actions, num_actions)
    probability, reward = np.zeros(shape), np.zeros(shape, np.float32)
    successor = np.broadcast_to(np.arange(num_states, dtype=np.int32)[:, None, None], shape).copy()
    for (row, column), state in number.items():
        landings = [
            state if is_terminal[state] else can_enter.get((row + down, column + right), state) for down, right in MOVES
        ]
        slots = {landing: slot for slot, landing in enumerate(dict.fromkeys(landings))}
        for landing, slot in slots.items():
            successor[state, :, slot] = landing
            if landing != state:
                reward[state, :, slot] = goal_reward.get(letters[landing], 0.0)
        for action in range(num_actions):
            for move, landing in enumerate(landings):
                probability[state, action, slots[landing]] += (1 - slip) * (move == action) + slip / num_actions
    terminates = is_terminal[successor] & ~is_terminal[:, None, None]
    start = np.array([letter == START for letter in letters], np.float32)
    return Tables(probability.astype(np.float32), reward, successor, terminates, start, is_terminal)


def _without_padding(tables: Tables) -> Tables:
    """Leaves the slots out that no state and action use in any phase; those used come first."""
    width = int((tables.probability > 0).any((0, 1, 2)).sum())
    return tables._replace(
        probability=tables.probability[..., :width],
        reward=tables.reward[..., :width],
        successor=tables.successor[..., :width],
        terminates=tables.terminates[..., :width],
    )


def _check_reachable(tables: Tables, cells: dict[tuple[int, int], str]) -> None:
    can_reach = reachable(tables)
    for is_reached, (place, letter) in zip(can_reach, cells.items(), strict=True):
        if letter.isupper() and not is_reached:
            raise UserError(f"goal {letter!r} at row {place[0]}, column {place[1]} cannot be reached from the start")
