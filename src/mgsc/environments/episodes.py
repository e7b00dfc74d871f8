"""Return and length of each episode, reported by the environment where it ends."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mgsc.environments.base import Environment, Step, check_step
from mgsc.errors import check_type
from mgsc.types import Array, PyTree


class EpisodeState(NamedTuple):
    """The environment's own state, and the episode so far.

    Attributes:
        inner: the environment's own state.
        total: [] reward since the episode began.
        length: int32 steps since the episode began.
    """

    inner: PyTree
    total: Array
    length: Array

    @property
    def clock(self) -> Array:
        """Environment steps since the run began, of an environment that counts them."""
        clock: Array = self.inner.clock
        return clock


def with_episodes(environment: Environment) -> Environment:
    """The environment, whose steps report ``episode_return`` (reward) and ``episode_length`` (steps) in their info.

    Both are those of the episode so far: at its last step they are the episode's own.

    Raises:
        UserError: that is no environment.
    """
    check_type("environment", environment, Environment, "be an Environment")

    def reset(noise: PyTree, params: PyTree, previous: EpisodeState | None) -> tuple[EpisodeState, Array]:
        inner, observation = environment.reset(noise, params, None if previous is None else previous.inner)
        return EpisodeState(inner, jnp.zeros(()), jnp.zeros((), jnp.int32)), observation

    def step(noise: PyTree, state: EpisodeState, action: Array, params: PyTree) -> Step:
        made = environment.step(noise, state.inner, action, params)
        check_step(made)
        after = EpisodeState(made.state, state.total + made.reward, state.length + 1)
        info = {"episode_return": after.total, "episode_length": after.length}
        return made._replace(state=after, info={**made.info, **info})

    return environment._replace(reset=reset, step=step)
