"""Mazes drawn as images: the same tables, of which the agent sees a picture with itself in it.

A picture has a number for each place of the map, walls too, in one flat row: 1 where the agent is, ½ on its four
neighbours, 0 elsewhere. No state is listed to the agent. ``maze_images`` and ``states_in`` lead from states to pictures
and back, for who looks at results: what is learned from pictures can be held against what is learned from tables.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mgsc.environments.base import Environment, Step
from mgsc.environments.maze import Maze
from mgsc.environments.row import EnvironmentRow, Outcomes, Simulator
from mgsc.environments.tables import Tables
from mgsc.environments.tabular import TabularParams, TabularState, tabular
from mgsc.environments.tmaze import TMazeSettings, tmaze
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms
from mgsc.errors import UserError
from mgsc.indexing import lookup
from mgsc.settings import size
from mgsc.types import Array, PyTree, like

NEXT_TO = 0.5
"""What a picture shows beside the agent."""


@dataclasses.dataclass(frozen=True)
class TMazeImageSettings(TMazeSettings):
    """A TMaze that is seen as a picture; ten times as large with ``stem`` and ``arm`` ten times as long."""

    stem: int = size(6, 1, 500, "cells of the stem; the start is at its foot")
    arm: int = size(4, 1, 500, "cells of each arm; the last one is terminal")


@dataclasses.dataclass(frozen=True)
class TwoRoomsImageSettings(TwoRoomsSettings):
    """TwoRooms that are seen as a picture."""

    width: int = size(5, 1, 200, "columns of each room")
    height: int = size(5, 3, 200, "rows of both rooms; the door and the start are in the middle one")


class Pictures(NamedTuple):
    """Where states lie in the pictures of a maze.

    Attributes:
        row, column: [S] int32 places of the states.
        height, width: of a picture.
        state: [height · width] int32, the state at each place; at a wall, the one nearest to it.
    """

    row: NDArray[np.int32]
    column: NDArray[np.int32]
    height: int
    width: int
    state: NDArray[np.int32]

    def draw(self, state: Array) -> Array:
        """[height · width] float32, the picture of a state."""
        down = jnp.abs(jnp.arange(self.height) - lookup(jnp.asarray(self.row), state))
        across = jnp.abs(jnp.arange(self.width) - lookup(jnp.asarray(self.column), state))
        distance = down[:, None] + across
        return jnp.select([distance == 0, distance == 1], [1.0, NEXT_TO], 0.0).ravel()

    def read(self, picture: Array) -> Array:
        """[] int32, the state that a picture is of; of any other picture, the one near its largest number."""
        return lookup(jnp.asarray(self.state), jnp.argmax(picture))


def pictures_of(maze: Maze) -> Pictures:
    """How a maze is drawn."""
    from scipy import ndimage

    lines = maze.text.splitlines()
    height, width = len(lines), max(map(len, lines))
    state = np.full((height, width), -1, np.int32)
    state[maze.row, maze.column] = np.arange(len(maze.row))
    near = ndimage.distance_transform_edt(state < 0, return_distances=False, return_indices=True)
    row, column = maze.row.astype(np.int32), maze.column.astype(np.int32)
    return Pictures(row, column, height, width, state[tuple(near)].ravel())


def maze_images(maze: Maze) -> NDArray[np.float32]:
    """[S, height · width] the pictures of all states: for looking at results, and for nothing that learns.

    Example:
        >>> from mgsc.environments import from_map
        >>> maze = from_map("SA", {"A": (1.0,)})
        >>> maze_images(maze).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    pictures = pictures_of(maze)
    rows, columns = np.arange(pictures.height), np.arange(pictures.width)
    down, across = np.abs(rows - maze.row[:, None]), np.abs(columns - maze.column[:, None])
    distance = (down[:, :, None] + across[:, None, :]).reshape(len(maze.row), -1)
    return np.select([distance == 0, distance == 1], [1.0, NEXT_TO], 0.0).astype(np.float32)


def states_in(maze: Maze, images: ArrayLike) -> NDArray[np.int32]:
    """[...] int32, the states that pictures [..., height · width] are of, as ``candidates`` of a run may be.

    Raises:
        UserError: they are not as large as the maze's.
    """
    pictures, given = pictures_of(maze), np.asarray(images)
    if given.shape[-1:] != pictures.state.shape:
        raise UserError(
            f"images have shape {given.shape}: the last axis must be {pictures.height} · {pictures.width} places long"
        )
    states: NDArray[np.int32] = pictures.state[given.argmax(-1)]
    return states


def drawn(maze: Maze, *, switch_every: int, step_limit: int = 0) -> Simulator:
    """The simulator of a maze that is seen as pictures; its dynamics and phases are those of ``tabular(maze)``.

    Args:
        maze: from ``from_map``, or of a named maze.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated; 0 for none.

    Raises:
        UserError: a number of steps that is none.
    """
    pictures = pictures_of(maze)
    inner, params = tabular(maze, switch_every=switch_every, step_limit=step_limit)

    def reset(noise: PyTree, params: TabularParams, previous: TabularState | None) -> tuple[TabularState, Array]:
        state, position = inner.reset(noise, params, previous)
        return state, pictures.draw(position)

    def step(noise: PyTree, state: TabularState, action: Array, params: TabularParams) -> Step:
        made = inner.step(noise, state, action, params)
        return made._replace(observation=pictures.draw(made.observation))

    tables = maze.tables
    # What a successor is worth is looked up in the slot of the other phase: it must be the same slot.
    is_aligned = all((part == part[:1]).all() for part in (tables.successor, tables.terminates))
    return Simulator(
        environment=Environment(inner.draw, inner.draw_reset, reset, step, inner.num_actions),
        params=params,
        observation=like((pictures.height * pictures.width,), jnp.float32),
        reward_scale=tables.largest_reward,
        outcomes=functools.partial(_outcomes, pictures, tables) if is_aligned else None,
        num_phases=tables.num_phases,
    )


def _outcomes(
    pictures: Pictures, tables: Tables, observation: Array, action: Array, dynamics_phase: Array, task_phase: Array
) -> Outcomes:
    num_states, num_actions, num_slots = tables.probability.shape[1:]
    pair = pictures.read(observation) * num_actions + action

    def of_phase(table: NDArray[np.generic], phase: Array) -> Array:
        return lookup(jnp.asarray(table).reshape(-1, num_slots), phase * num_states * num_actions + pair)

    return Outcomes(
        of_phase(tables.probability, dynamics_phase),
        of_phase(tables.reward, task_phase),
        of_phase(tables.terminates, task_phase),
        jnp.stack([pictures.draw(state) for state in of_phase(tables.successor, dynamics_phase)]),
    )


def tmaze_image(settings: TMazeImageSettings) -> Simulator:
    """The TMaze of the settings, seen as pictures."""
    return drawn(tmaze(settings), switch_every=settings.switch_every, step_limit=settings.step_limit)


def two_rooms_image(settings: TwoRoomsImageSettings) -> Simulator:
    """TwoRooms of the settings, seen as pictures."""
    return drawn(two_rooms(settings), switch_every=settings.switch_every, step_limit=settings.step_limit)


TMAZE_IMAGE_ROW = EnvironmentRow(
    "tmaze_image", "the TMaze, seen as a picture; no listed states", TMazeImageSettings, tmaze_image
)
TWO_ROOMS_IMAGE_ROW = EnvironmentRow(
    "tworooms_image", "TwoRooms, seen as a picture; no listed states", TwoRoomsImageSettings, two_rooms_image
)
