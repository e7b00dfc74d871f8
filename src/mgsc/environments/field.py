"""The field: a large open square in which two goals near the start swap their rewards."""

from __future__ import annotations

import dataclasses
import math

from mgsc.environments.maze import Maze, from_map
from mgsc.environments.row import EnvironmentRow
from mgsc.errors import UserError
from mgsc.settings import number, size, takes


@dataclasses.dataclass(frozen=True)
class FieldSettings:
    """Settings of a field, most of whose states are far from every path to a goal."""

    side: int = size(40, 3, 1000, "rows and columns; the start is in the middle")
    distance: int = size(6, 1, 499, "columns from the start to either goal")
    slip: float = number(0.1, 0.0, 1.0, "probability that a move is replaced by a uniformly random one")
    reward: float = number(1.0, -math.inf, math.inf, "reward of the good goal; right first")
    penalty: float = number(-1.0, -math.inf, math.inf, "reward of the other goal")
    switch_every: int = size(2500, 1, 2**30, "environment steps between swaps of the two rewards")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@takes(FieldSettings)
def field(settings: FieldSettings) -> Maze:
    """The field of the settings, in two phases: reward right, then reward left.

    Raises:
        UserError: the goals lie outside the field.
    """
    middle = settings.side // 2
    furthest = settings.side - 1 - middle
    if settings.distance > furthest:
        raise UserError(f"distance is {settings.distance}: a field of side {settings.side} has room for {furthest}")
    rows = [["."] * settings.side for _ in range(settings.side)]
    rows[middle][middle - settings.distance], rows[middle][middle + settings.distance] = "L", "R"
    rows[middle][middle] = "S"
    return from_map(
        "\n".join("".join(row) for row in rows),
        {"R": (settings.reward, settings.penalty), "L": (settings.penalty, settings.reward)},
        slip=settings.slip,
    )


FIELD_ROW = EnvironmentRow("field", "a large open square, two goals near the start swap rewards", FieldSettings, field)
