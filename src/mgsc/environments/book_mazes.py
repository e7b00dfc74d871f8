"""The mazes of Sutton & Barto (2018), chapter 8: one that never changes, and two whose walls change.

All are 6 rows of 9 cells with reward 1 on entering the goal in the upper right corner, and 0 otherwise.
"""

from __future__ import annotations

import dataclasses

from mgsc.environments.maze import FLOOR, START, WALLS, Maze, from_map
from mgsc.environments.row import EnvironmentRow
from mgsc.settings import number, size, takes

DYNA_MAZE = """\
.......#G
..#....#.
S.#....#.
..#......
.....#...
........."""
"""Example 8.1; the shortest path has 14 steps."""

BLOCKING_MAZE = """\
........G
.........
.........
b#######a
.........
...S....."""
"""Example 8.2: gate a is open in the first phase, gate b in the others."""

SHORTCUT_MAZE = """\
........G
.........
.........
.#######a
.........
...S....."""
"""Example 8.3: the long way is always open, gate a in all phases but the first."""


@dataclasses.dataclass(frozen=True)
class DynaMazeSettings:
    """Settings of the Dyna maze."""

    resolution: int = size(1, 1, 20, "cells of each side that one cell of the book's drawing becomes")
    slip: float = number(0.0, 0.0, 1.0, "probability that a move is replaced by a uniformly random one")
    switch_every: int = size(2**30, 1, 2**30, "environment steps of a phase; there is only one")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@dataclasses.dataclass(frozen=True)
class WallSettings:
    """Settings of the blocking maze and of the shortcut maze."""

    slip: float = number(0.0, 0.0, 1.0, "probability that a move is replaced by a uniformly random one")
    phases: int = size(2, 2, 1000, "phases that follow in a circle; the walls of the first differ from all others'")
    switch_every: int = size(2500, 1, 2**30, "environment steps each phase lasts")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@dataclasses.dataclass(frozen=True)
class BlockingMazeSettings(WallSettings):
    """The blocking maze: the gap in the wall closes, and a longer way opens."""


@dataclasses.dataclass(frozen=True)
class ShortcutMazeSettings(WallSettings):
    """The shortcut maze: a short way opens beside the long one."""


@takes(DynaMazeSettings)
def dyna_maze(settings: DynaMazeSettings) -> Maze:
    """The maze of example 8.1; at higher resolutions those of example 8.4, of about 47 · resolution² cells.

    Each cell becomes resolution² cells. The start is the upper left one of its cells. Goals are the lowest cells of the
    goal, the only ones that can be entered.
    """
    return from_map(_finer(DYNA_MAZE, settings.resolution), {"G": (1.0,)}, slip=settings.slip)


@takes(BlockingMazeSettings)
def blocking_maze(settings: BlockingMazeSettings) -> Maze:
    """The maze of example 8.2."""
    later = settings.phases - 1
    gates = {"a": (True,) + (False,) * later, "b": (False,) + (True,) * later}
    return from_map(BLOCKING_MAZE, {"G": (1.0,) * settings.phases}, gates=gates, slip=settings.slip)


@takes(ShortcutMazeSettings)
def shortcut_maze(settings: ShortcutMazeSettings) -> Maze:
    """The maze of example 8.3."""
    gates = {"a": (False,) + (True,) * (settings.phases - 1)}
    return from_map(SHORTCUT_MAZE, {"G": (1.0,) * settings.phases}, gates=gates, slip=settings.slip)


def _finer(text: str, resolution: int) -> str:
    rows = []
    for line in text.splitlines():
        wide = "".join(letter * resolution for letter in line)
        rows += [wide.replace("G", WALLS[0])] * (resolution - 1) + [wide]
    drawing = "\n".join(rows)
    first = drawing.index(START)
    return drawing[: first + 1] + drawing[first + 1 :].replace(START, FLOOR)


DYNA_MAZE_ROW = EnvironmentRow("dynamaze", "Sutton & Barto's Dyna maze", DynaMazeSettings, dyna_maze)
BLOCKING_MAZE_ROW = EnvironmentRow(
    "blockingmaze", "a wall whose way round changes sides", BlockingMazeSettings, blocking_maze
)
SHORTCUT_MAZE_ROW = EnvironmentRow(
    "shortcutmaze", "a wall in which a shorter way round opens", ShortcutMazeSettings, shortcut_maze
)
