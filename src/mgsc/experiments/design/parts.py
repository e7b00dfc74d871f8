"""The tables of parts: environments, values, models, candidate sources and policies, by their names.

A part is a settings class, code, and a row beside that code; each has one line here. ``row_for`` returns the row of any
settings, of a part of one's own (``design.own``) or of the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mgsc.candidates import BUFFER_ROW, LISTED_ROW, CandidatesRow
from mgsc.environments import Maze, Tables, World
from mgsc.environments.acrobot import ACROBOT_ROW
from mgsc.environments.book_mazes import BLOCKING_MAZE_ROW, DYNA_MAZE_ROW, SHORTCUT_MAZE_ROW
from mgsc.environments.cartpole import CARTPOLE_ROW
from mgsc.environments.control import GYMNASIUM_CONTROL_ROW
from mgsc.environments.field import FIELD_ROW
from mgsc.environments.foreign import GYMNASIUM_ROW
from mgsc.environments.from_gymnax import GYMNAX_ROW
from mgsc.environments.garnet import GARNET_ROW
from mgsc.environments.goright import GORIGHT_ROW
from mgsc.environments.gridworld import GRIDWORLD_ROW
from mgsc.environments.images import TMAZE_IMAGE_ROW, TWO_ROOMS_IMAGE_ROW
from mgsc.environments.live import GYMNASIUM_LIVE_ROW
from mgsc.environments.pendulum import PENDULUM_ROW
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.environments.tmaze import TMAZE_ROW
from mgsc.environments.two_rooms import TWO_ROOMS_ROW
from mgsc.errors import UserError
from mgsc.experiments.design.own import OwnPart, OwnSettings
from mgsc.models.fixed import FIXED_ROW
from mgsc.models.learned import LEARNED_ROW
from mgsc.models.mlp import MLP_MODEL_ROW
from mgsc.models.mlp_ensemble import MLP_ENSEMBLE_ROW
from mgsc.models.row import ModelRow
from mgsc.models.simulated import SIMULATED_ROW
from mgsc.policies import ACTOR_ROW, EPSILON_GREEDY_ROW, LINEAR_EPSILON_ROW, PolicyRow
from mgsc.replay_buffer import REPLAY_BUFFER_ROW
from mgsc.settings import Row
from mgsc.values.mlp import MLP_VALUES_ROW
from mgsc.values.row import ValuesRow
from mgsc.values.sac import SAC_ROW
from mgsc.values.table import TABLE_ROW

AnyRow = TypeVar("AnyRow", bound=Row[Any])


def _by_name(rows: Iterable[AnyRow]) -> Mapping[str, AnyRow]:
    return {row.name: row for row in rows}


ENVIRONMENTS: Mapping[str, EnvironmentRow[Any]] = _by_name(
    (
        TMAZE_ROW,
        TWO_ROOMS_ROW,
        FIELD_ROW,
        DYNA_MAZE_ROW,
        BLOCKING_MAZE_ROW,
        SHORTCUT_MAZE_ROW,
        GARNET_ROW,
        GYMNASIUM_ROW,
        CARTPOLE_ROW,
        ACROBOT_ROW,
        GRIDWORLD_ROW,
        GORIGHT_ROW,
        TMAZE_IMAGE_ROW,
        TWO_ROOMS_IMAGE_ROW,
        GYMNASIUM_LIVE_ROW,
        GYMNAX_ROW,
        PENDULUM_ROW,
        GYMNASIUM_CONTROL_ROW,
    )
)
VALUES: Mapping[str, ValuesRow[Any]] = _by_name((TABLE_ROW, MLP_VALUES_ROW, SAC_ROW))
MODELS: Mapping[str, ModelRow[Any]] = _by_name((FIXED_ROW, LEARNED_ROW, MLP_MODEL_ROW, MLP_ENSEMBLE_ROW, SIMULATED_ROW))
CANDIDATES: Mapping[str, CandidatesRow[Any]] = _by_name((LISTED_ROW, BUFFER_ROW, REPLAY_BUFFER_ROW))
POLICIES: Mapping[str, PolicyRow[Any]] = _by_name((EPSILON_GREEDY_ROW, LINEAR_EPSILON_ROW, ACTOR_ROW))

NAMED_PARTS: Mapping[str, Mapping[str, Row[Any]]] = {
    "environment": ENVIRONMENTS,
    "model": MODELS,
    "values": VALUES,
    "candidates": CANDIDATES,
    "policy": POLICIES,
}
"""The tables of named parts, by the setting of a suite that takes them."""


def row_for(settings: Any, table: Mapping[str, AnyRow]) -> tuple[AnyRow, Any]:
    """The row that builds a part from its settings, and the settings that ``build`` takes.

    Raises:
        TypeError: settings of no row, for which ``check_suite`` raises ``UserError`` before.
    """
    if isinstance(settings, OwnPart):
        return settings.row, settings.options
    for row in table.values():
        if row.settings is type(settings):
            return row, settings
    raise TypeError(f"{type(settings).__name__} are settings of none of {', '.join(table)}")


def build_tables(settings: Any) -> Tables:
    """The tables of the environment that settings describe.

    Raises:
        UserError: it has none.
    """
    source = build_source(settings)
    if isinstance(source, Simulator):
        raise UserError("this environment has no tables")
    return source.tables


def build_source(settings: Any) -> Maze | World | Simulator:
    """The maze, world or simulator of an environment's settings.

    Raises:
        UserError: impossible settings.
    """
    if isinstance(settings, OwnSettings):
        return settings.source
    row, own = row_for(settings, ENVIRONMENTS)
    source: Maze | World | Simulator = row.build(own)
    return source
