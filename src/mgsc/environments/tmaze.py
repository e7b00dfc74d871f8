"""The TMaze: a stem, a junction, and two arms whose ends swap their rewards."""

from __future__ import annotations

import dataclasses
import math

from mgsc.environments.maze import Maze, from_map
from mgsc.environments.row import EnvironmentRow
from mgsc.settings import check_setting, number, size, takes


@dataclasses.dataclass(frozen=True)
class TMazeSettings:
    """Settings of a TMaze; the defaults are this project's reconstruction of the paper's."""

    stem: int = size(6, 1, 10_000, "cells of the stem; the start is at its foot")
    arm: int = size(4, 1, 10_000, "cells of each arm; the last one is terminal")
    slip: float = number(0.1, 0.0, 1.0, "probability that a move is replaced by a uniformly random one")
    reward: float = number(1.0, -math.inf, math.inf, "reward of the good arm's end; right first")
    penalty: float = number(-1.0, -math.inf, math.inf, "reward of the other arm's end")
    switch_every: int = size(2500, 1, 2**30, "environment steps between swaps of the two rewards")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@takes(TMazeSettings)
def tmaze(settings: TMazeSettings) -> Maze:
    """The maze of the settings, in two phases: reward right, then reward left."""
    return from_map(
        tmaze_map(settings.stem, settings.arm),
        {"R": (settings.reward, settings.penalty), "L": (settings.penalty, settings.reward)},
        slip=settings.slip,
    )


def tmaze_map(stem: int, arm: int) -> str:
    """The map of a TMaze.

    Example:
        >>> print(tmaze_map(stem=2, arm=2))
        L...R
        ##.##
        ##S##

    Raises:
        UserError: a length that no TMaze has.
    """
    check_setting(TMazeSettings, "stem", stem)
    check_setting(TMazeSettings, "arm", arm)
    bar = "L" + "." * (2 * arm - 1) + "R"
    wall = "#" * arm
    return "\n".join([bar, *[f"{wall}.{wall}"] * (stem - 1), f"{wall}S{wall}"])


TMAZE_ROW = EnvironmentRow("tmaze", "a stem and two arms whose ends swap their rewards", TMazeSettings, tmaze)
