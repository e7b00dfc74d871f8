"""The trial of an environment of Gymnasium before it is stepped live: a few steps, which show what it returns.

Everything here happens when ``live_gymnasium`` is called, before anything is compiled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mgsc.errors import UserError
from mgsc.types import kind_of

STEPS = 8
"""Steps of a trial's episodes."""

SEED = 0
"""Seed of a trial's episodes, and of their actions."""

Numbers = NDArray[np.float32]


class Spaces(NamedTuple):
    """What an environment says of its observations and actions.

    Attributes:
        name: of the environment.
        low, high: float32 like an observation, the bounds of its Box.
        actions: [STEPS, ...] those of a trial, in the environment's own count.
    """

    name: str
    low: Numbers
    high: Numbers
    actions: list[Any]

    @property
    def box(self) -> str:
        """What an observation must be, in words."""
        return f"observation Box({', '.join(map(str, self.low.shape))}{',' * (self.low.ndim == 1)})"


def spaces_of(name: str, observation_space: Any, action_space: Any) -> Spaces:
    """The spaces of an environment whose observations are a Box, and whose actions are a Box or Discrete."""
    chance = np.random.default_rng(SEED)
    low, high = (np.asarray(bound, np.float32) for bound in (observation_space.low, observation_space.high))
    if hasattr(action_space, "n"):
        actions: list[Any] = [int(action_space.start + chance.integers(action_space.n)) for _ in range(STEPS)]
    else:
        drawn = chance.uniform(-1.0, 1.0, (STEPS, *action_space.shape)).astype(np.float32)
        actions = list(np.clip(drawn, action_space.low, action_space.high))
    return Spaces(name, low, high, actions)


def try_out(spaces: Spaces, first: Any, make: Callable[[], Any]) -> None:
    """Plays one short episode three times: in an environment, in another one, and again in the first.

    Args:
        spaces: of the environment.
        first: an environment, which stays open.
        make: makes another one.

    Raises:
        UserError: ``make`` gives the same environment again; ``reset`` or ``step`` fails or returns what it must not.

    Warns:
        UserWarning: the episodes differ, though their seed and actions are the same.
    """
    second = make()
    try:
        if second is first or second.unwrapped is first.unwrapped:
            raise UserError(
                f"the function that makes {spaces.name} gave the same environment twice: it must return a new "
                "environment at each call, since runs side by side would step into each other's episodes"
            )
        played = [_episode(spaces, env) for env in (first, second, first)]
    finally:
        if second is not first:
            second.close()
    if any(not _are_equal(played[0], other) for other in played[1:]):
        warnings.warn(
            f"{spaces.name} came out otherwise when an episode was played again with the same seed and actions: its "
            "results cannot be repeated, and a saved state of it cannot be gone on from. reset must pass its seed on, "
            "as super().reset(seed=seed) does, and all chance must come from self.np_random",
            UserWarning,
            stacklevel=3,
        )


def _episode(spaces: Spaces, env: Any) -> list[tuple[Any, ...]]:
    """What is seen in an episode of the trial's seed and actions."""
    seen: list[tuple[Any, ...]] = [(_first(spaces, env),)]
    for number, action in enumerate(spaces.actions, 1):
        wanted = f"step must return ({spaces.box}, reward, terminated, truncated, info)"
        try:
            given = env.step(action)
        except Exception as error:
            raise _failed(spaces, error, wanted) from error
        if not isinstance(given, tuple) or len(given) != 5:
            raise UserError(f"step of {spaces.name} gives {kind_of(given)}: {wanted}")
        observation, reward, terminated, truncated, _ = given
        numbers = _observation(spaces, f"step {number}", observation, wanted)
        pay = _reward(spaces, number, reward)
        ends, is_cut = (
            _flag(spaces, word, value) for word, value in (("terminated", terminated), ("truncated", truncated))
        )
        seen.append((numbers, pay, ends, is_cut))
        if ends or is_cut:
            break
    return seen


def _first(spaces: Spaces, env: Any) -> Numbers:
    wanted = f"reset must return ({spaces.box}, info)"
    try:
        given = env.reset(seed=SEED)
    except TypeError as error:
        if "'seed'" in str(error):
            raise UserError(
                f"reset of {spaces.name} takes no seed: it must be reset(self, *, seed=None, options=None) "
                f"({_reason(error)})"
            ) from error
        raise _failed(spaces, error, wanted) from error
    except Exception as error:
        raise _failed(spaces, error, wanted) from error
    if not isinstance(given, tuple) or len(given) != 2:
        raise UserError(f"reset of {spaces.name} gives {kind_of(given)}: {wanted}")
    return _observation(spaces, "reset", given[0], wanted)


def _failed(spaces: Spaces, error: Exception, wanted: str) -> UserError:
    """The error of an environment in words; a wrapper cannot unpack what is returned in another form than is wanted."""
    return UserError(f"{spaces.name} fails: {_reason(error)}{f'; {wanted}' if 'unpack' in str(error) else ''}")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _observation(spaces: Spaces, when: str, observation: Any, wanted: str) -> Numbers:
    """An observation as float32; it must have the shape of its Box, and lie in it."""
    try:
        numbers = np.array(observation, np.float32)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or numbers.shape != spaces.low.shape:
        found = kind_of(observation) if numbers is None else f"of shape {list(numbers.shape)}"
        raise UserError(f"the observation of {when} of {spaces.name} is {found}: {wanted}")
    check_finite(spaces.name, "the observation", numbers, f"at {when}")
    outside = ~((spaces.low <= numbers) & (numbers <= spaces.high))
    if outside.any():
        place = tuple(int(axis) for axis in np.argwhere(outside)[0])
        raise UserError(
            f"{_entry('the observation', place)} of {spaces.name} is {numbers[place]:g} at {when}: its Box allows "
            f"[{spaces.low[place]:g}, {spaces.high[place]:g}]; widen observation_space, or clip what is seen"
        )
    return numbers


def check_finite(name: str, what: str, numbers: NDArray[Any], when: str) -> None:
    """Refuses numbers that are not finite.

    Raises:
        UserError: one is not; the error names its place, and when it came.
    """
    broken = ~np.isfinite(numbers)
    if broken.any():
        place = tuple(int(axis) for axis in np.argwhere(broken)[0])
        raise UserError(f"{_entry(what, place)} of {name} is {numbers[place]} {when}: it must be finite")


def _entry(what: str, place: tuple[int, ...]) -> str:
    return f"entry {', '.join(map(str, place))} of {what}" if place else what


def _reward(spaces: Spaces, number: int, reward: Any) -> float:
    is_number = np.ndim(reward) == 0 and np.asarray(reward).dtype.kind in "biuf"
    if not is_number:
        raise UserError(f"the reward of step {number} of {spaces.name} is {kind_of(reward)}: it must be one number")
    check_finite(spaces.name, "the reward", np.asarray(reward, float), f"at step {number}")
    return float(reward)


def _flag(spaces: Spaces, word: str, value: Any) -> bool:
    is_flag = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biu" and int(value) in (0, 1)
    if not is_flag:
        raise UserError(f"{word} of {spaces.name} is {value!r}: it must be True or False")
    return bool(value)


def _are_equal(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    if len(one) != len(other):
        return False
    pairs = [pair for steps in zip(one, other, strict=True) for pair in zip(*steps, strict=True)]
    return all(np.array_equal(left, right) for left, right in pairs)
