"""Environments: pure functions, exact tables, and mazes from text maps."""

from mgsc.environments.base import Environment, Step
from mgsc.environments.maze import Maze, from_map
from mgsc.environments.tables import Tables, check_tables
from mgsc.environments.tabular import TabularParams, TabularState, tabular
from mgsc.environments.tmaze import TMazeSettings, tmaze, tmaze_map
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms, two_rooms_map

__all__ = [
    "Environment",
    "Maze",
    "Step",
    "TMazeSettings",
    "TwoRoomsSettings",
    "TabularParams",
    "TabularState",
    "Tables",
    "check_tables",
    "from_map",
    "tabular",
    "tmaze",
    "tmaze_map",
    "two_rooms",
    "two_rooms_map",
]
