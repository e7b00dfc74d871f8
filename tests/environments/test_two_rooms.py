"""TwoRooms against its drawing, and against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.environments.test_tmaze import outcomes

from mgsc.environments import TwoRoomsSettings, check_tables, two_rooms, two_rooms_map
from mgsc.environments.tables import goal_rewards, mean_of_phases, reachable, steps_to_goal
from mgsc.errors import UserError
from mgsc.settings import check

UP, DOWN, LEFT, RIGHT = range(4)

# 5 + 5 cells in each of the rows 0, 1, 3 and 4, and 11 in the middle row, which has the door.
UPPER, LOWER = 9, 50
START, DOOR = 20, 25
MOVE, SLIP = 0.925, 0.025


@pytest.fixture(scope="module")
def maze():
    return two_rooms(TwoRoomsSettings())


def test_the_drawing():
    assert two_rooms_map(5, 5).splitlines() == [
        ".....#....U",
        ".....#.....",
        "S..........",
        ".....#.....",
        ".....#....D",
    ]
    assert two_rooms_map(3, 3).splitlines() == ["...#..U", "S......", "...#..D"]
    assert two_rooms_map(1, 3).splitlines() == [".#U", "S..", ".#D"]


def test_an_even_number_of_rows_has_its_door_below_the_middle():
    assert two_rooms_map(1, 4).splitlines() == [".#U", ".#.", "S..", ".#D"]


def test_fifty_one_states_in_reading_order(maze):
    assert maze.text == two_rooms_map(5, 5)
    check_tables(maze.tables)
    assert maze.tables.probability.shape[:3] == (2, 51, 4)
    places = [(row, column) for row in range(5) for column in range(11) if column != 5 or row == 2]
    assert list(zip(maze.row, maze.column)) == places
    np.testing.assert_array_equal(np.flatnonzero(maze.tables.start), [START])
    np.testing.assert_array_equal(np.flatnonzero(maze.tables.is_terminal), [UPPER, LOWER])
    assert (maze.row[DOOR], maze.column[DOOR]) == (2, 5)
    assert reachable(maze.tables).all()
    # Ten columns to the right and two rows up or down.
    assert steps_to_goal(maze.tables) == 12
    assert maze.tables.largest_reward == 1.0


def test_the_goals_swap_their_rewards(maze):
    goals = goal_rewards(maze.tables)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(goals[0])), [UPPER, LOWER])
    np.testing.assert_array_equal(goals[:, [UPPER, LOWER]], [[1, -1], [-1, 1]])
    first, second = maze.tables.phase(0), maze.tables.phase(1)
    np.testing.assert_array_equal(first.reward, -second.reward)
    np.testing.assert_array_equal(first.probability, second.probability)
    assert not mean_of_phases(maze.tables).reward.any()


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        # The door: walls above and below it.
        (DOOR, RIGHT, {26: MOVE, 24: SLIP, DOOR: 2 * SLIP}),
        (DOOR, UP, {DOOR: MOVE + SLIP, 24: SLIP, 26: SLIP}),
        # The start at the left wall.
        (START, RIGHT, {21: MOVE, 10: SLIP, 31: SLIP, START: SLIP}),
        (START, LEFT, {START: MOVE, 21: SLIP, 10: SLIP, 31: SLIP}),
        # Beside the wall between the rooms, one row above the door; and on its other side.
        (14, RIGHT, {14: MOVE, 13: SLIP, 4: SLIP, 24: SLIP}),
        (15, LEFT, {15: MOVE, 16: SLIP, 5: SLIP, 26: SLIP}),
        # Below the upper corner and above the lower one.
        (19, UP, {UPPER: MOVE, 18: SLIP, 30: SLIP, 19: SLIP}),
        (40, DOWN, {LOWER: MOVE, 39: SLIP, 30: SLIP, 40: SLIP}),
        # The corner of the first room.
        (0, UP, {0: MOVE + SLIP, 1: SLIP, 10: SLIP}),
        (UPPER, LEFT, {UPPER: 1.0}),
        (LOWER, UP, {LOWER: 1.0}),
    ],
)
def test_transitions(maze, state, action, expected):
    for phase in (0, 1):
        assert outcomes(maze, state, action, phase) == pytest.approx(expected, abs=1e-7)


def test_only_entering_a_goal_is_rewarded_and_ends_the_episode(maze):
    tables = maze.tables
    states = np.arange(51)[None, :, None, None]
    possible = tables.probability > 0
    enters = possible & np.isin(tables.successor, [UPPER, LOWER]) & ~np.isin(states, [UPPER, LOWER])
    np.testing.assert_array_equal(np.flatnonzero(enters.any((0, 2, 3))), [8, 19, 40, 49])
    np.testing.assert_array_equal(possible & tables.terminates, enters)
    np.testing.assert_array_equal(possible & (tables.reward != 0), enters)


def test_numbers_and_sizes_are_parameters():
    maze = two_rooms(TwoRoomsSettings(width=1, height=3, slip=0.0, reward=3.0, penalty=-0.5))
    # . # U / S . . / . # D: states 0, 1; 2, 3, 4; 5, 6.
    assert maze.tables.probability.shape[1] == 7
    assert outcomes(maze, 4, UP) == {1: 1.0}
    np.testing.assert_array_equal(goal_rewards(maze.tables)[:, [1, 6]], [[3.0, -0.5], [-0.5, 3.0]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"width": 1001},
        {"height": 2},
        {"height": 1001},
        {"slip": -0.1},
        {"slip": 1.5},
        {"reward": float("inf")},
        {"penalty": float("nan")},
        {"switch_every": 0},
        {"step_limit": -1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError, match=f"^{next(iter(wrong))} is .*: it must be a"):
        check(TwoRoomsSettings(**wrong))


@pytest.mark.parametrize("settings", [{"width": 1, "height": 3}, {"width": 7, "height": 4}, {"slip": 1.0}])
def test_every_size_that_is_allowed_is_a_maze(settings):
    maze = two_rooms(TwoRoomsSettings(**settings))
    check_tables(maze.tables)
    assert reachable(maze.tables).all()
