"""Environments of gymnax, which are pure functions, as simulators."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.base import Environment, Step
from mgsc.environments.foreign import NEVER, reward_scale, time_limit
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.errors import UserError
from mgsc.noise import keys
from mgsc.settings import text, unknown
from mgsc.types import Array, PyTree, like


@dataclasses.dataclass(frozen=True)
class GymnaxSettings:
    """An environment of gymnax; for its own parameters use ``from_gymnax`` and ``own_environment``."""

    switch_every: ClassVar[int] = NEVER

    id: str = text("Breakout-MinAtar", "what gymnax.make takes")
    time_limit: int = time_limit()
    reward_scale: float = reward_scale()

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is truncated.

        Raises:
            UserError: gymnax is not installed, or has no such environment.
        """
        return self.time_limit or int(_make(self.id)[1].max_steps_in_episode)


class GymnaxState(NamedTuple):
    """The environment's own state, and the run's clock.

    Attributes:
        inner: of gymnax.
        clock: int32 environment steps since the run began.
    """

    inner: PyTree
    clock: Array


def from_gymnax(
    env: Any,
    params: Any = None,
    *,
    reward_scale: float = 1.0,
    observation_scale: NDArray[np.float32] | None = None,
) -> Simulator:
    """A simulator of an environment in gymnax's form, of version 1.0 or later.

    A step returns the true next observation, and terminated and truncated apart; the loop resets the environment. The
    simulator has no outcomes for a model ``simulated``.

    Args:
        env: an environment of gymnax.
        params: its parameters; None for its default ones.
        reward_scale: a typical size of rewards.
        observation_scale: like an observation, typical sizes of its entries.

    Raises:
        UserError: it lacks a function of gymnax's form, such as ``step_env``, or its observations are no array.
    """
    for name in ("reset_env", "step_env", "is_truncated", "num_actions"):
        if not hasattr(type(env), name):
            raise UserError(f"{type(env).__name__} has no {name}: it must be an environment of gymnax, 1.0 or later")
    params = env.default_params if params is None else params
    seen = jax.eval_shape(lambda key: env.reset_env(key, params)[0], jax.random.key(0))
    if not hasattr(seen, "shape"):
        raise UserError(f"observations of {env.name} are a {type(seen).__name__}: an array is needed")
    environment = Environment(
        draw=keys,
        draw_reset=keys,
        reset=functools.partial(_reset, env),
        step=functools.partial(_step, env),
        num_actions=int(env.num_actions),
    )
    observation = like(seen.shape, jnp.result_type(float))
    return Simulator(environment, params, observation, reward_scale, observation_scale, made_of=(env.name,))


def _reset(env: Any, noise: Array, params: PyTree, previous: GymnaxState | None) -> tuple[GymnaxState, Array]:
    observation, inner = env.reset_env(noise, params)
    clock = jnp.zeros((), jnp.int32) if previous is None else previous.clock
    return GymnaxState(inner, clock), _numbers(observation)


def _step(env: Any, noise: Array, state: GymnaxState, action: Array, params: PyTree) -> Step:
    observation, inner, reward, terminated, _ = env.step_env(noise, state.inner, action, params)
    terminated = jnp.asarray(terminated, bool)
    truncated = ~terminated & env.is_truncated(inner, params)
    return Step(GymnaxState(inner, state.clock + 1), _numbers(observation), _numbers(reward), terminated, truncated)


def _numbers(values: Any) -> Array:
    return jnp.asarray(values, jnp.result_type(float))


def _make(name: str) -> tuple[Any, Any]:
    try:
        import gymnax
    except ImportError:
        raise UserError("this needs gymnax 1.0 or later, which is not installed: pip install gymnax six") from None
    if name not in gymnax.registered_envs:
        raise unknown("environment of gymnax", name, gymnax.registered_envs)
    made: tuple[Any, Any] = gymnax.make(name)
    return made


def _build(settings: GymnaxSettings) -> Simulator:
    env, params = _make(settings.id)
    if settings.time_limit:
        params = params.replace(max_steps_in_episode=settings.time_limit)
    return from_gymnax(env, params, reward_scale=settings.reward_scale)


GYMNAX_ROW = EnvironmentRow(
    "gymnax", "an environment of gymnax, such as MinAtar's games; no tables", GymnaxSettings, _build, "return"
)
