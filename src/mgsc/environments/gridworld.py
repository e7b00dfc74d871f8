"""Continuous GridWorlds: a point in the unit square, four noisy moves, walls with openings, a goal in a corner."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments.changing import Number, Rules, change, phases_of, simulate, switch_every
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.indexing import lookup
from mgsc.settings import choice, number, size, takes
from mgsc.types import Array, PyTree

LENGTH = 0.05
"""Length of a move, and side of the squares of the start and of the goal."""

MOVES = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
"""(x, y) directions of the actions up, right, down, left."""

WALLS = {
    "grid": ((0.5, 0.6, 0.4, 0.5, 0.9, 1.0),),
    "tough": ((0.4, 0.6, 0.58, 0.6, 0.18, 0.2),),
    "maze": ((0.2, 0.3, 0.4, 0.5, 0.5, 0.6), (0.4, 0.5, 0.9, 1.0, 0.0, 0.1), (0.7, 0.8, 0.1, 0.2, 0.8, 0.9)),
}
"""Of each wall: the ends of its x, and the ends of the y at which it is open, in the first phase and the second."""

NODES = np.array([-math.sqrt(3.0), 0.0, math.sqrt(3.0)], np.float32)
SHARES = np.array([1 / 6, 2 / 3, 1 / 6], np.float32)
"""Gauss–Hermite's three points for a standard normal number: they have its first five moments."""


@dataclasses.dataclass(frozen=True)
class GridWorldSettings:
    """A GridWorld of the published kind, and its change."""

    walls: str = choice("grid", tuple(WALLS), "grid: one wall; tough: a thicker one, hardly open; maze: three walls")
    noise: float = number(0.01, 0.0, 1.0, "standard deviation of a move, along its direction")
    step_reward: float = number(-1.0, -math.inf, math.inf, "reward of a step that does not reach the goal")
    goal_reward: float = number(0.0, -math.inf, math.inf, "reward of reaching the goal")
    change: str = change(
        ("goal", "walls", "reversed"),
        "what the second phase has of its own: the goal in the lower right corner, other openings, or reversed moves",
    )
    switch_every: int = switch_every()
    step_limit: int = size(2000, 0, 2**30, "steps after which an episode is truncated; 0 for none")


class Ground(NamedTuple):
    """The dynamics: walls and moves.

    Attributes:
        walls: [W, 2] ends of the x of each wall.
        openings: [W, 2] ends of the y of its opening.
        moves: [4, 2] directions of the actions.
        noise: standard deviation of a move.
    """

    walls: Array
    openings: Array
    moves: Array
    noise: Number


class Corner(NamedTuple):
    """The task: the goal lies strictly between ``low`` and ``high`` [2]."""

    low: Array
    high: Array
    step_reward: Number
    goal_reward: Number


@takes(GridWorldSettings)
def gridworld(settings: GridWorldSettings) -> Simulator:
    """The environment of the settings.

    Without noise the fewest steps to the goal are 38 in ``grid``, 38 or 39 in ``tough`` and 67 in ``maze``: returns of
    −37 and −66. In exact arithmetic ``maze`` takes 68: by rounding, in single precision as well, a position of 0.95
    counts as beyond 0.95.

    Source: Pan et al. 2019, "Hill climbing on value estimates for search-control in Dyna", and its authors' code,
    reproduceRL. Differs in: a model of it has three points for the noise of a move (Gauss–Hermite), so that its
    expectation has three terms; the change of goal, walls or moves is ours.

    Raises:
        UserError: a change without a schedule, or a schedule without a change.
    """
    changes = phases_of(settings)
    rules = Rules(
        num_actions=len(MOVES),
        start=lambda key: jax.random.uniform(key, (2,), maxval=LENGTH),
        move=_move,
        judge=_judge,
        observe=lambda place: place,
        draw=jax.random.normal,
        infer=lambda observation: observation,
        # Without noise all three would lead to one place.
        chances=(NODES, SHARES) if settings.noise else (NODES[1:2], np.ones(1, np.float32)),
    )
    return simulate(
        rules,
        [_ground(settings, changed) for changed in changes],
        [_corner(settings, changed) for changed in changes],
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        reward_scale=max(abs(settings.step_reward), abs(settings.goal_reward)) or 1.0,
    )


def _ground(settings: GridWorldSettings, changed: str | None) -> Ground:
    walls = jnp.array(WALLS[settings.walls])
    openings = walls[:, 4:] if changed == "walls" else walls[:, 2:4]
    moves = jnp.asarray(-MOVES if changed == "reversed" else MOVES)
    return Ground(walls[:, :2], openings, LENGTH * moves, settings.noise)


def _corner(settings: GridWorldSettings, changed: str | None) -> Corner:
    vertical = (-math.inf, LENGTH) if changed == "goal" else (1 - LENGTH, math.inf)
    low, high = jnp.array([(1 - LENGTH, math.inf), vertical]).T
    return Corner(low, high, settings.step_reward, settings.goal_reward)


def _move(noise: Array, place: Array, action: Array, ground: Ground) -> Array:
    step = lookup(ground.moves, action)
    reached = place + step + jnp.where(step != 0, noise * ground.noise, 0.0)
    return jnp.clip(jnp.where(is_in_wall(reached, ground), place, reached), 0.0, 1.0)


def is_in_wall(place: Array, ground: Ground) -> Array:
    """[] whether a place [2] lies in a wall, which it does not in its opening."""
    is_inside = (place[0] >= ground.walls[:, 0]) & (place[0] <= ground.walls[:, 1])
    is_open = (place[1] >= ground.openings[:, 0]) & (place[1] <= ground.openings[:, 1])
    return (is_inside & ~is_open).any()


def _judge(place: PyTree, action: Array, reached: Array, corner: Corner) -> tuple[Array, Array]:
    del place, action
    is_goal = ((reached > corner.low) & (reached < corner.high)).all()
    return jnp.where(is_goal, corner.goal_reward, corner.step_reward), is_goal


GRIDWORLD_ROW = EnvironmentRow(
    "gridworld", "a point in a square, noisy moves, walls with openings; no tables", GridWorldSettings, gridworld
)
