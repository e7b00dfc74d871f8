"""The mazes of Sutton & Barto: sizes, walls and shortest paths, counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mgsc.environments import (
    BlockingMazeSettings,
    DynaMazeSettings,
    ShortcutMazeSettings,
    blocking_maze,
    check_tables,
    dyna_maze,
    shortcut_maze,
)
from mgsc.environments.tables import steps_to_goal
from mgsc.errors import UserError
from mgsc.settings import check


def walls(maze, phase: int) -> set[tuple[int, int]]:
    rows = maze.drawing(phase).splitlines()
    return {(row, column) for row, line in enumerate(rows) for column, letter in enumerate(line) if letter == "#"}


def path(maze, phase: int) -> int:
    """Steps of the shortest path in one phase."""
    tables = maze.tables.phase(phase)
    return steps_to_goal(tables._replace(**{name: getattr(tables, name)[None] for name in tables._fields[:4]}))


def test_the_dyna_maze():
    maze = dyna_maze(DynaMazeSettings())
    check_tables(maze.tables)
    assert walls(maze, 0) == {(1, 2), (2, 2), (3, 2), (0, 7), (1, 7), (2, 7), (4, 5)}
    assert len(maze.tables.start) == 6 * 9 - 7
    start = int(np.flatnonzero(maze.tables.start)[0])
    assert (maze.row[start], maze.column[start]) == (2, 0)
    assert path(maze, 0) == 14


def test_the_dyna_maze_at_twice_the_resolution():
    maze = dyna_maze(DynaMazeSettings(resolution=2))
    check_tables(maze.tables)
    doubled = {
        (2 * row + down, 2 * column + right)
        for row, column in walls(dyna_maze(DynaMazeSettings()), 0)
        for down in (0, 1)
        for right in (0, 1)
    }
    # Of the goal only the lower cells can be entered; the others are wall.
    assert walls(maze, 0) == doubled | {(0, 16), (0, 17)}
    goals = set(zip(maze.row[maze.tables.is_terminal], maze.column[maze.tables.is_terminal], strict=True))
    assert goals == {(1, 16), (1, 17)}
    start = int(np.flatnonzero(maze.tables.start)[0])
    assert (maze.row[start], maze.column[start]) == (4, 0)
    # Sixteen right; four down to pass below the first wall, and seven up.
    assert path(maze, 0) == 16 + 4 + 7


def test_the_blocking_maze_closes_on_the_right_and_opens_on_the_left():
    maze = blocking_maze(BlockingMazeSettings())
    assert walls(maze, 0) == {(3, column) for column in range(8)}
    assert walls(maze, 1) == {(3, column) for column in range(1, 9)}
    # Five right and five up; later three left, five up, eight right.
    assert [path(maze, phase) for phase in (0, 1)] == [10, 16]


def test_the_shortcut_maze_opens_on_the_right_as_well():
    maze = shortcut_maze(ShortcutMazeSettings())
    assert walls(maze, 0) == {(3, column) for column in range(1, 9)}
    assert walls(maze, 1) == {(3, column) for column in range(1, 8)}
    assert [path(maze, phase) for phase in (0, 1)] == [16, 10]


@pytest.mark.parametrize("settings", [BlockingMazeSettings(phases=3), ShortcutMazeSettings(phases=3)])
def test_more_phases_are_like_the_second(settings):
    maze = (blocking_maze if isinstance(settings, BlockingMazeSettings) else shortcut_maze)(settings)
    assert maze.tables.num_phases == 3
    assert walls(maze, 1) == walls(maze, 2) != walls(maze, 0)


def test_one_phase_is_no_change_and_refused():
    with pytest.raises(UserError, match="phases"):
        check(dataclasses.replace(BlockingMazeSettings(), phases=1))
