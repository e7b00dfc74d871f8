"""How long a random walk needs: corridors solved by hand, and the exact numbers of the references."""

from __future__ import annotations

import numpy as np
import pytest

from mgsc.environments import BlockingMazeSettings, DynaMazeSettings, blocking_maze, dyna_maze
from mgsc.environments.maze import from_map
from mgsc.experiments.classics.exact import expected_first_episode, hitting_times, random_walk


def test_a_corridor():
    # Up and down stay, so every second step moves. In moves: h2 = 1 + h1/2, h1 = 1 + (h0 + h2)/2 and
    # h0 = 1 + (h0 + h1)/2, for who bumps at the left end stays. So 12, 10, 6; twice that in steps.
    tables = from_map("S..A", {"A": (1.0,)}).tables
    np.testing.assert_allclose(hitting_times(tables.phase(0)), [24, 20, 12, 0])
    assert expected_first_episode(tables) == pytest.approx(24)


def test_a_corridor_that_opens_after_two_steps():
    tables = from_map("SaA", {"A": (1.0, 1.0)}, gates={"a": (False, True)}).tables
    # Two steps in vain; then two cells to go: 6 moves, 12 steps.
    assert expected_first_episode(tables, 2) == pytest.approx(14)
    with pytest.raises(ValueError, match="switch_every"):
        expected_first_episode(tables)


def test_a_walk_that_may_end_before_the_wall_moves():
    tables = from_map("Sa\nA.", {"A": (1.0, 1.0)}, gates={"a": (True, False)}).tables
    # Closed: of four moves one ends from the start and one from the corner, so 4 steps each; from the gate, which can
    # be left, one leads to the start, one to the corner and two stay: h = 1 + 4/4 + 4/4 + h/2, so 6.
    np.testing.assert_allclose(hitting_times(tables.phase(1)), [4, 6, 0, 4])
    # Open, for one step: a quarter ends, a quarter is in the gate, half is where it was.
    assert expected_first_episode(tables, 1) == pytest.approx(1 + 4 / 2 + 6 / 4)


def test_the_references():
    assert round(expected_first_episode(dyna_maze(DynaMazeSettings()).tables), 4) == 868.7254
    tables = blocking_maze(BlockingMazeSettings()).tables
    stayed = tables._replace(**{name: getattr(tables, name)[:1] for name in tables._fields[:4]})
    assert round(expected_first_episode(stayed), 4) == 441.884


def test_the_reference_of_the_wall_that_moves_leaves_out_who_stands_where_it_comes():
    """Ours is 460.435, the reference 459.695: 0.17 % of the walks stand in the gap when it closes; ours walk out."""
    maze = blocking_maze(BlockingMazeSettings())
    tables, gap = maze.tables, int(np.flatnonzero((maze.row == 3) & (maze.column == 8))[0])
    assert round(expected_first_episode(tables, 1000), 3) == 460.435
    standing = np.linalg.matrix_power(random_walk(tables.phase(0)), 1000)[tables.start.argmax(), gap]
    assert round(100 * standing, 2) == 0.17
    # A wall cell without any way out is gone after one step in the equations h = 1 + W h.
    walks_on = hitting_times(tables.phase(1))[gap]
    assert round(expected_first_episode(tables, 1000) - standing * (walks_on - 1), 3) == 459.695
