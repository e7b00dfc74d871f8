"""The table of environments: one row each, and the only list of their names.

A new environment is a settings class, a function that builds its maze, and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mgsc.environments.tmaze import TMazeSettings
from mgsc.environments.two_rooms import TwoRoomsSettings


class EnvironmentRow(NamedTuple):
    """What the experiments know of an environment.

    Attributes:
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its settings; it has ``switch_every`` and ``step_limit``.
        build: the settings' ``Maze``.
    """

    summary: str
    settings: type
    build: Callable[[Any], Any]


def _tmaze(settings: TMazeSettings) -> Any:
    from mgsc.environments.tmaze import tmaze

    return tmaze(settings)


def _two_rooms(settings: TwoRoomsSettings) -> Any:
    from mgsc.environments.two_rooms import two_rooms

    return two_rooms(settings)


ENVIRONMENTS: Mapping[str, EnvironmentRow] = {
    "tmaze": EnvironmentRow("a stem and two arms whose ends swap their rewards", TMazeSettings, _tmaze),
    "tworooms": EnvironmentRow(
        "two rooms and a door; two corners of the far one swap their rewards", TwoRoomsSettings, _two_rooms
    ),
}


def build_maze(settings: Any) -> Any:
    """The maze that settings describe."""
    return next(row for row in ENVIRONMENTS.values() if row.settings is type(settings)).build(settings)
