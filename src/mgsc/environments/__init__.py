"""Environments: pure functions, exact tables, and mazes from text maps."""

from mgsc.environments.acrobot import AcrobotSettings, acrobot
from mgsc.environments.base import Environment, Step
from mgsc.environments.book_mazes import (
    BlockingMazeSettings,
    DynaMazeSettings,
    ShortcutMazeSettings,
    blocking_maze,
    dyna_maze,
    shortcut_maze,
)
from mgsc.environments.cartpole import CartPoleSettings, cartpole
from mgsc.environments.control import GymnasiumControlSettings, gymnasium_control
from mgsc.environments.episodes import with_episodes
from mgsc.environments.field import FieldSettings, field
from mgsc.environments.foreign import GymnasiumSettings, from_gymnasium
from mgsc.environments.from_gymnax import GymnaxSettings, from_gymnax
from mgsc.environments.garnet import GarnetSettings, garnet
from mgsc.environments.goright import GoRightSettings, goright
from mgsc.environments.gridworld import GridWorldSettings, gridworld
from mgsc.environments.gymnax import GymnaxForm, as_gymnax
from mgsc.environments.images import (
    TMazeImageSettings,
    TwoRoomsImageSettings,
    drawn,
    maze_images,
    states_in,
    tmaze_image,
    two_rooms_image,
)
from mgsc.environments.live import GymnasiumLiveSettings, live_gymnasium
from mgsc.environments.maze import Maze, from_map
from mgsc.environments.pendulum import PendulumSettings, pendulum
from mgsc.environments.registration import register_gymnasium
from mgsc.environments.row import EnvironmentRow, Outcomes, Simulator
from mgsc.environments.tables import Tables, check_tables
from mgsc.environments.tabular import TabularParams, TabularState, tabular
from mgsc.environments.tmaze import TMazeSettings, tmaze, tmaze_map
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms, two_rooms_map
from mgsc.environments.world import World, from_dense, from_tables

__all__ = [
    "AcrobotSettings",
    "BlockingMazeSettings",
    "CartPoleSettings",
    "DynaMazeSettings",
    "Environment",
    "EnvironmentRow",
    "FieldSettings",
    "GarnetSettings",
    "GoRightSettings",
    "GridWorldSettings",
    "GymnasiumControlSettings",
    "GymnasiumLiveSettings",
    "GymnasiumSettings",
    "GymnaxForm",
    "GymnaxSettings",
    "Maze",
    "Outcomes",
    "PendulumSettings",
    "ShortcutMazeSettings",
    "Simulator",
    "Step",
    "TMazeImageSettings",
    "TMazeSettings",
    "TwoRoomsImageSettings",
    "TwoRoomsSettings",
    "TabularParams",
    "TabularState",
    "Tables",
    "World",
    "acrobot",
    "as_gymnax",
    "blocking_maze",
    "cartpole",
    "check_tables",
    "drawn",
    "dyna_maze",
    "field",
    "from_dense",
    "from_gymnasium",
    "from_gymnax",
    "from_map",
    "from_tables",
    "garnet",
    "goright",
    "gridworld",
    "gymnasium_control",
    "live_gymnasium",
    "maze_images",
    "pendulum",
    "register_gymnasium",
    "shortcut_maze",
    "states_in",
    "tabular",
    "tmaze",
    "tmaze_image",
    "tmaze_map",
    "two_rooms",
    "two_rooms_image",
    "two_rooms_map",
    "with_episodes",
]
