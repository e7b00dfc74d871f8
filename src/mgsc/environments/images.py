"""Mazes with pictures as observations: the same tables, and a picture of the map with the agent in it.

A picture has a number for each place of the map, walls too, in one flat row: 1 where the agent is, ½ on its four
neighbours, 0 elsewhere. A large map can be drawn with several cells to a pixel: the agent is then between pixels, and
each of these is 1 less half its distance. So a picture need not grow with the maze. The agent has no list of states.
``maze_images`` and ``states_in`` convert states to pictures and back, for comparisons of results with those of tables.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mgsc.environments.base import Environment, Step
from mgsc.environments.maze import Maze
from mgsc.environments.row import EnvironmentRow, Outcomes, Simulator
from mgsc.environments.tables import Tables, check_can_end, check_steps
from mgsc.environments.tabular import TabularParams, TabularState, tabular
from mgsc.environments.tmaze import TMazeSettings, tmaze
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms
from mgsc.errors import UserError
from mgsc.indexing import lookup
from mgsc.settings import check_setting, size, takes
from mgsc.types import Array, PyTree, like

NEXT_TO = 0.5
"""Brightness of a pixel at distance 1 from the agent."""


def _cells_per_pixel() -> Any:
    return size(1, 1, 1000, "cells of the map from one pixel to the next, down and across")


@dataclasses.dataclass(frozen=True)
class TMazeImageSettings(TMazeSettings):
    """A TMaze with pictures as observations."""

    stem: int = size(6, 1, 500, "cells of the stem; the start is at its foot")
    arm: int = size(4, 1, 500, "cells of each arm; the last one is terminal")
    cells_per_pixel: int = _cells_per_pixel()


@dataclasses.dataclass(frozen=True)
class TwoRoomsImageSettings(TwoRoomsSettings):
    """TwoRooms with pictures as observations."""

    width: int = size(5, 1, 200, "columns of each room")
    height: int = size(5, 3, 200, "rows of both rooms; the door and the start are in the middle one")
    cells_per_pixel: int = _cells_per_pixel()


class Pictures(NamedTuple):
    """The places of states in the pictures of a maze.

    Attributes:
        row, column: [S] int32 places of the states on the map.
        state: [rows, columns] int32, the state at each place of the map; at a wall, the nearest one.
        cells_per_pixel: cells of the map from one pixel to the next.
    """

    row: NDArray[np.int32]
    column: NDArray[np.int32]
    state: NDArray[np.int32]
    cells_per_pixel: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a picture [pixels]."""
        height, width = (-(-(length - 1) // self.cells_per_pixel) + 1 for length in self.state.shape)
        return height, width

    def draw(self, state: Array) -> Array:
        """[height · width] float32, the picture of a state."""
        height, width = self.shape
        down = jnp.abs(jnp.arange(height) - lookup(jnp.asarray(self.row), state) / self.cells_per_pixel)
        across = jnp.abs(jnp.arange(width) - lookup(jnp.asarray(self.column), state) / self.cells_per_pixel)
        return jnp.maximum(0.0, 1.0 - NEXT_TO * (down[:, None] + across)).ravel()

    def read(self, picture: Array) -> Array:
        """[] int32, the state of a picture; of any other picture, a state near its brightest pixel.

        Between two pixels, the difference of their brightness is the difference of their distances from the agent.
        """
        height, width = self.shape
        brightest = jnp.argmax(picture)
        row, column = brightest // width, brightest % width

        def pixel(row: Array, column: Array) -> Array:
            is_there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            # Beyond the border there is nobody, so the agent is on this side: what a pixel there would show.
            return jnp.where(is_there, picture[row * width + column], picture[brightest] - NEXT_TO)

        below = pixel(row + 1, column) - pixel(row - 1, column)
        right = pixel(row, column + 1) - pixel(row, column - 1)
        place = jnp.stack([row + below, column + right]) * self.cells_per_pixel
        most_down, most_across = (length - 1 for length in self.state.shape)
        nearest = jnp.round(place).astype(jnp.int32)
        cell = jnp.clip(nearest[0], 0, most_down) * (most_across + 1) + jnp.clip(nearest[1], 0, most_across)
        return lookup(jnp.asarray(self.state).ravel(), cell)


def pictures_of(maze: Maze, cells_per_pixel: int = 1) -> Pictures:
    """The places of a maze's states in its pictures.

    Raises:
        UserError: it is no maze, or ``cells_per_pixel`` is no number of cells.
    """
    from scipy import ndimage

    if not isinstance(maze, Maze):
        raise UserError(f"maze is a {type(maze).__name__}: it must be a Maze, as from_map makes it of a drawing")
    check_setting(TMazeImageSettings, "cells_per_pixel", cells_per_pixel)
    lines = maze.text.splitlines()
    state = np.full((len(lines), max(map(len, lines))), -1, np.int32)
    state[maze.row, maze.column] = np.arange(len(maze.row))
    near = ndimage.distance_transform_edt(state < 0, return_distances=False, return_indices=True)
    row, column = maze.row.astype(np.int32), maze.column.astype(np.int32)
    return Pictures(row, column, state[tuple(near)], cells_per_pixel)


def maze_images(maze: Maze, cells_per_pixel: int = 1) -> NDArray[np.float32]:
    """[S, height · width] the pictures of all states, for the analysis of results.

    Example:
        >>> from mgsc.environments import from_map
        >>> maze = from_map("S.A", {"A": (1.0,)})
        >>> maze_images(maze).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
        >>> maze_images(maze, cells_per_pixel=2).tolist()
        [[1.0, 0.5], [0.75, 0.75], [0.5, 1.0]]
    """
    height, width = pictures_of(maze, cells_per_pixel).shape
    down = np.abs(np.arange(height) - maze.row[:, None] / cells_per_pixel)
    across = np.abs(np.arange(width) - maze.column[:, None] / cells_per_pixel)
    distance = (down[:, :, None] + across[:, None, :]).reshape(len(maze.row), -1)
    return np.maximum(0.0, 1.0 - NEXT_TO * distance).astype(np.float32)


def states_in(maze: Maze, images: ArrayLike, cells_per_pixel: int = 1) -> NDArray[np.int32]:
    """[...] int32, the states of pictures [..., height · width], such as a run's candidates.

    Raises:
        UserError: they have another size than the maze's pictures, or are no finite numbers.
    """
    pictures, given = pictures_of(maze, cells_per_pixel), np.asarray(images)
    if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
        raise UserError(f"images are {given.dtype}: they must be numbers, and finite")
    height, width = pictures.shape
    if given.shape[-1:] != (height * width,):
        raise UserError(f"images have shape {given.shape}: the last axis must be {height} · {width} pixels long")
    flat = jnp.asarray(given.reshape(-1, height * width))
    return np.asarray(jax.jit(jax.vmap(pictures.read))(flat)).reshape(given.shape[:-1])


def drawn(maze: Maze, *, switch_every: int, step_limit: int = 0, cells_per_pixel: int = 1) -> Simulator:
    """The simulator of a maze with pictures as observations; its dynamics and phases are those of ``tabular(maze)``.

    Args:
        maze: from ``from_map``, or of a named maze.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated; 0 for none.
        cells_per_pixel: cells of the map from one pixel to the next.

    Raises:
        UserError: no number of steps, or a step limit within which no goal can be reached.
    """
    pictures = pictures_of(maze, cells_per_pixel)
    check_steps("step_limit", step_limit)
    check_can_end(maze.tables, step_limit)
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
        observation=like((math.prod(pictures.shape),), jnp.result_type(float)),
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
        jax.vmap(pictures.draw)(of_phase(tables.successor, dynamics_phase)),
    )


@takes(TMazeImageSettings)
def tmaze_image(settings: TMazeImageSettings) -> Simulator:
    """The TMaze of the settings, with pictures as observations."""
    return _drawn(tmaze(settings), settings)


@takes(TwoRoomsImageSettings)
def two_rooms_image(settings: TwoRoomsImageSettings) -> Simulator:
    """TwoRooms of the settings, with pictures as observations."""
    return _drawn(two_rooms(settings), settings)


def _drawn(maze: Maze, settings: TMazeImageSettings | TwoRoomsImageSettings) -> Simulator:
    return drawn(
        maze,
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        cells_per_pixel=settings.cells_per_pixel,
    )


TMAZE_IMAGE_ROW = EnvironmentRow(
    "tmaze_image", "the TMaze, seen as a picture; no listed states", TMazeImageSettings, tmaze_image
)
TWO_ROOMS_IMAGE_ROW = EnvironmentRow(
    "tworooms_image", "TwoRooms, seen as a picture; no listed states", TwoRoomsImageSettings, two_rooms_image
)
