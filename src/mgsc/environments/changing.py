"""Environments without tables that change: their rules as functions of numbers, and numbers that follow a schedule.

An environment's *dynamics* decide the successors of its actions, its *task* the rewards and the ends of episodes. Each
is a pytree with a leading axis of P phases, which follow one another in a circle, as those of the mazes do. So a model
can have the dynamics of one phase and the task of another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.base import Environment, Step
from mgsc.environments.foreign import NEVER
from mgsc.environments.phases import phase_at
from mgsc.environments.row import Outcomes, Simulator
from mgsc.errors import UserError
from mgsc.indexing import lookup
from mgsc.noise import Draw, keys, nothing
from mgsc.settings import choice, size
from mgsc.types import Array, PyTree, like

Number = Array | float
"""A number of a phase: a float in settings, an array in a compiled program."""

UNCHANGED = "none"
"""The choice of ``change`` by which an environment never changes."""


def change(options: tuple[str, ...], help: str) -> Any:
    """The setting of the change from phase to phase."""
    return choice(UNCHANGED, (UNCHANGED, *options), help)


def switch_every() -> Any:
    """The setting of the steps between changes."""
    return size(NEVER, 1, 2**30, "environment steps each of the two phases lasts; only with change")


def phases_of(settings: Any, **unchanged: tuple[str, float]) -> tuple[str | None, ...]:
    """The change of each phase: None of the first one, that of the settings of the second, if there is one.

    Args:
        settings: of an environment, with ``change`` and ``switch_every``.
        unchanged: for a change, its setting, and the value of that setting by which nothing changes.

    Raises:
        UserError: a change without a schedule, a schedule without a change, or a change that changes nothing; it names
            both settings.
    """
    check_change(settings.change, settings.switch_every)
    if settings.change in unchanged:
        _refuse_no_change(settings, *unchanged[settings.change])
    return (None,) if settings.change == UNCHANGED else (None, settings.change)


def check_change(change: str, switch_every: int) -> None:
    """Checks that a change has a schedule, and a schedule a change.

    Raises:
        UserError: one of them is missing; it names both settings.
    """
    if (change == UNCHANGED) != (switch_every == NEVER):
        raise UserError(
            f"environment.change is {change!r} and environment.switch_every is {switch_every}: "
            "a change needs both, and neither does anything without the other"
        )


def _refuse_no_change(settings: Any, name: str, unchanged: float) -> None:
    value = getattr(settings, name)
    if np.float32(value) == np.float32(unchanged):
        raise UserError(
            f"environment.change is {settings.change!r} and environment.{name} is {value:g}: nothing would change"
        )


class ChangingState(NamedTuple):
    """The environment's state.

    Attributes:
        inner: the numbers that the dynamics change.
        clock: int32 environment steps since the run began; it goes on across episodes.
        episode_step: int32 steps since the episode began.
    """

    inner: PyTree
    clock: Array
    episode_step: Array


class ChangingParams(NamedTuple):
    """The environment's numbers that may be traced.

    Attributes:
        dynamics, task: pytrees of arrays [P, ...].
        switch_every: int32 environment steps each phase lasts.
        step_limit: int32 steps after which an episode is truncated.
    """

    dynamics: PyTree
    task: PyTree
    switch_every: Array
    step_limit: Array


class Rules(NamedTuple):
    """The rules of an environment as pure functions; ``inner`` is its state without the counts of steps.

    Attributes:
        num_actions: A; 0 where an action is numbers.
        start: ``(key) -> inner`` of the first step of an episode.
        move: ``(noise, inner, action, dynamics) -> inner``.
        judge: ``(inner, action, successor, task) -> (reward, terminated)``.
        observe: ``(inner) -> observation``.
        draw: noise of one move.
        infer: ``(observation) -> inner``; None where the state does not follow from an observation: no model can then
            use the rules.
        chances: numbers [M] that stand for the noise of a move in a model, and their probabilities [M]; None where
            there is no noise.
        action: shape and dtype of an action that is numbers in [−1, 1]; None where actions are numbered.
    """

    num_actions: int
    start: Callable[[Array], PyTree]
    move: Callable[[PyTree, PyTree, Array, PyTree], PyTree]
    judge: Callable[[PyTree, Array, PyTree, PyTree], tuple[Array, Array]]
    observe: Callable[[PyTree], Array]
    draw: Draw = nothing
    infer: Callable[[Array], PyTree] | None = None
    chances: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    action: jax.ShapeDtypeStruct | None = None


def simulate(
    rules: Rules,
    dynamics: list[PyTree],
    task: list[PyTree],
    *,
    switch_every: int,
    step_limit: int,
    reward_scale: float = 1.0,
    observation_scale: NDArray[np.float32] | None = None,
) -> Simulator:
    """The simulator of an environment's rules, in P phases.

    Args:
        rules: of the environment.
        dynamics: of each phase, pytrees of numbers.
        task: of each phase, pytrees of numbers.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated; 0 for none.
        reward_scale: see ``Simulator``.
        observation_scale: see ``Simulator``.
    """
    params = ChangingParams(
        _stack(dynamics),
        _stack(task),
        jnp.asarray(switch_every, jnp.int32),
        jnp.asarray(step_limit or NEVER, jnp.int32),
    )
    environment = Environment(
        draw=rules.draw,
        draw_reset=keys,
        reset=functools.partial(_reset, rules),
        step=functools.partial(_step, rules),
        num_actions=rules.num_actions,
    )
    observation = jax.eval_shape(lambda key: rules.observe(rules.start(key)), jax.random.key(0))
    outcomes = None if rules.infer is None else functools.partial(_outcomes, rules, params)
    shape = like(observation.shape, observation.dtype)
    return Simulator(
        environment, params, shape, reward_scale, observation_scale, outcomes, len(dynamics), action=rules.action
    )


def _stack(phases: list[PyTree]) -> PyTree:
    return jax.tree.map(
        lambda *leaves: jnp.stack([jnp.asarray(leaf, jnp.result_type(float)) for leaf in leaves]), *phases
    )


def _of_phase(phases: PyTree, phase: Array) -> PyTree:
    """One phase's numbers; constants where there is one phase only."""
    return jax.tree.map(lambda leaf: leaf[0] if len(leaf) == 1 else lookup(leaf, phase), phases)


