"""Any environment of Gymnasium, stepped live on the host from inside the compiled loop.

The loop calls a pure function of an episode's seed and its actions. The environments on the host only save the time to
play an episode again (``mgsc.environments.host``), so calls may be left out, made twice, or made for many lanes at
once. A state is complete: in another process a saved one goes on, after its episode has been played again. There an
environment whose steps do not follow from its seed and actions raises an error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.base import Environment, Step
from mgsc.environments.foreign import (
    NEVER,
    import_gymnasium,
    make_environment,
    reward_scale,
    step_limit_of,
    time_limit,
)
from mgsc.environments.host import Host
from mgsc.environments.live_trial import spaces_of, try_out
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.errors import UserError
from mgsc.indexing import put_at
from mgsc.settings import check_setting, text
from mgsc.types import Array, PyTree, like

if TYPE_CHECKING:
    from gymnasium import Env

MOST_STEPS = 2**20
"""Steps of an episode that ``time_limit`` may allow."""

MOST_BYTES = 2**20
"""Most bytes of an episode's actions, which are part of the state."""

INTERFACE = ("observation_space", "action_space", "spec", "unwrapped", "reset", "step", "close")
"""Attributes that a ``gymnasium.Env`` must have."""

VMAP = "broadcast_all"
"""All lanes of a block make one call."""


@dataclasses.dataclass(frozen=True)
class GymnasiumLiveSettings:
    """An environment of Gymnasium; for its own settings use ``live_gymnasium`` and ``own_environment``."""

    switch_every: ClassVar[int] = NEVER

    id: str = text("CartPole-v1", "what gymnasium.make takes")
    time_limit: int = time_limit(most=MOST_STEPS)
    reward_scale: float = reward_scale()

    @property
    def step_limit(self) -> int:
        """As ``step_limit_of``."""
        return step_limit_of(self.id, self.time_limit)


class LiveState(NamedTuple):
    """An episode so far, by which its environment on the host is found.

    Attributes:
        seed: uint32 seed of the episode.
        actions: [step limit, ...] actions of the episode; those from ``episode_step`` on have no meaning.
        episode_step: int32 steps since the episode began.
        clock: int32 environment steps since the run began.
        observation: the newest one.
        next_seed: uint32 seed of the next episode, if this one is over.
        first: the first observation of the next episode.
    """

    seed: Array
    actions: Array
    episode_step: Array
    clock: Array
    observation: Array
    next_seed: Array
    first: Array


def live_gymnasium(
    id_or_make: str | Callable[[], Env[Any, Any]],
    *,
    time_limit: int = 0,
    reward_scale: float = 1.0,
    observation_scale: NDArray[np.float32] | None = None,
    **make_kwargs: Any,
) -> Simulator:
    """An environment of Gymnasium as a simulator: observations of numbers, and A actions or actions of numbers.

    Every episode begins with ``reset(seed=...)``, with a seed from the run's key. Where actions are numbers (a
    ``Box``), ``num_actions`` is 0 and the loop's actions must have the space's shape. For a suite their bounds must be
    −1 and 1, as ``gymnasium.wrappers.RescaleAction(env, -1.0, 1.0)`` makes them. A few steps are made at once, to
    see that two episodes of one seed are equal and what ``reset`` and ``step`` return.

    Args:
        id_or_make: an id for ``gymnasium.make``, or a function that returns a new environment at each call, such as one
            with wrappers.
        time_limit: steps after which an episode is truncated; 0 takes the environment's own.
        reward_scale: a typical size of rewards.
        observation_scale: like an observation, typical sizes of its entries.
        **make_kwargs: for ``gymnasium.make``.

    Raises:
        UserError: there is no such environment, it has other spaces or no limit of steps, a scale is not positive, or
            a step shows what an environment must not do; see ``live_trial``.

    Warns:
        UserWarning: an episode does not follow from its seed and actions, so results cannot be repeated.
    """
    gymnasium = import_gymnasium()
    check_setting(GymnasiumLiveSettings, "time_limit", time_limit)
    check_setting(GymnasiumLiveSettings, "reward_scale", reward_scale)
    make = _maker(gymnasium, id_or_make, time_limit, make_kwargs)
    with_env = make()
    try:
        name = with_env.spec.id if with_env.spec is not None else type(with_env.unwrapped).__name__
        observation = _observation(gymnasium, name, with_env.observation_space)
        action, num_actions, least = _action(gymnasium, name, with_env.action_space)
        is_scaled = num_actions == 0 and bool(
            (with_env.action_space.low == -1).all() and (with_env.action_space.high == 1).all()
        )
        limit = _limit(name, with_env, time_limit)
        _check_scale(name, observation_scale, observation)
        if limit * max(1, math.prod(action.shape)) * action.dtype.itemsize > MOST_BYTES:
            raise UserError(f"{name} has episodes of {limit} steps: set time_limit, since their actions must be kept")
        try_out(spaces_of(name, with_env.observation_space, with_env.action_space), with_env, make)
    finally:
        with_env.close()
    host = Host(name, make, limit, observation, least)
    environment = Environment(
        draw=jax.random.bits,
        draw_reset=jax.random.bits,
        reset=_reset_of(host, observation, action, limit),
        step=_step_of(host, observation),
        num_actions=num_actions,
        problem=lambda: host.problem,
    )
    made_of = (id_or_make, make_kwargs)
    numbers = action if is_scaled else None
    return Simulator(
        environment,
        (),
        observation,
        reward_scale,
        observation_scale,
        made_of=made_of,
        action=numbers,
        step_limit=limit,
    )


