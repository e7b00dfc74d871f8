"""Environments: pure functions, exact tables, and mazes from text maps."""

from mgsc.environments.base import Environment, Step
from mgsc.environments.foreign import GymnasiumSettings, from_gymnasium
from mgsc.environments.gymnax import GymnaxForm, as_gymnax
from mgsc.environments.maze import Maze, from_map
from mgsc.environments.registration import register_gymnasium
from mgsc.environments.tables import Tables, check_tables
from mgsc.environments.tabular import TabularParams, TabularState, tabular
from mgsc.environments.tmaze import TMazeSettings, tmaze, tmaze_map
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms, two_rooms_map
from mgsc.environments.world import World, from_dense, from_tables

__all__ = [
    "Environment",
    "GymnasiumSettings",
    "GymnaxForm",
    "Maze",
    "Step",
    "TMazeSettings",
    "TwoRoomsSettings",
    "TabularParams",
    "TabularState",
    "Tables",
    "World",
    "as_gymnax",
    "check_tables",
    "from_dense",
    "from_gymnasium",
    "from_map",
    "from_tables",
    "register_gymnasium",
    "tabular",
    "tmaze",
    "tmaze_map",
    "two_rooms",
    "two_rooms_map",
]
