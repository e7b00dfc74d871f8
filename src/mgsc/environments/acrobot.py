"""Acrobot in JAX: swing the free end of two links above a line, with torque on the joint between them."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments.changing import Number, Rules, change, phases_of, simulate, switch_every
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.settings import number, size, takes
from mgsc.types import Array, PyTree

GRAVITY, MASS, LENGTH, CENTRE, INERTIA, SECONDS = 9.8, 1.0, 1.0, 0.5, 1.0, 0.2
"""Both links are alike: mass [kg], length and place of the centre of mass [m], moment of inertia [kg m²]."""

FASTEST = (4 * math.pi, 9 * math.pi)
"""Largest angular velocities [rad/s] of the two joints."""

START = 0.1
"""Half the width of the interval around zero in which all four numbers begin, uniformly."""

HEIGHT = 1.0
"""Height above the fixed joint that the free end must reach [m]."""


@dataclasses.dataclass(frozen=True)
class AcrobotSettings:
    """Acrobot-v1's task, and its change."""

    reward: float = number(-1.0, -math.inf, math.inf, "reward of every step but the last, whose reward is 0")
    change: str = change(
        ("gravity", "link", "reversed", "goal"),
        "what the second phase has of its own: gravity or mass of the second link, reversed torques, or another height",
    )
    factor: float = number(2.0, 0.0, 100.0, "what gravity or the second link's mass is multiplied by", above=True)
    later_height: float = number(0.0, -2.0, 2.0, "height of the goal in the second phase, if it changes [m]")
    switch_every: int = switch_every()
    step_limit: int = size(500, 0, 2**30, "steps after which an episode is truncated; 0 for none")


class Links(NamedTuple):
    """The dynamics: gravity [m/s²], mass of the second link [kg], direction of the torque."""

    gravity: Number
    outer_mass: Number
    direction: Number


class Goal(NamedTuple):
    """The task: height above the fixed joint [m], and the reward of a step."""

    height: Number
    reward: Number


@takes(AcrobotSettings)
def acrobot(settings: AcrobotSettings) -> Simulator:
    """The environment of the settings.

    Source: Sutton 1996; numbers, Runge-Kutta steps and rewards as Gymnasium's Acrobot-v1, which has the book's
    equations. Differs in single precision; the changes are ours.

    Raises:
        UserError: a change without a schedule, a schedule without a change, or a change that changes nothing.
    """
    changes = phases_of(settings, gravity=("factor", 1.0), link=("factor", 1.0), goal=("later_height", HEIGHT))
    rules = Rules(
        num_actions=3,
        start=lambda key: jax.random.uniform(key, (4,), minval=-START, maxval=START),
        move=_move,
        judge=_judge,
        observe=_observe,
        infer=_infer,
    )
    return simulate(
        rules,
        [_links(settings, changed) for changed in changes],
        [Goal(settings.later_height if changed == "goal" else HEIGHT, settings.reward) for changed in changes],
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        reward_scale=abs(settings.reward) or 1.0,
        observation_scale=np.array([1.0, 1.0, 1.0, 1.0, 4.0, 9.0], np.float32),
    )


def _links(settings: AcrobotSettings, changed: str | None) -> Links:
    return Links(
        gravity=GRAVITY * (settings.factor if changed == "gravity" else 1.0),
        outer_mass=MASS * (settings.factor if changed == "link" else 1.0),
        direction=-1.0 if changed == "reversed" else 1.0,
    )


def _observe(angles: Array) -> Array:
    first, second = angles[0], angles[1]
    return jnp.stack([jnp.cos(first), jnp.sin(first), jnp.cos(second), jnp.sin(second), angles[2], angles[3]])


def _infer(observation: Array) -> Array:
    first = jnp.arctan2(observation[1], observation[0])
    second = jnp.arctan2(observation[3], observation[2])
    return jnp.stack([first, second, observation[4], observation[5]])


def _move(noise: PyTree, angles: Array, action: Array, links: Links) -> Array:
    """One step of Runge and Kutta's fourth order."""
    del noise
    torque = links.direction * (action - 1)
    first = _slope(angles, torque, links)
    second = _slope(angles + SECONDS / 2 * first, torque, links)
    third = _slope(angles + SECONDS / 2 * second, torque, links)
    fourth = _slope(angles + SECONDS * third, torque, links)
    reached = angles + SECONDS / 6.0 * (first + 2 * second + 2 * third + fourth)
    turned = reached[:2] - 2 * math.pi * jnp.floor((reached[:2] + math.pi) / (2 * math.pi))
    fastest = jnp.array(FASTEST, reached.dtype)
    return jnp.concatenate([turned, jnp.clip(reached[2:], -fastest, fastest)])


def _slope(angles: Array, torque: Array, links: Links) -> Array:
    """Velocities and accelerations of the two angles."""
    first, second, first_speed, second_speed = angles
    outer, gravity = links.outer_mass, links.gravity
    arm = outer * LENGTH * CENTRE
    both = MASS * CENTRE**2 + outer * (LENGTH**2 + CENTRE**2) + 2 * arm * jnp.cos(second) + 2 * INERTIA
    shared = outer * CENTRE**2 + arm * jnp.cos(second) + INERTIA
    outer_pull = outer * CENTRE * gravity * jnp.cos(first + second - math.pi / 2)
    pull = (
        -arm * second_speed**2 * jnp.sin(second)
        - 2 * arm * second_speed * first_speed * jnp.sin(second)
        + (MASS * CENTRE + outer * LENGTH) * gravity * jnp.cos(first - math.pi / 2)
        + outer_pull
    )
    push = torque + shared / both * pull - arm * first_speed**2 * jnp.sin(second) - outer_pull
    second_gain = push / (outer * CENTRE**2 + INERTIA - shared**2 / both)
    first_gain = -(shared * second_gain + pull) / both
    return jnp.stack([first_speed, second_speed, first_gain, second_gain])


def _judge(angles: Array, action: Array, reached: Array, goal: Goal) -> tuple[Array, Array]:
    del angles, action
    is_above = -jnp.cos(reached[0]) - jnp.cos(reached[0] + reached[1]) > goal.height
    return jnp.where(is_above, 0.0, goal.reward), is_above


ACROBOT_ROW = EnvironmentRow("acrobot", "swing two links up; no tables", AcrobotSettings, acrobot, "return")
