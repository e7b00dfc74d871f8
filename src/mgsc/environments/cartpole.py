"""CartPole in JAX: balance a pole on a cart by pushing left or right."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments.changing import Number, Rules, change, phases_of, simulate, switch_every
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.settings import added, number, size, takes
from mgsc.types import Array, PyTree

GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
FARTHEST, WIDEST = 2.4, 12 * 2 * math.pi / 360
"""Position [m] and angle [rad] beyond which an episode ends."""

START = 0.05
"""Half the width of the interval around zero in which all four numbers begin, uniformly."""


@dataclasses.dataclass(frozen=True)
class CartPoleSettings:
    """CartPole-v1's task, its reward, and its change."""

    reward: float = number(1.0, -math.inf, math.inf, "reward of every step")
    switch_every: int = switch_every()
    step_limit: int = size(500, 0, 2**30, "steps after which an episode is truncated; 0 for none")
    change: str = added(
        change(
            ("gravity", "pole", "reversed", "tilt"),
            "what the second phase has of its own: gravity or mass of the pole, reversed pushes, or reversed tilt",
        )
    )
    factor: float = added(number(2.0, 0.0, 100.0, "what gravity or the pole's mass is multiplied by", above=True))
    tilt: float = added(
        number(0.0, -math.inf, math.inf, "reward added at the right end of the track, and taken away at the left")
    )


class Pole(NamedTuple):
    """The dynamics.

    Attributes:
        gravity: [m/s²].
        pole_mass: [kg].
        mass: of cart and pole [kg].
        moment: the pole's mass times half its length [kg m].
        force: of a push to the right [N].
    """

    gravity: Number
    pole_mass: Number
    mass: Number
    moment: Number
    force: Number


class Balance(NamedTuple):
    """The task: reward of every step, and what is added to it at the right end of the track (reward)."""

    reward: Number
    tilt: Number


@takes(CartPoleSettings)
def cartpole(settings: CartPoleSettings) -> Simulator:
    """The environment of the settings.

    Source: Barto, Sutton & Anderson 1983; numbers, Euler steps and rewards as Gymnasium's CartPole-v1.
    Differs in single precision only; the changes are *ours*.

    Raises:
        UserError: a change without a schedule, a schedule without a change, or a change that changes nothing.
    """
    changes = phases_of(settings, tilt=("tilt", 0.0), gravity=("factor", 1.0), pole=("factor", 1.0))
    rules = Rules(
        num_actions=2,
        start=lambda key: jax.random.uniform(key, (4,), minval=-START, maxval=START),
        move=_move,
        judge=_judge,
        observe=lambda physics: physics,
        infer=lambda observation: observation,
    )
    return simulate(
        rules,
        [_pole(settings, changed) for changed in changes],
        [Balance(settings.reward, -settings.tilt if changed == "tilt" else settings.tilt) for changed in changes],
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        reward_scale=abs(settings.reward) + abs(settings.tilt) or 1.0,
        observation_scale=np.array([1.0, 1.0, 0.1, 1.0], np.float32),
    )


def _pole(settings: CartPoleSettings, changed: str | None) -> Pole:
    pole_mass = POLE_MASS * (settings.factor if changed == "pole" else 1.0)
    return Pole(
        gravity=GRAVITY * (settings.factor if changed == "gravity" else 1.0),
        pole_mass=pole_mass,
        mass=CART_MASS + pole_mass,
        moment=pole_mass * HALF_LENGTH,
        force=-FORCE if changed == "reversed" else FORCE,
    )


def _move(noise: PyTree, physics: Array, action: Array, pole: Pole) -> Array:
    """One step of Euler's; [4] position [m], velocity [m/s], angle [rad], angular velocity [rad/s]."""
    del noise
    _, velocity, angle, turning = physics
    force = jnp.where(action == 1, pole.force, -pole.force)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    push = (force + pole.moment * turning**2 * sine) / pole.mass
    inertia = HALF_LENGTH * (4.0 / 3.0 - pole.pole_mass * cosine**2 / pole.mass)
    bending = (pole.gravity * sine - cosine * push) / inertia
    pulling = push - pole.moment * bending * cosine / pole.mass
    return physics + SECONDS * jnp.stack([velocity, pulling, turning, bending])


def _judge(physics: Array, action: Array, reached: Array, balance: Balance) -> tuple[Array, Array]:
    del physics, action
    terminated = (jnp.abs(reached[0]) > FARTHEST) | (jnp.abs(reached[2]) > WIDEST)
    return balance.reward + balance.tilt * reached[0] / FARTHEST, terminated


CARTPOLE_ROW = EnvironmentRow("cartpole", "balance a pole on a cart; no tables", CartPoleSettings, cartpole, "return")
