"""The records of classic experiments: lengths of episodes, reward through time, or the time of a solution.

Each is a recorder of fixed memory that goes on from one chunk to the next, until its run is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from mgsc.dyna import DynaState, Recorder, StepInfo
from mgsc.environments.tables import Tables
from mgsc.indexing import add_at, lookup, put_at
from mgsc.reductions import largest
from mgsc.types import Array

Record = dict[str, Array]


class Recording(NamedTuple):
    """A recorder that goes on over chunks until its run is over.

    Attributes:
        init: ``() -> record`` of a run.
        step: as in ``Recorder``.
        measure: as in ``Recorder``.
        is_over: ``(record) -> bool``; later steps change none of the results.
        results: names of the entries that are results, and the count of numbers of each; 0 for a single one.
        measures_steps: whether ``measure`` must be called after every step.
    """

    init: Callable[[], Record]
    step: Callable[[Record, StepInfo], Record]
    measure: Callable[[Record, DynaState], Record]
    is_over: Callable[[Record], Array]
    results: dict[str, int]
    measures_steps: bool = False

    def after(self, record: Record) -> Recorder:
        """The recorder of the chunk that follows ``record``."""
        return Recorder(lambda: record, self.step, self.measure)


def episode_lengths(num_episodes: int) -> Recording:
    """``length`` [num_episodes] the environment steps of each of the first episodes.

    An episode is over where a transition terminates. Truncated episodes are not recognised, so the environment must
    have no step limit.
    """

    def init() -> Record:
        zero = jnp.zeros((), jnp.int32)
        # One entry more takes what comes after the last episode.
        return {"length": jnp.zeros(num_episodes + 1, jnp.int32), "episode": zero, "steps": zero}

    def step(record: Record, info: StepInfo) -> Record:
        steps, is_end = record["steps"] + 1, info.transition.discount == 0
        place = jnp.where(is_end, jnp.minimum(record["episode"], num_episodes), num_episodes)
        return {
            "length": put_at(record["length"], place, steps),
            "episode": record["episode"] + is_end,
            "steps": jnp.where(is_end, 0, steps),
        }

    return Recording(init, step, _unchanged, lambda record: record["episode"] >= num_episodes, {"length": num_episodes})


def reward_through_time(num_steps: int, record_every: int) -> Recording:
    """``reward`` [num_steps / record_every] sums of rewards of ``record_every`` environment steps each."""
    num_chunks = num_steps // record_every

    def init() -> Record:
        return {"reward": jnp.zeros(num_chunks + 1), "steps": jnp.zeros((), jnp.int32)}

    def step(record: Record, info: StepInfo) -> Record:
        place = jnp.minimum(record["steps"] // record_every, num_chunks)
        return {
            "reward": add_at(record["reward"], place, info.transition.reward),
            "steps": record["steps"] + 1,
        }

    return Recording(init, step, _unchanged, lambda record: record["steps"] >= num_steps, {"reward": num_chunks})


def first_solution(
    tables: Tables, longest: int, updates: Callable[[DynaState, Array], Array], *, at_ends: bool
) -> Recording:
    """``steps`` and ``updates`` made when greedy paths from the start to the goal are at most ``longest`` steps.

    Where several actions are greedy the path of every choice must be as short, so that chance and the order of the
    actions have no effect.

    Args:
        tables: deterministic, of one phase, with one start.
        longest: environment steps.
        updates: ``(state, steps) ->`` the number of updates of the run so far.
        at_ends: search only where an episode has just ended, not after every step.
    """
    is_solved = path_test(tables, longest)

    def init() -> Record:
        zero = jnp.zeros((), jnp.int32)
        return {"now": zero, "is_end": jnp.zeros((), bool), "steps": zero, "updates": zero}

    def step(record: Record, info: StepInfo) -> Record:
        return record | {"now": record["now"] + 1, "is_end": info.transition.discount == 0}

    def measure(record: Record, state: DynaState) -> Record:
        is_due = (record["steps"] == 0) & (record["is_end"] | (not at_ends))
        found = is_solved(state.values, is_due)
        return record | {
            "steps": jnp.where(found, record["now"], record["steps"]),
            "updates": jnp.where(found, updates(state, record["now"]), record["updates"]),
        }

    return Recording(init, step, measure, lambda record: record["steps"] > 0, {"steps": 0, "updates": 0}, True)


def path_test(tables: Tables, longest: int) -> Callable[[Array, Array], Array]:
    """``(q [S, A], is_due) ->`` whether ``is_due``, and every greedy path from the start ends within ``longest`` steps.

    Args:
        tables: deterministic, of one phase, with one start.

    Raises:
        ValueError: the tables are stochastic.
    """
    if not ((tables.probability == 0) | (tables.probability == 1)).all() or tables.start.max() != 1:
        raise ValueError("greedy paths are followed in deterministic tables with one start only")
    slot = tables.probability.argmax(-1)[..., None]
    successor = jnp.asarray(np.take_along_axis(tables.successor, slot, -1)[..., 0])
    is_goal = jnp.asarray(tables.is_terminal)
    start = int(tables.start.argmax())

    def test(q: Array, is_due: Array) -> Array:
        is_greedy = q >= largest(q)[:, None]

        def look_further(reaches: Array) -> Array:
            """Whether the goal is reached in one step more, whichever greedy action is taken."""
            return is_goal | (lookup(reaches, successor) | ~is_greedy).all(-1)

        def goes_on(carry: tuple[Array, Array]) -> Array:
            reaches, count = carry
            return is_due & (count < longest) & ~reaches[start]

        reaches, _ = lax.while_loop(
            goes_on, lambda carry: (look_further(carry[0]), carry[1] + 1), (is_goal, jnp.zeros((), jnp.int32))
        )
        return is_due & reaches[start]

    return test


def _unchanged(record: Record, state: DynaState) -> Record:
    del state
    return record
