"""Environments on the host, kept in the middle of their episodes so that these need not be played again."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.live_trial import check_finite
from mgsc.errors import UserError

FEWEST_KEPT = 64
BLOCKS_KEPT = 8
"""Environments kept, in blocks of the widest call: those of runs side by side, and a few that have ended."""

Numbers = NDArray[Any]


class Episode(NamedTuple):
    """An episode so far: seed, number of actions and their bytes."""

    seed: int
    length: int
    actions: bytes


class Host:
    """A pure function of episodes, computed by environments that are kept between calls.

    ``step`` takes an environment in which exactly this episode has been played so far. Where there is none, it makes
    one and plays the episode again. Several threads may call at once.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        limit: int,
        observation: jax.ShapeDtypeStruct,
        least: int,
    ) -> None:
        """Keeps no environment yet.

        Args:
            name: of the environment, for messages.
            make: makes an environment.
            limit: steps of an episode at most.
            observation: shape and dtype of an observation.
            least: number of the first action in the environment's own count; 0 where actions are numbers.
        """
        self.name, self.limit, self.observation, self.least = name, limit, observation, least
        self.problem = ""
        self._make = make
        self._idle: OrderedDict[Episode, list[Any]] = OrderedDict()
        self._num_idle, self._most = 0, FEWEST_KEPT
        self._lock = threading.Lock()

    def begin(self, seeds: Any) -> Numbers:
        """[...] seeds → [..., *observation] first observations."""
        with self._named_errors():
            return self._begin(seeds)

    def _begin(self, seeds: Any) -> Numbers:
        given = np.asarray(seeds)
        known: dict[int, Numbers] = {}
        for seed in map(int, given.ravel()):
            if seed not in known:
                env = self._make()
                known[seed] = self._reset(env, seed)
                self._put(Episode(seed, 0, b""), env)
        firsts = np.stack([known[int(seed)] for seed in given.ravel()])
        if not np.isfinite(firsts).all():
            self._refuse_first(firsts)
        return firsts.reshape((*given.shape, *self.observation.shape))

    def step(
        self, seeds: Any, lengths: Any, actions: Any, observations: Any, chosen: Any, next_seeds: Any
    ) -> tuple[Numbers, ...]:
        """One step of each episode, and the beginning of the next one where it ended.

        Args:
            seeds: [...] of the episodes.
            lengths: [...] steps so far.
            actions: [..., limit, *action], of which the first ``lengths`` have been taken.
            observations: [..., *observation] the newest ones.
            chosen: [..., *action] the next ones.
            next_seeds: [...] of the episodes that follow.

        Returns:
            Observations, rewards, terminated, truncated, and first observations of the next episodes, which are zeros
            where none began.

        Raises:
            UserError: an episode that was played again had another observation; the environment raised an error, or
                gave a reward or an observation that is not finite.
        """
        shape = np.shape(seeds)
        flat = [np.asarray(part) for part in (seeds, lengths, actions, observations, chosen, next_seeds)]
        flat = [part.reshape((-1, *part.shape[len(shape) :])) for part in flat]
        self._most = max(self._most, BLOCKS_KEPT * len(flat[0]))
        types = (np.float32, np.float32, bool, bool, np.float32)
        with self._named_errors():
            order = self._step_each(flat)
            parts = [np.array(part, dtype) for part, dtype in zip(zip(*order, strict=True), types, strict=True)]
            observations, rewards, _, _, firsts = parts
            # One test for all lanes: what is broken is looked for only where something is.
            if not (np.isfinite(rewards).all() and np.isfinite(observations).all() and np.isfinite(firsts).all()):
                self._refuse_step(rewards, observations, firsts, flat[0], flat[1])
        return tuple(part.reshape((*shape, *part.shape[1:])) for part in parts)

    def _step_each(self, flat: list[Numbers]) -> list[tuple[Any, ...]]:
        made: dict[Any, tuple[Any, ...]] = {}
        order = []
        for seed, length, taken, seen, action, next_seed in zip(*flat, strict=True):
            episode = Episode(int(seed), int(length), taken[:length].tobytes())
            question = episode, action.tobytes(), int(next_seed)
            # Lanes that fill up a block are copies of the last one.
            if question not in made:
                made[question] = self._step(episode, taken[:length], seen, action, int(next_seed))
            order.append(made[question])
        return order

    def _refuse_first(self, firsts: Numbers) -> None:
        for first in firsts:
            check_finite(self.name, "the observation", first, "at reset")

    def _refuse_step(
        self, rewards: Numbers, observations: Numbers, firsts: Numbers, seeds: Numbers, lengths: Numbers
    ) -> None:
        for reward, observation, seed, length in zip(rewards, observations, seeds, lengths, strict=True):
            when = f"at step {int(length) + 1} of an episode with seed {int(seed)}"
            check_finite(self.name, "the reward", reward, when)
            check_finite(self.name, "the observation", observation, when)
        self._refuse_first(firsts)

    def forget(self) -> None:
        """Closes all environments; their episodes are played again where they are needed."""
        with self._lock:
            kept = [env for envs in self._idle.values() for env in envs]
            self._idle.clear()
            self._num_idle = 0
        for env in kept:
            env.close()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Keeps the words of an error, which a compiled program that calls here would replace by its own."""
        try:
            yield
        except UserError as error:
            self.problem = str(error)
            raise
        except Exception as error:
            self.problem = f"{self.name} fails: {type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(self.problem) from error

    def _step(
        self, episode: Episode, taken: Numbers, seen: Numbers, action: Numbers, next_seed: int
    ) -> tuple[Any, ...]:
        env = self._take(episode) or self._play(episode, taken, seen)
        observation, reward, terminated, truncated = self._act(env, action)
        if terminated or truncated:
            first, following = self._reset(env, next_seed), Episode(next_seed, 0, b"")
        else:
            first = np.zeros_like(observation)
            following = Episode(episode.seed, episode.length + 1, episode.actions + action.tobytes())
        self._put(following, env)
        return observation, reward, terminated, truncated, first

    def _play(self, episode: Episode, taken: Numbers, seen: Numbers) -> Any:
        """A new environment in which this episode has been played."""
        env = self._make()
        reached, is_over = self._reset(env, episode.seed), False
        for action in taken:
            reached, _, terminated, truncated = self._act(env, action)
            is_over |= terminated or truncated
        if is_over or not np.array_equal(reached, seen, equal_nan=True):
            env.close()
            raise UserError(
                f"{self.name} came out otherwise when an episode was played again: its seed and actions do not "
                "decide it, so a saved state cannot be gone on from"
            )
        return env

    def _reset(self, env: Any, seed: int) -> Numbers:
        observation, _ = env.reset(seed=seed)
        return np.array(observation, np.float32)

    def _act(self, env: Any, action: Numbers) -> tuple[Numbers, float, bool, bool]:
        given = int(action) + self.least if action.ndim == 0 else np.array(action)
        observation, reward, terminated, truncated, _ = env.step(given)
        ends = bool(terminated)
        return np.array(observation, np.float32), float(reward), ends, bool(truncated) and not ends

    def _take(self, episode: Episode) -> Any:
        with self._lock:
            found = self._idle.get(episode)
            if not found:
                return None
            env = found.pop()
            self._num_idle -= 1
            if not found:
                del self._idle[episode]
            return env

    def _put(self, episode: Episode, env: Any) -> None:
        """Keeps an environment, and closes those that have not been needed for longest."""
        closing = []
        with self._lock:
            self._idle.setdefault(episode, []).append(env)
            self._num_idle += 1
            while self._num_idle > self._most:
                _, oldest = self._idle.popitem(last=False)
                closing += oldest
                self._num_idle -= len(oldest)
        for one in closing:
            one.close()
