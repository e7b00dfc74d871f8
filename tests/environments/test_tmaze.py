"""The TMaze against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mgsc.environments import TMazeSettings, tmaze, tmaze_map
from mgsc.environments.tables import mean_of_phases, reachable
from mgsc.errors import UserError
from mgsc.settings import check

UP, DOWN, LEFT, RIGHT = range(4)
JUNCTION, FOOT, LEFT_END, RIGHT_END = 4, 14, 0, 8

# slip 0.1: the chosen move comes about with 0.9 + 0.1/4 = 0.925, each other move with 0.1/4 = 0.025.
MOVE, SLIP = 0.925, 0.025


@pytest.fixture(scope="module")
def maze():
    return tmaze(TMazeSettings())


def outcomes(maze, state: int, action: int, phase: int = 0) -> dict[int, float]:
    """Successor -> probability."""
    found: dict[int, float] = {}
    tables = maze.tables
    places = (phase, state, action)
    for probability, successor in zip(tables.probability[places], tables.successor[places]):
        if probability:
            found[int(successor)] = found.get(int(successor), 0.0) + float(probability)
    return found


def test_the_drawing():
    assert tmaze_map(stem=2, arm=2).splitlines() == ["L...R", "##.##", "##S##"]
    assert tmaze_map(stem=1, arm=1).splitlines() == ["L.R", "#S#"]


def test_fifteen_states_in_reading_order(maze):
    assert maze.text.splitlines() == ["L.......R", *["####.####"] * 5, "####S####"]
    # The bar has 4 + 1 + 4 cells, the stem 6.
    assert maze.tables.probability.shape[:3] == (2, 15, 4)
    places = [(0, column) for column in range(9)] + [(row, 4) for row in range(1, 7)]
    assert list(zip(maze.row, maze.column)) == places
    np.testing.assert_array_equal(np.flatnonzero(maze.tables.start), [FOOT])
    np.testing.assert_array_equal(np.flatnonzero(maze.tables.is_terminal), [LEFT_END, RIGHT_END])
    assert reachable(maze.tables).all()
    assert maze.tables.largest_reward == 1.0
    assert maze.tables.num_phases == 2


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        # The junction: up bumps, down leads to the stem's top (9).
        (JUNCTION, RIGHT, {5: MOVE, 3: SLIP, 9: SLIP, JUNCTION: SLIP}),
        (JUNCTION, LEFT, {3: MOVE, 5: SLIP, 9: SLIP, JUNCTION: SLIP}),
        (JUNCTION, DOWN, {9: MOVE, 3: SLIP, 5: SLIP, JUNCTION: SLIP}),
        (JUNCTION, UP, {JUNCTION: MOVE, 3: SLIP, 5: SLIP, 9: SLIP}),
        # The stem's foot: only up leads anywhere; three moves bump.
        (FOOT, UP, {13: MOVE, FOOT: 3 * SLIP}),
        (FOOT, DOWN, {FOOT: MOVE + 2 * SLIP, 13: SLIP}),
        # The stem: left and right bump.
        (9, UP, {JUNCTION: MOVE, 10: SLIP, 9: 2 * SLIP}),
        (9, LEFT, {9: MOVE + SLIP, JUNCTION: SLIP, 10: SLIP}),
        # Beside the right end: up and down bump.
        (7, RIGHT, {RIGHT_END: MOVE, 6: SLIP, 7: 2 * SLIP}),
        (7, UP, {7: MOVE + SLIP, RIGHT_END: SLIP, 6: SLIP}),
        (RIGHT_END, LEFT, {RIGHT_END: 1.0}),
        (LEFT_END, UP, {LEFT_END: 1.0}),
    ],
)
def test_transitions(maze, state, action, expected):
    for phase in (0, 1):
        assert outcomes(maze, state, action, phase) == pytest.approx(expected, abs=1e-7)


def test_only_entering_an_end_is_rewarded_and_ends_the_episode(maze):
    tables = maze.tables
    possible = tables.probability > 0
    states = np.arange(15)[None, :, None, None]
    for end, rewards in ((RIGHT_END, (1.0, -1.0)), (LEFT_END, (-1.0, 1.0))):
        enters = possible & (tables.successor == end) & (states != end)
        assert enters.any((0, 2, 3)).sum() == 1, "from the one cell beside it"
        assert tables.terminates[enters].all()
        for phase, reward in enumerate(rewards):
            np.testing.assert_array_equal(tables.reward[phase][enters[phase]], reward)
    elsewhere = possible & (~np.isin(tables.successor, [0, 8]) | np.isin(states, [0, 8]))
    assert not tables.reward[elsewhere].any()
    assert not tables.terminates[elsewhere].any()


def test_numbers_and_sizes_are_parameters():
    maze = tmaze(TMazeSettings(stem=1, arm=1, slip=0.0, reward=3.0, penalty=-0.5))
    # L . R over S: states 0, 1, 2 and 3.
    assert outcomes(maze, 1, RIGHT) == {2: 1.0}
    ends = maze.tables.terminates & (maze.tables.probability > 0)
    right = ends & (maze.tables.successor == 2)
    np.testing.assert_array_equal(maze.tables.reward[0][right[0]], 3.0)
    np.testing.assert_array_equal(maze.tables.reward[1][right[1]], -0.5)
    assert maze.tables.largest_reward == 3.0


def test_certain_slips_make_all_actions_alike():
    tables = tmaze(TMazeSettings(slip=1.0)).tables
    np.testing.assert_array_equal(tables.probability, tables.probability[:, :, :1].repeat(4, axis=2))


def test_the_mean_of_the_phases_has_no_reward(maze):
    # (1 − 1) / 2 = 0 at both ends.
    assert not mean_of_phases(maze.tables).reward.any()
    lopsided = tmaze(TMazeSettings(reward=1.0, penalty=0.0)).tables
    assert mean_of_phases(lopsided).largest_reward == 0.5


@pytest.mark.parametrize(
    "wrong", [{"stem": 0}, {"arm": 0}, {"slip": 1.5}, {"reward": float("nan")}, {"switch_every": 0}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UserError, match=f"^{next(iter(wrong))} is"):
        check(TMazeSettings(**wrong))
