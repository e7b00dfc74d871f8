"""The interface of environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.errors import UserError
from mgsc.noise import Draw
from mgsc.types import Array, PyTree


class Step(NamedTuple):
    """The result of one environment step.

    Attributes:
        state: the environment's next state, before any reset.
        observation: the true next observation, also where the episode ended.
        reward: of the transition (reward).
        terminated: bool, the transition ended the task: its successor has no value.
        truncated: bool, the episode was cut short: its successor keeps its value.
        info: numbers that are reported, by name.
    """

    state: PyTree
    observation: Array
    reward: Array
    terminated: Array
    truncated: Array
    info: dict[str, Array] = {}  # noqa: RUF012


def check_step(given: object) -> None:
    """Checks that a function has given a ``Step``.

    Raises:
        UserError: it has not.
    """
    if not isinstance(given, Step):
        found = "None" if given is None else f"a {type(given).__name__}"
        raise UserError(
            f"step of the environment gives {found}: it must be a Step(state, observation, reward, terminated, "
            "truncated)"
        )


class Environment(NamedTuple):
    """A pure environment. The loop resets it after an episode, which costs no step.

    Attributes:
        draw: noise of one step (see ``mgsc.noise``; ``noise.keys`` makes it a plain key).
        draw_reset: noise of one reset.
        reset: ``(noise, params, previous) -> (state, observation)``; ``previous`` is the last state of the episode
            before, or None at the start of a run. The clock of recurring changes goes on from it.
        step: ``(noise, state, action, params) -> Step``.
        num_actions: A; 0 where actions are numbers.
        problem: ``() -> str`` an error on the host, in words; empty where there was none. The runner reports it in
            place of the compiled program's own error. None: nothing runs on the host.
    """

    draw: Draw
    draw_reset: Draw
    reset: Callable[[PyTree, PyTree, PyTree], tuple[PyTree, Array]]
    step: Callable[[PyTree, PyTree, Array, PyTree], Step]
    num_actions: int
    problem: Callable[[], str] | None = None
