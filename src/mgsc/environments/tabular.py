"""The environment that tables describe, with recurring changes as a schedule in its parameters."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mgsc.environments.base import Environment, Step
from mgsc.environments.maze import Maze
from mgsc.environments.phases import phase_at
from mgsc.environments.tables import MOST_STEPS, Tables, check_steps
from mgsc.environments.world import World
from mgsc.errors import check_type
from mgsc.indexing import lookup
from mgsc.noise import uniforms
from mgsc.sampling import index_from_cumulative
from mgsc.types import Array, PyTree, to_device

NO_LIMIT = MOST_STEPS
"""Step limit or switching period that is never reached."""


class TabularState(NamedTuple):
    """The environment's state.

    Attributes:
        position: int32 state index.
        clock: int32 environment steps since the run began; it goes on across episodes.
        episode_step: int32 steps since the episode began.
    """

    position: Array
    clock: Array
    episode_step: Array


class TabularParams(NamedTuple):
    """The environment's numbers that may be traced.

    Attributes:
        cumulative, reward, successor, terminates: [P, S, A, M] tables of the P phases.
        start: [S] cumulative start probabilities.
        switch_every: int32 environment steps each phase lasts; the phases follow in a circle.
        step_limit: int32 steps after which an episode is truncated.
    """

    cumulative: Array
    reward: Array
    successor: Array
    terminates: Array
    start: Array
    switch_every: Array
    step_limit: Array


def tabular(
    source: Tables | Maze | World, *, switch_every: int = NO_LIMIT, step_limit: int | None = None
) -> tuple[Environment, TabularParams]:
    """An environment from stacked tables [P, S, A, M]; observations are state indices.

    Args:
        source: checked tables, see ``check_tables``, or a maze or world.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated, 0 for none; None for the world's own, if it has one.

    Raises:
        UserError: ``source`` has no tables; ``switch_every`` or ``step_limit`` is no number of steps.
    """
    check_type("source", source, (Tables, Maze, World), "be a Maze, a World or Tables")
    tables = source if isinstance(source, Tables) else source.tables
    if step_limit is None:
        step_limit = source.step_limit if isinstance(source, World) else 0
    check_steps("switch_every", switch_every, least=1)
    check_steps("step_limit", step_limit)
    params = TabularParams(
        to_device(tables.cumulative),
        to_device(tables.reward),
        to_device(tables.successor),
        to_device(tables.terminates),
        to_device(np.cumsum(tables.start)),
        to_device(np.int32(switch_every)),
        to_device(np.int32(step_limit or NO_LIMIT)),
    )
    return Environment(uniforms, uniforms, _reset, _step, tables.probability.shape[2]), params


def _reset(noise: PyTree, params: TabularParams, previous: TabularState | None) -> tuple[TabularState, Array]:
    position = index_from_cumulative(noise, params.start)
    zero = jnp.zeros((), jnp.int32)
    return TabularState(position, zero if previous is None else previous.clock, zero), position


def _step(noise: PyTree, state: TabularState, action: Array, params: TabularParams) -> Step:
    phase = phase_at(state.clock, params.switch_every, params.cumulative.shape[0])
    _, num_states, num_actions, num_slots = params.cumulative.shape
    triple = (phase * num_states + state.position) * num_actions + action
    cumulative = lookup(params.cumulative.reshape(-1, num_slots), triple)
    # One number addresses a slot, as in ``models.fixed``.
    entry = triple * num_slots + index_from_cumulative(noise, cumulative)
    successor = lookup(params.successor.ravel(), entry)
    terminated = lookup(params.terminates.ravel(), entry)
    after = TabularState(successor, state.clock + 1, state.episode_step + 1)
    truncated = ~terminated & (after.episode_step >= params.step_limit)
    return Step(after, successor, lookup(params.reward.ravel(), entry), terminated, truncated)
