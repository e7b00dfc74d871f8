"""Mazes from text maps: any map gives the tables it draws, or one clear error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import dense_outcomes

from mgsc.environments import check_tables, from_map
from mgsc.environments.tables import reachable
from mgsc.errors import UserError

MOVES = {0: (-1, 0), 1: (1, 0), 2: (0, -1), 3: (0, 1)}


@pytest.mark.parametrize(
    ("text", "goals", "slip", "message"),
    [
        ("S.A", {"A": (1.0,)}, 1.5, r"slip must be a probability in \[0, 1\], not 1.5"),
        ("S.A", {"A": (1.0,)}, -0.1, "slip must be"),
        ("S.A", {"A": (1.0,)}, float("nan"), "slip must be"),
        ("S.x", {}, 0.0, r"map has 'x' at row 0, column 2: allowed are .* the goals \[\]"),
        ("S.\n.B", {"A": (1.0,)}, 0.0, r"map has 'B' at row 1, column 1: .*\['A'\]"),
        ("..A", {"A": (1.0,)}, 0.0, "exactly one start 'S', this one has 0"),
        ("S.S", {}, 0.0, "exactly one start 'S', this one has 2"),
        ("", {}, 0.0, "exactly one start 'S', this one has 0"),
        ("S.A", {"A": (1.0,), "S": (1.0,)}, 0.0, "'S' cannot name a goal"),
        ("S.A", {"A": (1.0,), ".": (1.0,)}, 0.0, r"'\.' cannot name a goal"),
        ("S.A", {"A": (1.0,), "#": (1.0,)}, 0.0, "'#' cannot name a goal"),
        ("S.A", {"A": (1.0,), "AB": (1.0,)}, 0.0, "'AB' cannot name a goal"),
        ("S.A", {"A": (1.0,), "": (1.0,)}, 0.0, "'' cannot name a goal"),
        ("S.a", {"a": (1.0,)}, 0.0, "'a' cannot name a goal: use one capital letter"),
        ("S.1", {"1": (1.0,)}, 0.0, "'1' cannot name a goal: use one capital letter"),
        ("S.A", {"A": (1.0,), "B": (1.0,)}, 0.0, "goal 'B' has rewards but is not on the map"),
        ("BSA", {"A": (1.0,), "B": (1.0, 2.0)}, 0.0, r"one reward per phase.*\[1, 2\]"),
        ("S.A", {"A": ()}, 0.0, r"one reward per phase.*\[0\]"),
        ("S.A", {"A": (float("nan"),)}, 0.0, "reward at phase 0, state 1, action 0.* finite"),
        ("S#A", {"A": (1.0,)}, 0.0, "goal 'A' at row 0, column 2 cannot be reached"),
        ("SBA", {"A": (1.0,), "B": (1.0,)}, 0.0, "goal 'A' at row 0, column 2 cannot be reached"),
    ],
)
def test_impossible_maps_are_refused(text, goals, slip, message):
    with pytest.raises(UserError, match=message):
        from_map(text, goals, slip=slip)


def test_blanks_and_hashes_are_walls_and_lines_may_end_early():
    maze = from_map(" S#\n..\n A", {"A": (1.0,)})
    assert list(zip(maze.row, maze.column)) == [(0, 1), (1, 0), (1, 1), (2, 1)]


def test_a_maze_without_goals_goes_on_for_ever():
    tables = from_map("S..", {}).tables
    assert tables.num_phases == 1
    assert not tables.terminates.any()
    assert not tables.is_terminal.any()


def test_goals_with_one_letter_share_their_rewards():
    tables = from_map("ASA", {"A": (2.0, 3.0)}).tables
    for phase, reward in enumerate((2.0, 3.0)):
        enters = tables.terminates[phase] & (tables.probability[phase] > 0)
        np.testing.assert_array_equal(tables.reward[phase][enters], reward)
        assert set(tables.successor[phase][enters]) == {0, 2}


LETTERS = st.sampled_from("...##AB")
MAPS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.text(LETTERS, min_size=width, max_size=width), min_size=1, max_size=4)
)


@settings(max_examples=40)
@given(MAPS, st.data(), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_every_map_gives_the_transitions_it_draws(lines, data, slip):
    row = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[0]) - 1))
    lines[row] = lines[row][:column] + "S" + lines[row][column + 1 :]
    text = "\n".join(lines)
    goals = {letter: (1.0, -2.0) for letter in "AB" if letter in text}
    if not goal_places(lines, goals) <= reached(lines, goals):
        with pytest.raises(UserError, match="cannot be reached"):
            from_map(text, goals, slip=slip)
        return
    maze = from_map(text, goals, slip=slip)
    check_tables(maze.tables)
    np.testing.assert_allclose(maze.tables.probability.sum(-1), 1, atol=1e-6)
    assert reachable(maze.tables)[maze.tables.is_terminal].all()
    for phase in range(maze.tables.num_phases):
        expected = transitions_of(lines, {letter: goals[letter][phase] for letter in goals}, slip)
        for found, known in zip(dense_outcomes(maze.tables.phase(phase)), expected):
            np.testing.assert_allclose(found, known, atol=1e-6)


def goal_places(lines, goals):
    return {(r, c) for r, line in enumerate(lines) for c, x in enumerate(line) if x in goals}


def reached(lines, goals):
    """Cells one can be in: flooded from the start, and not through goals."""
    rows = {(r, c): x for r, line in enumerate(lines) for c, x in enumerate(line) if x != "#"}
    seen, edge = set(), [place for place, letter in rows.items() if letter == "S"]
    while edge:
        place = edge.pop()
        if place in rows and place not in seen:
            seen.add(place)
            if rows[place] not in goals:
                edge.extend((place[0] + down, place[1] + right) for down, right in MOVES.values())
    return seen


def transitions_of(lines, goals, slip):
    """The rules of the maze, cell by cell: [S, A, S] of probability, reward and termination."""
    cells = [(row, column) for row, line in enumerate(lines) for column, letter in enumerate(line) if letter != "#"]
    probability, reward, ends = np.zeros((3, len(cells), 4, len(cells)))
    for state, (row, column) in enumerate(cells):
        here = lines[row][column]
        for action in MOVES:
            for move, (down, right) in MOVES.items():
                target = (row + down, column + right)
                if here in goals or target not in cells:
                    target = (row, column)  # a goal is never left, and bumping stays
                share = slip / 4 + (1 - slip) * (move == action)
                number = cells.index(target)
                probability[state, action, number] += share
                there = lines[target[0]][target[1]]
                if there in goals and here not in goals:
                    reward[state, action, number] += share * goals[there]
                    ends[state, action, number] += share
    return probability, reward, ends


@pytest.mark.parametrize(
    ("text", "goals", "gates", "message"),
    [
        ("S.aA", {"A": (1.0,)}, {}, r"map has 'a' at row 0, column 2: .*the goals \['A'\]$"),
        ("S.bA", {"A": (1.0,)}, {"a": (True,)}, r"map has 'b' .*the goals \['A'\] and the gates \['a'\]"),
        ("S.aA", {"A": (1.0,)}, {"a": (True,), "b": (True,)}, "gate 'b' has phases but is not on the map"),
        ("S.AB", {"A": (1.0,)}, {"B": (True,)}, "'B' cannot name a gate: use one small letter"),
        ("S.aA", {"A": (1.0,)}, {"a": (True, False)}, r"every gate needs true or false per phase.*\[1, 2\]"),
        ("S.aA", {"A": (1.0,)}, {"a": ()}, r"every gate needs.*\[0, 1\]"),
        ("S.aA", {"A": (1.0, 1.0)}, {"a": (False, False)}, "goal 'A' at row 0, column 3 cannot be reached"),
    ],
)
def test_impossible_gates_are_refused(text, goals, gates, message):
    with pytest.raises(UserError, match=message):
        from_map(text, goals, gates=gates)


def test_a_gate_is_floor_while_open_and_wall_while_closed():
    # States in reading order: S 0, gate 1, goal 2, floor under the start 3, under the goal 4; two ways to the goal.
    maze = from_map("SaA\n.b.", {"A": (1.0, 2.0)}, gates={"a": (True, False), "b": (False, True)})
    right, left = 3, 2
    landing = dense_outcomes(maze.tables.phase(0))[0], dense_outcomes(maze.tables.phase(1))[0]
    assert maze.tables.num_phases == 2
    assert landing[0][0, right, 1] == 1
    assert landing[1][0, right, 0] == 1, "closed: to bump stays"
    assert landing[0][3, right, 3] == 1
    assert landing[1][3, right, 4] == 1
    assert landing[1][1, left, 0] == 1, "who stands in a gate when it closes can walk out"
    assert landing[1][1, right, 2] == 1
    assert maze.drawing(0) == "S.A\n.#."
    assert maze.drawing(1) == "S#A\n..."


def test_gates_of_one_phase_are_walls_or_floor():
    with_gate = from_map("S.a.A", {"A": (1.0,)}, gates={"a": (True,)}, slip=0.2).tables
    without = from_map("S...A", {"A": (1.0,)}, slip=0.2).tables
    for one, other in zip(with_gate, without):
        np.testing.assert_array_equal(one, other)
