"""Returns without exploration: means over a few episodes that no part learns from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.environments.base import Environment
from mgsc.environments.episodes import EpisodeState
from mgsc.experiments.design.quantities import Has
from mgsc.experiments.running.measure_row import MeasureRow, View
from mgsc.types import Array, PyTree

NUM_EPISODES = 3
MOST_STEPS = 1000
"""Most steps of an episode; of a longer one these steps count."""

KEY = 0
"""Root of the evaluation's noise: the episodes of a step begin alike for all agents and seeds."""

WITH_ACTOR: tuple[Has, ...] = ("actor",)


class _Playing(NamedTuple):
    state: PyTree
    observation: Array
    total: Array
    is_over: Array


def evaluation_return(view: View) -> Array:
    """[] mean return of episodes under the actor's best actions, in the current phase; NaN without an actor."""
    actor = view.agent.values.actor
    if actor is None:
        return jnp.full((), jnp.nan)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(KEY), view.state.step), NUM_EPISODES)

    def choose(key: Array, observation: Array) -> Array:
        del key
        return actor.best(view.state.values, observation)

    env, params, now = view.agent.environment, view.agent.environment_params, view.state.environment
    return jnp.mean(jax.vmap(lambda key: play(env, params, choose, key, MOST_STEPS, now))(keys))


def play(
    env: Environment,
    params: PyTree,
    choose: Callable[[Array, Array], Array],
    key: Array,
    most_steps: int,
    now: PyTree | None = None,
) -> Array:
    """[] return of one episode of at most ``most_steps`` steps.

    Args:
        params: of the environment.
        choose: ``(key, observation) -> action``.
        key: of the episode's noise.
        now: a state of the environment, whose phase the episode is in; None is the first phase.
    """
    key_begin, key_go_on = jax.random.split(key)
    state, observation = env.reset(env.draw_reset(key_begin), params, None)
    begun = _Playing(state if now is None else _at_time_of(state, now), observation, jnp.zeros(()), jnp.zeros((), bool))

    def goes_on(carry: tuple[Array, _Playing]) -> Array:
        return (carry[0] < most_steps) & ~carry[1].is_over

    def step(carry: tuple[Array, _Playing]) -> tuple[Array, _Playing]:
        count, now = carry
        key_step, key_restart = jax.random.split(jax.random.fold_in(key_go_on, count))
        action = choose(jax.random.fold_in(key_step, 1), now.observation)
        made = env.step(env.draw(key_step), now.state, action, params)
        is_end = made.terminated | made.truncated
        # Episodes beside this one may go on: an environment must not be stepped beyond its end.
        again = env.reset(env.draw_reset(key_restart), params, made.state)
        state, observation = jax.tree.map(
            lambda new, old: jnp.where(is_end, new, old), again, (made.state, made.observation)
        )
        total = now.total + jnp.where(now.is_over, 0.0, made.reward)
        return count + 1, _Playing(state, observation, total, now.is_over | is_end)

    return lax.while_loop(goes_on, step, (jnp.zeros((), jnp.int32), begun))[1].total


def _at_time_of(state: PyTree, other: PyTree) -> PyTree:
    """The state with the clock of another, which says what phase it is in an environment that changes."""
    if isinstance(state, EpisodeState):
        return state._replace(inner=_at_time_of(state.inner, other.inner))
    return state._replace(clock=other.clock) if "clock" in getattr(state, "_fields", ()) else state


ROW = MeasureRow(
    name="evaluation_return",
    meaning="Return of an episode under the actor's best actions",
    unit="reward",
    measure=evaluation_return,
    needs=WITH_ACTOR,
)
