"""Environments of Gymnasium that have a transition table, as exact tables."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mgsc.environments.row import EnvironmentRow
from mgsc.environments.world import World, from_tables
from mgsc.errors import UserError, check_type, pip_install
from mgsc.settings import number, size, text

if TYPE_CHECKING:
    from gymnasium import Env

HARMLESS_WRAPPERS = frozenset(
    {"TimeLimit", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "RenderCollection"}
)
"""Wrappers that leave observations, actions and rewards as they are."""

TRIAL_STEPS = 1000
"""Random steps with which a table is checked."""

TRIAL_SEED = 0


NEVER = 2**30
"""Environment steps of a phase that never ends."""


def time_limit(most: int = 2**30) -> Any:
    """The setting of the step at which an episode is truncated."""
    return size(0, 0, most, "steps after which an episode is truncated; 0 takes the environment's own")


def reward_scale() -> Any:
    """The setting of the size of rewards, which an environment without tables does not give."""
    return number(1.0, 0.0, math.inf, "a typical size of rewards", above=True)


def step_limit_of(id: str, time_limit: int) -> int:
    """Steps after which an episode of Gymnasium's environment ``id`` is truncated; 0 for none.

    Args:
        id: for ``gymnasium.make``.
        time_limit: the setting; 0 for the environment's own limit.

    Raises:
        UserError: Gymnasium is not installed, or has no such environment.
    """
    if time_limit:
        return time_limit
    gymnasium = import_gymnasium()
    try:
        return int(gymnasium.spec(id).max_episode_steps or 0)
    except gymnasium.error.Error as error:
        raise UserError(f"environment.id is {id!r}: {' '.join(str(error).split())}") from error


@dataclasses.dataclass(frozen=True)
class GymnasiumSettings:
    """An environment of Gymnasium that has a table; for its own settings use ``from_gymnasium``."""

    switch_every: ClassVar[int] = NEVER

    id: str = text("FrozenLake-v1", "what gymnasium.make takes")
    time_limit: int = time_limit()

    @property
    def step_limit(self) -> int:
        """As ``step_limit_of``."""
        return step_limit_of(self.id, self.time_limit)


def import_gymnasium() -> Any:
    """The package Gymnasium, which is optional.

    Raises:
        UserError: it is not installed.
    """
    try:
        import gymnasium
    except ImportError:
        raise UserError(f"this needs Gymnasium, which is not installed: {pip_install('gymnasium')}") from None
    return gymnasium


def from_gymnasium(id_or_env: str | Env[Any, Any], *, start: ArrayLike | None = None, **make_kwargs: Any) -> World:
    """The exact tables of a Gymnasium environment that has a table ``P``: FrozenLake, Taxi, CliffWalking, ...

    ``P[state][action]`` must list (probability, successor, reward, terminated). The environment is reset
    and stepped a thousand times, and every step must agree with its table.

    Args:
        id_or_env: an id for ``gymnasium.make``, or an environment, which stays open.
        start: state index or [S] probabilities; None takes the environment's ``initial_state_distrib`` or
            ``start_state_index``.
        **make_kwargs: for ``gymnasium.make``.

    Returns:
        Tables of one phase; the step limit is that of the ``TimeLimit`` wrapper.

    Raises:
        UserError: there is no such environment, it has no table, its table is wrong (the error names the state, the
            action and the number), or ``start`` must be given.
    """
    gymnasium = import_gymnasium()
    if not isinstance(id_or_env, str):
        check_type("id_or_env", id_or_env, gymnasium.Env, "be an id of Gymnasium, or an environment")
        if make_kwargs:
            raise UserError(f"{', '.join(make_kwargs)}: an environment that is made already takes no settings")
        return _world(gymnasium, id_or_env, start)
    env = make_environment(gymnasium, id_or_env, **make_kwargs)
    try:
        return _world(gymnasium, env, start)
    finally:
        env.close()


def make_environment(gymnasium: Any, name: str, **make_kwargs: Any) -> Any:
    """An environment of Gymnasium, by its name.

    Raises:
        UserError: there is none, it has other settings, or a package that it needs is not installed.
    """
    try:
        if "mujoco" in str(getattr(gymnasium.registry.get(name), "entry_point", "")):
            _warn_once()
        return gymnasium.make(name, **make_kwargs)
    except (gymnasium.error.Error, TypeError, ValueError, ImportError) as error:
        words = " ".join(str(error).split())
        hint = f"; MuJoCo comes with: {pip_install('mujoco')}" if "mujoco" in words.lower() else ""
        raise UserError(f"gymnasium.make({name!r}) failed: {words}{hint}") from error


def _warn_once() -> None:
    """Shows each warning of MuJoCo once, unless someone else takes them.

    By itself it prints them again for every environment, and writes them to a file in the folder at hand.
    """
    mujoco, shown = importlib.import_module("mujoco"), set[str]()

    def show(words: str) -> None:
        if words not in shown:
            shown.add(words)
            print(f"MuJoCo: {words}", file=sys.stderr)

    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(show)


def _world(gymnasium: Any, env: Env[Any, Any], start: ArrayLike | None) -> World:
    name, step_limit = _unwrap(gymnasium, env)
    num_states = _size(gymnasium, name, "observation", env.observation_space)
    num_actions = _size(gymnasium, name, "action", env.action_space)
    inner: Any = env.unwrapped
    if not hasattr(inner, "P"):
        raise UserError(f"{name} has no transition table P: give its tables to from_tables or from_dense")
    if getattr(inner, "fickle_passenger", False):
        raise UserError(f"{name} with fickle_passenger does what its table P does not say: make it without")
    arrays = _arrays(name, inner.P, num_states, num_actions)
    world = from_tables(*arrays, start=_start(name, inner, start), step_limit=step_limit)
    may_begin = np.ones(num_states, bool) if start is not None else world.tables.start > 0
    _check_true(name, env, arrays, may_begin)
    return world


def _unwrap(gymnasium: Any, env: Env[Any, Any]) -> tuple[str, int]:
    """(name, step limit), after looking at every wrapper."""
    name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
    limit, layer = 0, env
    while isinstance(layer, gymnasium.Wrapper):
        kind = type(layer).__name__
        if kind not in HARMLESS_WRAPPERS:
            raise UserError(f"{name} is wrapped in {kind}, which its table knows nothing of: pass it without")
        if kind == "TimeLimit":
            steps = int(layer._max_episode_steps)
            limit = min(limit or steps, steps)
        layer = layer.env
    return name, limit


def _size(gymnasium: Any, name: str, kind: str, space: Any) -> int:
    if not isinstance(space, gymnasium.spaces.Discrete) or space.start != 0:
        raise UserError(f"{kind} space of {name} is {space}: only Discrete ones that begin at 0 have tables")
    return int(space.n)


def _start(name: str, inner: Any, start: ArrayLike | None) -> ArrayLike:
    if start is not None:
        return start
    for attribute in ("initial_state_distrib", "start_state_index"):
        if hasattr(inner, attribute):
            found: ArrayLike = getattr(inner, attribute)
            return found
    raise UserError(f"{name} does not say where its episodes begin: pass start=, a state or a probability per state")


def _arrays(name: str, table: Any, num_states: int, num_actions: int) -> tuple[Any, Any, Any, Any]:
    """Sparse arrays [S, A, M] of a table ``P``, checked no further than that they can be made."""
    rows = [[_outcomes(name, table, state, action) for action in range(num_actions)] for state in range(num_states)]
    width = max((len(outcomes) for row in rows for outcomes in row), default=0)
    probability, reward = np.zeros((2, num_states, num_actions, max(width, 1)))
    successor = np.zeros(probability.shape, np.int64)
    terminates = np.zeros(probability.shape, bool)
    for state, row in enumerate(rows):
        for action, outcomes in enumerate(row):
            for slot, (share, landing, gain, ends) in enumerate(outcomes):
                place = state, action, slot
                probability[place], successor[place], reward[place], terminates[place] = share, landing, gain, ends
    return probability, reward, successor, terminates


def _outcomes(name: str, table: Any, state: int, action: int) -> list[tuple[float, int, float, bool]]:
    where = f"P of {name} at state {state}, action {action}"
    try:
        listed: Iterable[Any] = table[state][action]
    except (KeyError, IndexError, TypeError):
        raise UserError(f"{where} is missing: it must list (probability, successor, reward, terminated)") from None
    outcomes = []
    try:
        for share, landing, gain, ends in listed:
            if int(landing) != landing or bool(ends) != ends:
                raise ValueError
            outcomes.append((float(share), int(landing), float(gain), bool(ends)))
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where} is {listed}: it must list (probability, successor, reward, terminated)") from None
    return outcomes


def _check_true(name: str, env: Env[Any, Any], arrays: tuple[Any, Any, Any, Any], may_begin: Any) -> None:
    """Raises ``UserError`` where a random step disagrees with the table."""
    probability, reward, successor, terminates = arrays
    random = np.random.default_rng(TRIAL_SEED)
    state = _begin(name, env, may_begin, seed=TRIAL_SEED)
    for _ in range(TRIAL_STEPS):
        action = int(random.integers(probability.shape[1]))
        landing, gain, terminated, truncated, _ = env.step(action)
        is_listed = (probability[state, action] > 0) & (successor[state, action] == landing)
        is_listed &= np.isclose(reward[state, action], float(gain)) & (terminates[state, action] == terminated)
        if not is_listed.any():
            raise UserError(
                f"{name} went from state {state} by action {action} to state {landing} with reward {gain} "
                f"(terminated: {bool(terminated)}), which its table P says cannot be: it has no true table"
            )
        state = _begin(name, env, may_begin) if terminated or truncated else int(landing)


def _begin(name: str, env: Env[Any, Any], may_begin: Any, **seed: int) -> int:
    state = int(env.reset(**seed)[0])
    if not may_begin[state]:
        raise UserError(f"{name} began in state {state}, where it says it never begins: pass start=")
    return state


def _build(settings: GymnasiumSettings) -> World:
    return from_gymnasium(settings.id)


GYMNASIUM_ROW = EnvironmentRow("gymnasium", "an environment of Gymnasium that has a table", GymnasiumSettings, _build)
