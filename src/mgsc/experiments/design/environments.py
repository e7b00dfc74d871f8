"""The table of environments: one row each, and the only list of their names.

A new environment is a settings class, a function that builds its maze or world, and a row here. One that needs
no name is made on the spot: ``own_environment`` turns any maze or world into settings for a suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mgsc.environments.book_mazes import BlockingMazeSettings, DynaMazeSettings, ShortcutMazeSettings
from mgsc.environments.field import FieldSettings
from mgsc.environments.foreign import GymnasiumSettings
from mgsc.environments.garnet import GarnetSettings
from mgsc.environments.tmaze import TMazeSettings
from mgsc.environments.two_rooms import TwoRoomsSettings
from mgsc.experiments.design.own import OwnSettings


class EnvironmentRow(NamedTuple):
    """What the experiments know of an environment.

    Attributes:
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its settings; it has ``switch_every`` and ``step_limit``.
        build: the settings' ``Maze`` or ``World``.
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


def _field(settings: FieldSettings) -> Any:
    from mgsc.environments.field import field

    return field(settings)


def _dyna_maze(settings: DynaMazeSettings) -> Any:
    from mgsc.environments.book_mazes import dyna_maze

    return dyna_maze(settings)


def _blocking_maze(settings: BlockingMazeSettings) -> Any:
    from mgsc.environments.book_mazes import blocking_maze

    return blocking_maze(settings)


def _shortcut_maze(settings: ShortcutMazeSettings) -> Any:
    from mgsc.environments.book_mazes import shortcut_maze

    return shortcut_maze(settings)


def _garnet(settings: GarnetSettings) -> Any:
    from mgsc.environments.garnet import garnet

    return garnet(settings)


def _gymnasium(settings: GymnasiumSettings) -> Any:
    from mgsc.environments.foreign import from_gymnasium

    return from_gymnasium(settings.id)


ENVIRONMENTS: Mapping[str, EnvironmentRow] = {
    "tmaze": EnvironmentRow("a stem and two arms whose ends swap their rewards", TMazeSettings, _tmaze),
    "tworooms": EnvironmentRow(
        "two rooms and a door; two corners of the far one swap their rewards", TwoRoomsSettings, _two_rooms
    ),
    "field": EnvironmentRow("a large open square, two goals near the start swap rewards", FieldSettings, _field),
    "dynamaze": EnvironmentRow("Sutton & Barto's Dyna maze", DynaMazeSettings, _dyna_maze),
    "blockingmaze": EnvironmentRow("a wall whose way round changes sides", BlockingMazeSettings, _blocking_maze),
    "shortcutmaze": EnvironmentRow("a wall in which a shorter way round opens", ShortcutMazeSettings, _shortcut_maze),
    "garnet": EnvironmentRow("a random sparse process that goes on for ever", GarnetSettings, _garnet),
    "gymnasium": EnvironmentRow("an environment of Gymnasium that has a table", GymnasiumSettings, _gymnasium),
}


def build_maze(settings: Any) -> Any:
    """The maze or world that settings describe."""
    if isinstance(settings, OwnSettings):
        return settings.source
    return next(row for row in ENVIRONMENTS.values() if row.settings is type(settings)).build(settings)
