"""CartPole in JAX: balance a pole on a cart by pushing left or right."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments.base import Environment, Step
from mgsc.environments.foreign import NEVER
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.noise import keys, nothing
from mgsc.settings import number, size
from mgsc.types import Array, PyTree, like

GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
FARTHEST, WIDEST = 2.4, 12 * 2 * math.pi / 360
"""Position [m] and angle [rad] beyond which the task has failed."""

START = 0.05
"""Episodes begin with all four numbers uniform within this of zero."""


@dataclasses.dataclass(frozen=True)
class CartPoleSettings:
    """CartPole-v1's task, with a reward of one's own."""

    reward: float = number(1.0, -math.inf, math.inf, "reward of every step")
    switch_every: int = size(NEVER, 1, 2**30, "environment steps between changes; nothing changes yet")
    step_limit: int = size(500, 0, 2**30, "steps after which an episode is truncated; 0 for none")


class CartPoleState(NamedTuple):
    """Where cart and pole are.

    Attributes:
        physics: [4] position [m], velocity [m/s], angle [rad], angular velocity [rad/s].
        episode_step: int32 steps since the episode began.
    """

    physics: Array
    episode_step: Array


class CartPoleParams(NamedTuple):
    """What can change without recompiling; see ``CartPoleSettings``."""

    reward: Array
    step_limit: Array


def cartpole(settings: CartPoleSettings) -> Simulator:
    """The environment of the settings.

    Source: Barto, Sutton & Anderson 1983; numbers, Euler steps and rewards as Gymnasium's CartPole-v1.
    Differs in nothing but single precision.
    """
    params = CartPoleParams(jnp.asarray(settings.reward), jnp.asarray(settings.step_limit or NEVER, jnp.int32))
    environment = Environment(draw=nothing, draw_reset=keys, reset=_reset, step=_step, num_actions=2)
    scale = np.array([1.0, 1.0, 0.1, 1.0], np.float32)
    reward_scale = abs(settings.reward) or 1.0
    return Simulator(environment, params, like((4,), jnp.float32), reward_scale, scale)


def _reset(noise: PyTree, params: CartPoleParams, previous: PyTree) -> tuple[CartPoleState, Array]:
    del params, previous
    physics = jax.random.uniform(noise, (4,), minval=-START, maxval=START)
    return CartPoleState(physics, jnp.zeros((), jnp.int32)), physics


def _step(noise: PyTree, state: CartPoleState, action: Array, params: CartPoleParams) -> Step:
    del noise
    _, velocity, angle, turning = state.physics
    force = jnp.where(action == 1, FORCE, -FORCE)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    mass = CART_MASS + POLE_MASS
    push = (force + POLE_MASS * HALF_LENGTH * turning**2 * sine) / mass
    inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine**2 / mass)
    bending = (GRAVITY * sine - cosine * push) / inertia
    pulling = push - POLE_MASS * HALF_LENGTH * bending * cosine / mass
    physics = state.physics + SECONDS * jnp.stack([velocity, pulling, turning, bending])
    terminated = (jnp.abs(physics[0]) > FARTHEST) | (jnp.abs(physics[2]) > WIDEST)
    after = CartPoleState(physics, state.episode_step + 1)
    truncated = ~terminated & (after.episode_step >= params.step_limit)
    return Step(after, physics, params.reward, terminated, truncated)


CARTPOLE_ROW = EnvironmentRow("cartpole", "balance a pole on a cart; no tables", CartPoleSettings, cartpole)