def _maker(
    gymnasium: Any, id_or_make: str | Callable[[], Env[Any, Any]], time_limit: int, settings: dict[str, Any]
) -> Callable[[], Any]:
    def make() -> Any:
        if not isinstance(id_or_make, str):
            env = _made(id_or_make)
            return gymnasium.wrappers.TimeLimit(env, time_limit) if time_limit else env
        limit = {"max_episode_steps": time_limit} if time_limit else {}
        return make_environment(gymnasium, id_or_make, **limit, **settings)

    if not isinstance(id_or_make, str) and settings:
        raise UserError(f"{', '.join(settings)}: a function that makes an environment takes no settings")
    return make


def _made(make: Callable[[], Any]) -> Any:
    """The environment that a function returns.

    Raises:
        UserError: it is no function, it fails, or it returns no environment.
    """
    if not callable(make):
        raise UserError(f"an environment is {make!r}: name one for gymnasium.make, or give a function that makes it")
    try:
        env = make()
    except Exception as error:
        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"the function that makes the environment fails: {words}") from error
    missing = [name for name in INTERFACE if not hasattr(env, name)]
    if missing:
        raise UserError(
            f"the function that makes the environment gives a {type(env).__name__}, and no gymnasium.Env: "
            f"it has no {', '.join(missing)}"
        )
    return env


def _check_scale(name: str, scale: NDArray[np.float32] | None, observation: jax.ShapeDtypeStruct) -> None:
    if scale is None:
        return
    is_scale = np.shape(scale) == observation.shape and np.isfinite(scale).all() and (np.asarray(scale) > 0).all()
    if not is_scale:
        raise UserError(f"observation_scale of {name} must be numbers above 0, of shape {observation.shape}")


def _observation(gymnasium: Any, name: str, space: Any) -> jax.ShapeDtypeStruct:
    if not isinstance(space, gymnasium.spaces.Box):
        raise UserError(
            f"observation space of {name} is {space}: a Box is allowed; of Discrete ones tables may be had "
            "(environment gymnasium), others need a wrapper such as FlattenObservation"
        )
    return like(space.shape, jnp.float32)


def _action(gymnasium: Any, name: str, space: Any) -> tuple[jax.ShapeDtypeStruct, int, int]:
    """What an action is, how many there are (0: numbers), and the number of the first."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return like((), jnp.int32), int(space.n), int(space.start)
    if isinstance(space, gymnasium.spaces.Box):
        return like(space.shape, jnp.float32), 0, 0
    raise UserError(f"action space of {name} is {space}: allowed are Discrete and Box")


def _limit(name: str, env: Any, time_limit: int) -> int:
    if time_limit:
        return time_limit
    spec = env.spec
    limit = 0 if spec is None else int(spec.max_episode_steps or 0)
    if not limit:
        raise UserError(f"{name} has no limit of steps: set time_limit, since the actions of an episode must be kept")
    return limit


def _reset_of(
    host: Host, observation: jax.ShapeDtypeStruct, action: jax.ShapeDtypeStruct, limit: int
) -> Callable[..., tuple[LiveState, Array]]:
    def reset(noise: Array, params: PyTree, previous: LiveState | None) -> tuple[LiveState, Array]:
        del params
        zero = jnp.zeros((), jnp.int32)
        if previous is None:
            first = jax.pure_callback(host.begin, observation, noise, vmap_method=VMAP)
            actions = jnp.zeros((limit, *action.shape), action.dtype)
            return LiveState(noise, actions, zero, zero, first, noise, first), first
        # The step that ended the episode has begun the next one already: one call for each step is enough.
        state = previous._replace(seed=previous.next_seed, episode_step=zero, observation=previous.first)
        return state, previous.first

    return reset


def _step_of(host: Host, observation: jax.ShapeDtypeStruct) -> Callable[..., Step]:
    answer = (observation, like((), jnp.float32), like((), jnp.bool_), like((), jnp.bool_), observation)

    def step(noise: Array, state: LiveState, action: Array, params: PyTree) -> Step:
        del params
        known = state.seed, state.episode_step, state.actions, state.observation
        seen, reward, terminated, truncated, first = jax.pure_callback(
            host.step, answer, *known, action, noise, vmap_method=VMAP
        )
        actions = put_at(state.actions, state.episode_step, action)
        after = LiveState(state.seed, actions, state.episode_step + 1, state.clock + 1, seen, noise, first)
        return Step(after, seen, reward, terminated, truncated)

    return step


def _build(settings: GymnasiumLiveSettings) -> Simulator:
    simulator = live_gymnasium(settings.id, time_limit=settings.time_limit, reward_scale=settings.reward_scale)
    if simulator.environment.num_actions == 0:
        raise UserError(
            f"actions of {settings.id} are numbers: suites need an environment with A actions to choose from"
        )
    return simulator


GYMNASIUM_LIVE_ROW = EnvironmentRow(
    "gymnasium_live",
    "any environment of Gymnasium with numbers to see; no tables",
    GymnasiumLiveSettings,
    _build,
    "return",
)
