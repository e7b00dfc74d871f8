"""Pendulum in JAX: swing a rod up and keep it there, with a torque that is a number."""

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
from mgsc.types import Array, PyTree, like

GRAVITY, MASS, LENGTH, SECONDS = 10.0, 1.0, 1.0, 0.05
"""Gravity [m/s²], mass [kg], length [m], and time of a step [s]."""

FASTEST, STRONGEST = 8.0, 2.0
"""Largest angular velocity [rad/s] and torque [N m]."""

START = (math.pi, 1.0)
"""Half the widths of the intervals around zero in which angle [rad; 0 is upright] and speed [rad/s] begin."""

SPEED_COST, TORQUE_COST = 0.1, 0.001


@dataclasses.dataclass(frozen=True)
class PendulumSettings:
    """Pendulum-v1's task, and its change."""

    change: str = change(
        ("gravity", "mass", "reversed", "goal"),
        "what the second phase has of its own: gravity, the rod's mass, reversed torques, or another angle to keep",
    )
    factor: float = number(2.0, 0.0, 100.0, "what gravity or the mass is multiplied by", above=True)
    later_angle: float = number(1.0, -math.pi, math.pi, "angle to keep in the second phase, if it changes [rad]")
    switch_every: int = switch_every()
    step_limit: int = size(200, 0, 2**30, "steps after which an episode is truncated; 0 for none")


class Rod(NamedTuple):
    """The dynamics: gravity [m/s²], mass [kg], and torque of the action 1 [N m]."""

    gravity: Number
    mass: Number
    torque: Number


class Keep(NamedTuple):
    """The task: the angle to keep [rad]."""

    angle: Number


@takes(PendulumSettings)
def pendulum(settings: PendulumSettings) -> Simulator:
    """The environment of the settings; an action is one number in [−1, 1], a share of the largest torque.

    Source: numbers, steps and rewards as Gymnasium's Pendulum-v1. Differs in single precision, and in that actions are
    divided by the largest torque; the changes are *ours*.

    Raises:
        UserError: a change without a schedule, a schedule without a change, or a change that changes nothing.
    """
    changes = phases_of(settings, gravity=("factor", 1.0), mass=("factor", 1.0), goal=("later_angle", 0.0))
    most = jnp.array(START)
    rules = Rules(
        num_actions=0,
        start=lambda key: jax.random.uniform(key, (2,), minval=-most, maxval=most),
        move=_move,
        judge=_judge,
        observe=lambda state: jnp.stack([jnp.cos(state[0]), jnp.sin(state[0]), state[1]]),
        infer=lambda seen: jnp.stack([jnp.arctan2(seen[1], seen[0]), seen[2]]),
        action=like((1,), jnp.float32),
    )
    return simulate(
        rules,
        [_rod(settings, changed) for changed in changes],
        [Keep(settings.later_angle if changed == "goal" else 0.0) for changed in changes],
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        reward_scale=10.0,
        observation_scale=np.array([1.0, 1.0, FASTEST], np.float32),
    )


def _rod(settings: PendulumSettings, changed: str | None) -> Rod:
    return Rod(
        gravity=GRAVITY * (settings.factor if changed == "gravity" else 1.0),
        mass=MASS * (settings.factor if changed == "mass" else 1.0),
        torque=-STRONGEST if changed == "reversed" else STRONGEST,
    )


def _push(action: Array) -> Array:
    """[] the action, cut off at −1 and 1."""
    return jnp.clip(action[0], -1.0, 1.0)


def _move(noise: PyTree, state: Array, action: Array, rod: Rod) -> Array:
    del noise
    angle, speed = state
    gain = 1.5 * rod.gravity / LENGTH * jnp.sin(angle) + 3.0 / (rod.mass * LENGTH**2) * rod.torque * _push(action)
    faster = jnp.clip(speed + gain * SECONDS, -FASTEST, FASTEST)
    return jnp.stack([angle + faster * SECONDS, faster])


def _judge(state: Array, action: Array, reached: Array, keep: Keep) -> tuple[Array, Array]:
    del reached
    turned = (state[0] - keep.angle + math.pi) % (2 * math.pi) - math.pi
    cost = turned**2 + SPEED_COST * state[1] ** 2 + TORQUE_COST * (STRONGEST * _push(action)) ** 2
    return -cost, jnp.zeros((), bool)


PENDULUM_ROW = EnvironmentRow(
    "pendulum", "swing a rod up with a torque that is a number; no tables", PendulumSettings, pendulum, "return"
)
