"""TwoRooms: two rooms joined by a door, and two goals that swap their rewards."""

from __future__ import annotations

import dataclasses
import math

from mgsc.environments.maze import Maze, from_map
from mgsc.environments.row import EnvironmentRow
from mgsc.settings import check_setting, number, size, takes


@dataclasses.dataclass(frozen=True)
class TwoRoomsSettings:
    """Settings of TwoRooms; the defaults are this project's reconstruction of the paper's."""

    width: int = size(5, 1, 1000, "columns of each room")
    height: int = size(5, 3, 1000, "rows of both rooms; the door and the start are in the middle one")
    slip: float = number(0.1, 0.0, 1.0, "probability that a move is replaced by a uniformly random one")
    reward: float = number(1.0, -math.inf, math.inf, "reward of the good corner; the upper one first")
    penalty: float = number(-1.0, -math.inf, math.inf, "reward of the other corner")
    switch_every: int = size(2500, 1, 2**30, "environment steps between swaps of the two rewards")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@takes(TwoRoomsSettings)
def two_rooms(settings: TwoRoomsSettings) -> Maze:
    """The maze of the settings, in two phases: reward in the upper corner, then in the lower."""
    return from_map(
        two_rooms_map(settings.width, settings.height),
        {"U": (settings.reward, settings.penalty), "D": (settings.penalty, settings.reward)},
        slip=settings.slip,
    )


def two_rooms_map(width: int, height: int) -> str:
    """The map of TwoRooms.

    Example:
        >>> two_rooms_map(width=3, height=3).splitlines()
        ['...#..U', 'S......', '...#..D']

    Raises:
        UserError: a length that no TwoRooms has.
    """
    check_setting(TwoRoomsSettings, "width", width)
    check_setting(TwoRoomsSettings, "height", height)
    middle = height // 2
    rows = [["."] * width + ["#"] + ["."] * width for _ in range(height)]
    rows[middle][width] = "."
    rows[middle][0] = "S"
    rows[0][-1], rows[-1][-1] = "U", "D"
    return "\n".join("".join(row) for row in rows)


TWO_ROOMS_ROW = EnvironmentRow(
    "tworooms", "two rooms and a door; two corners of the far one swap their rewards", TwoRoomsSettings, two_rooms
)
