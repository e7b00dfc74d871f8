"""What an environment promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.noise import Draw
from mgsc.types import Array, PyTree


class Step(NamedTuple):
    """What one environment step gives.

    Attributes:
        state: the environment's next state (before any restart).
        observation: the true next observation, also where the episode ended.
        reward: reward of the transition.
        terminated: bool, the transition ended the task: its successor has no value.
        truncated: bool, the episode was cut short: its successor keeps its value.
        info: numbers that people look at, by name.
    """

    state: PyTree
    observation: Array
    reward: Array
    terminated: Array
    truncated: Array
    info: dict[str, Array] = {}  # noqa: RUF012


class Environment(NamedTuple):
    """A pure environment; restarting after an episode is the loop's job and costs no step.

    Attributes:
        draw: noise of one step (see ``mgsc.noise``; ``noise.keys`` makes it a plain key).
        draw_reset: noise of one reset.
        reset: ``(noise, params, previous) -> (state, observation)``; ``previous`` is the state an
            episode ended in, or None at the start of a run, so that what outlives episodes, like
            the clock of recurring changes, goes on.
        step: ``(noise, state, action, params) -> Step``.
        num_actions: A; 0 where actions are numbers.
        problem: ``() -> str`` what went wrong on the host, in words; empty where nothing did. The runner says it in
            place of the compiled program's own error. None: nothing happens on the host.
    """

    draw: Draw
    draw_reset: Draw
    reset: Callable[[PyTree, PyTree, PyTree], tuple[PyTree, Array]]
    step: Callable[[PyTree, PyTree, Array, PyTree], Step]
    num_actions: int
    problem: Callable[[], str] | None = None
