"""Environments of Gymnasium whose actions are numbers, such as MuJoCo's, stepped live; and their changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.base import Step
from mgsc.environments.changing import UNCHANGED, change, check_change, switch_every
from mgsc.environments.foreign import import_gymnasium, make_environment, reward_scale, step_limit_of, time_limit
from mgsc.environments.live import MOST_STEPS, LiveState, live_gymnasium
from mgsc.environments.phases import phase_at
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.errors import UserError
from mgsc.settings import number, takes, text
from mgsc.types import Array, PyTree, like

FORWARD = "reward_forward"
"""The name of the reward for moving forward in the info of MuJoCo's environments."""


@dataclasses.dataclass(frozen=True)
class GymnasiumControlSettings:
    """An environment of Gymnasium whose actions are numbers, and its change."""

    id: str = text("InvertedPendulum-v5", "what gymnasium.make takes, of an environment whose actions are a Box")
    change: str = change(
        ("mass", "friction", "reversed", "backward"),
        "what the second phase has of its own: masses, friction (MuJoCo), reversed actions, or pay for going backward",
    )
    factor: float = number(2.0, 0.0, 100.0, "what masses or friction are multiplied by", above=True)
    switch_every: int = switch_every()
    time_limit: int = time_limit(most=MOST_STEPS)
    reward_scale: float = reward_scale()

    @property
    def step_limit(self) -> int:
        """As ``step_limit_of``."""
        return step_limit_of(self.id, self.time_limit)


class Scaled:
    """An environment whose actions lie in [−1, 1]; where it changes, an action has the phase as one number more."""

    def __init__(self, env: Any, gymnasium: Any, changes: str, factor: float) -> None:
        """Wraps an environment of Gymnasium whose actions are a Box with finite bounds."""
        self._env, self._changes, self._factor = env, changes, factor
        low, high = env.action_space.low, env.action_space.high
        self._middle, self._half = (high + low) / 2, (high - low) / 2
        self._model = getattr(env.unwrapped, "model", None)
        self._first = _physics(self._model) if changes in ("mass", "friction") else {}
        self._phase = 0
        width = low.size + (changes != UNCHANGED)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (width,), np.float32)
        self.observation_space, self.spec, self.unwrapped = env.observation_space, env.spec, env.unwrapped

    def reset(self, *, seed: int) -> tuple[Any, Any]:
        """Begins an episode."""
        first: tuple[Any, Any] = self._env.reset(seed=seed)
        return first

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step, in the phase of the action's last number."""
        phase = 0
        if self._changes != UNCHANGED:
            action, phase = action[:-1], int(action[-1])
        if phase != self._phase:
            self._enter(phase)
        if phase and self._changes == "reversed":
            action = -action
        scaled = self._middle + self._half * np.clip(action, -1.0, 1.0).reshape(self._middle.shape)
        seen, reward, terminated, truncated, info = self._env.step(scaled)
        if phase and self._changes == "backward":
            reward = reward - 2 * info[FORWARD]
        return seen, float(reward), bool(terminated), bool(truncated), info

    def render(self) -> NDArray[np.uint8]:
        """[height, width, 3] uint8 a frame of an environment that was made with a render mode."""
        frame: NDArray[np.uint8] = self._env.render()
        return frame

    def in_first_phase(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action with the number of the first phase, where the environment changes."""
        return action if self._changes == UNCHANGED else np.append(action, np.float32(0))

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()

    def _enter(self, phase: int) -> None:
        """Masses, with their moments of inertia, or friction of a phase."""
        self._phase = phase
        if not self._first:
            return
        import mujoco

        share = self._factor if phase else 1.0
        for name in ("body_mass", "body_inertia") if self._changes == "mass" else ("geom_friction",):
            getattr(self._model, name)[:] = share * self._first[name]
        # What MuJoCo derives of masses; the data that it takes for this is not the episode's own.
        mujoco.mj_setConst(self._model, mujoco.MjData(self._model))


def _physics(model: Any) -> dict[str, NDArray[np.float64]]:
    """Copies of what is multiplied."""
    return {name: np.array(getattr(model, name)) for name in ("body_mass", "body_inertia", "geom_friction")}


@takes(GymnasiumControlSettings)
def gymnasium_control(settings: GymnasiumControlSettings) -> Simulator:
    """The environment of the settings, stepped live on the host.

    Actions are numbers in [−1, 1], which are scaled to the environment's own bounds. The phase changes with the count
    of environment steps, also within an episode.

    Raises:
        UserError: there is no such environment, Gymnasium or MuJoCo is not installed, its actions are no Box with
            bounds, the change is impossible in it, or a change has no schedule.
    """
    check_change(settings.change, settings.switch_every)
    gymnasium = import_gymnasium()
    make = _maker(gymnasium, settings)
    shape = _check(gymnasium, settings, make)
    live = live_gymnasium(make, reward_scale=settings.reward_scale)
    steps = live.environment.step

    def step(noise: PyTree, state: LiveState, action: Array, params: PyTree) -> Step:
        flat = action.reshape(-1)
        if settings.change != UNCHANGED:
            phase = phase_at(state.clock, settings.switch_every, 2)
            flat = jnp.append(flat, phase.astype(flat.dtype))
        return steps(noise, state, flat, params)

    environment = live.environment._replace(step=step)
    return live._replace(environment=environment, action=like(shape, jnp.float32), made_of=(settings,))


def scaled_environment(settings: GymnasiumControlSettings, **make_kwargs: Any) -> Scaled:
    """An environment of Gymnasium with actions in [−1, 1]; ``make_kwargs`` are for ``gymnasium.make``.

    Raises:
        UserError: there is none, or what it needs is not installed.
    """
    made: Scaled = _maker(import_gymnasium(), settings, **make_kwargs)()
    return made


def _maker(gymnasium: Any, settings: GymnasiumControlSettings, **make_kwargs: Any) -> Callable[[], Any]:
    limit = {"max_episode_steps": settings.time_limit} if settings.time_limit else {}

    def make() -> Any:
        env = make_environment(gymnasium, settings.id, **limit, **make_kwargs)
        space = env.action_space
        bounded = isinstance(space, gymnasium.spaces.Box) and np.isfinite([space.low, space.high]).all()
        if not bounded:
            raise UserError(f"action space of {settings.id} is {space}: a Box with finite bounds is allowed")
        return Scaled(env, gymnasium, settings.change, settings.factor)

    return make


def _check(gymnasium: Any, settings: GymnasiumControlSettings, make: Callable[[], Any]) -> tuple[int, ...]:
    """The shape of an action, of an environment in which the change is possible."""
    plain = _maker(gymnasium, dataclasses.replace(settings, change=UNCHANGED))()
    try:
        if settings.change in ("mass", "friction") and not hasattr(plain.unwrapped, "model"):
            raise UserError(f"environment.change is {settings.change!r}, and {settings.id} is not of MuJoCo")
        plain.reset(seed=0)
        if settings.change == "backward" and FORWARD not in plain.step(np.zeros(plain.action_space.shape))[4]:
            raise UserError(f"environment.change is 'backward', and {settings.id} says no {FORWARD} in its info")
        return tuple(plain.action_space.shape)
    finally:
        plain.close()


GYMNASIUM_CONTROL_ROW = EnvironmentRow(
    "gymnasium_control",
    "environments of Gymnasium whose actions are numbers, MuJoCo's among them; no tables",
    GymnasiumControlSettings,
    gymnasium_control,
    "return",
)