def _reset(
    rules: Rules, noise: PyTree, params: ChangingParams, previous: ChangingState | None
) -> tuple[ChangingState, Array]:
    del params
    inner, zero = rules.start(noise), jnp.zeros((), jnp.int32)
    return ChangingState(inner, zero if previous is None else previous.clock, zero), rules.observe(inner)


def _step(rules: Rules, noise: PyTree, state: ChangingState, action: Array, params: ChangingParams) -> Step:
    phase = phase_at(state.clock, params.switch_every, len(jax.tree.leaves(params.task)[0]))
    successor = rules.move(noise, state.inner, action, _of_phase(params.dynamics, phase))
    reward, terminated = rules.judge(state.inner, action, successor, _of_phase(params.task, phase))
    after = ChangingState(successor, state.clock + 1, state.episode_step + 1)
    truncated = ~terminated & (after.episode_step >= params.step_limit)
    return Step(after, rules.observe(successor), reward, terminated, truncated)


def _outcomes(
    rules: Rules,
    params: ChangingParams,
    observation: Array,
    action: Array,
    dynamics_phase: Array,
    task_phase: Array,
) -> Outcomes:
    assert rules.infer is not None, "simulate leaves the outcomes out where observations do not tell the state"
    inner = rules.infer(observation)
    dynamics, task = _of_phase(params.dynamics, dynamics_phase), _of_phase(params.task, task_phase)

    def of(noise: PyTree) -> tuple[Array, Array, Array]:
        successor = rules.move(noise, inner, action, dynamics)
        return (*rules.judge(inner, action, successor, task), rules.observe(successor))

    if rules.chances is None:
        made = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], of(()))
        return Outcomes(jnp.ones(1), *made)
    numbers, probability = rules.chances
    return Outcomes(jnp.asarray(probability), *jax.vmap(of)(jnp.asarray(numbers)))
