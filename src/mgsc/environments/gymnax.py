"""This package's environments in gymnax's form: ``reset`` and ``step`` with keys and parameters, and automatic resets.

The form follows gymnax 1.0.1 without its classes, so gymnax is needed for its spaces only::

    env = as_gymnax(tmaze(TMazeSettings()), switch_every=500)
    observation, state = env.reset(key, env.default_params)
    observation, state, reward, terminated, truncated, info = env.step(key, state, action, env.default_params)
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.environments.base import Environment
from mgsc.environments.maze import Maze
from mgsc.environments.tables import check_steps
from mgsc.environments.tabular import NO_LIMIT, TabularParams, tabular
from mgsc.environments.world import World
from mgsc.errors import UserError
from mgsc.types import Array, PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GymnaxParams:
    """Parameters with the name that gymnax reads.

    Attributes:
        environment: the environment's own parameters.
        max_steps_in_episode: steps after which an episode is truncated, in place of the parameters' own.
    """

    environment: TabularParams
    max_steps_in_episode: int

    def replace(self, **changes: Any) -> GymnaxParams:
        """A copy with some of them changed."""
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True, eq=False)
class GymnaxForm:
    """An environment in gymnax's form; ``as_gymnax`` makes it.

    Attributes:
        environment: the wrapped environment.
        default_params: parameters to pass, or to change with ``replace``.
        name: in gymnax.
    """

    environment: Environment
    default_params: GymnaxParams
    name: str = "mgsc"

    @property
    def num_actions(self) -> int:
        """A, the number of actions."""
        return self.environment.num_actions

    def reset(self, key: Array, params: GymnaxParams | None = None) -> tuple[Array, PyTree]:
        """Begins a run.

        Returns:
            observation, state.
        """
        inner = _inner(params or self.default_params)
        state, observation = self.environment.reset(self.environment.draw_reset(key), inner, None)
        return observation, state

    def step(
        self, key: Array, state: PyTree, action: Array, params: GymnaxParams | None = None
    ) -> tuple[Array, PyTree, Array, Array, Array, dict[str, Array]]:
        """One step, and a reset where the episode ended; the schedule of switches goes on.

        Returns:
            observation (of the new episode where one ended), state, reward, terminated, truncated, info:
            ``final_observation`` is the true next one, ``discount`` is 0 where the task ended.

        Raises:
            UserError: an action out of range. Inside ``jax.jit``, where it is traced, the nearest one is taken.
        """
        if not isinstance(action, jax.core.Tracer):
            number = np.asarray(action)
            if number.dtype.kind not in "iu" or not ((number >= 0) & (number < self.num_actions)).all():
                raise UserError(f"action is {action!r}: it must be in [0, {self.num_actions - 1}]")
        key_step, key_reset = jax.random.split(key)
        inner, own = _inner(params or self.default_params), self.environment
        stepped = own.step(own.draw(key_step), state, jnp.asarray(action), inner)
        restarted, first = own.reset(own.draw_reset(key_reset), inner, stepped.state)
        done = stepped.terminated | stepped.truncated
        after = jax.tree.map(lambda new, old: jnp.where(done, new, old), restarted, stepped.state)
        info = {
            "terminated": stepped.terminated,
            "truncated": stepped.truncated,
            "final_observation": stepped.observation,
            "discount": jnp.where(stepped.terminated, 0.0, 1.0),
        }
        observation = jnp.where(done, first, stepped.observation)
        return observation, after, stepped.reward, stepped.terminated, stepped.truncated, info

    def action_space(self, params: GymnaxParams | None = None) -> Any:
        """The actions, as gymnax's ``Discrete``."""
        return _spaces().Discrete(self.num_actions)

    def observation_space(self, params: GymnaxParams | None = None) -> Any:
        """The states, as gymnax's ``Discrete``."""
        return _spaces().Discrete((params or self.default_params).environment.start.shape[-1])


def as_gymnax(
    source: Maze | World | Environment,
    params: TabularParams | None = None,
    *,
    switch_every: int = NO_LIMIT,
    step_limit: int | None = None,
    name: str = "mgsc",
) -> GymnaxForm:
    """An environment in gymnax's form.

    Args:
        source: a maze, a world, or an environment of ``tabular`` with its parameters.
        params: the parameters of an environment; mazes and worlds have none.
        switch_every: environment steps each phase of a maze or world lasts.
        step_limit: steps after which an episode is truncated, 0 for none; None for the source's own.
        name: in gymnax.

    Raises:
        UserError: an environment without parameters, settings that belong into the parameters, or no number of steps.
    """
    if not isinstance(source, Environment):
        if params is not None:
            raise UserError("params belong to an Environment: a maze or a world takes switch_every and step_limit")
        environment, params = tabular(source, switch_every=switch_every, step_limit=step_limit)
    elif not isinstance(params, TabularParams):
        raise UserError("an Environment needs params, those that tabular() gave with it")
    elif switch_every != NO_LIMIT:
        raise UserError("switch_every of an Environment is in its params: change it there")
    else:
        environment = source
    if step_limit is not None:
        check_steps("step_limit", step_limit)
    limit = int(params.step_limit) if step_limit is None else step_limit or NO_LIMIT
    return GymnaxForm(environment, GymnaxParams(params, limit), name)


def _inner(params: GymnaxParams) -> TabularParams:
    return params.environment._replace(step_limit=jnp.asarray(params.max_steps_in_episode, jnp.int32))


def _spaces() -> Any:
    try:
        from gymnax.environments import spaces
    except ImportError:
        raise UserError("spaces need gymnax, which is not installed: pip install gymnax") from None
    return spaces
