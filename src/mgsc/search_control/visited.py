"""Conventional search control that follows the agent: visited states, and trajectories from the current state."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup, put_at
from mgsc.noise import nothing
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.experience import LARGEST_WINDOW
from mgsc.search_control.frequency import no_queries_yet, recent_queries, with_query
from mgsc.search_control.row import NoSettings, Range, StrategyRow, always
from mgsc.settings import size
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class VisitedState(NamedTuple):
    """How often each candidate was visited.

    Attributes:
        visits: [N] visits in the window.
        ring: [capacity + 1] int32 the last visited candidates; one entry where all visits count.
        count: [] int32 visits so far.
    """

    visits: Array
    ring: Array
    count: Array  # type: ignore[assignment]


def visited(window: Array | int | None = None, *, capacity: int = 0) -> Strategy:
    """States in proportion to the agent's visits, with queries of the model there.

    Args:
        window: last real steps that count, 1 … capacity; may be traced. None: all steps count, which is the on-policy
            frequency so far.
        capacity: size of the ring, static; 0 without a window.

    Source: Sutton & Barto 2018, 8.6 (on-policy distribution). With a window it has replay's distribution
    over states, with the model in place of the memory.
    """
    slots = capacity + 1

    def init(key: Array, params: Params, candidates: Candidates) -> VisitedState:
        del key, params
        visits = jnp.zeros(candidates.index.shape, jnp.result_type(float))
        return VisitedState(visits, jnp.zeros(slots, jnp.int32), jnp.zeros((), jnp.int32))

    def observe(
        state: VisitedState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[VisitedState, dict[str, Array]]:
        del params, candidates
        ring, visits = state.ring, state.visits
        if window is not None:
            ring = put_at(ring, state.count % slots, transition.observation)
            leaving = lookup(ring, (state.count - window) % slots)
            visits = add_at(visits, leaving, jnp.where(state.count >= window, -1.0, 0.0))
        visits = add_at(visits, transition.observation, jnp.ones(()))
        return VisitedState(visits, ring, state.count + 1), {}

    def weights(state: VisitedState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return state.visits / state.visits.sum()

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init=init, weights=weights, observe=observe)

    return build


class TrajectoryState(NamedTuple):
    """The beginning of imagined trajectories, and the frequency of their queries.

    Attributes:
        beginning: [] int32 the agent's state; where an episode ended there, the one before.
        frequency: [N] recent share of the queries at each candidate.
    """

    beginning: Array
    frequency: Array


def trajectory() -> Strategy:
    """Imagined trajectories from the agent's state: each query is at the successor of the one before.

    A trajectory begins anew in each real step, and where an imagined episode ends.

    Source: Sutton & Barto 2018, 8.6 (trajectory sampling), from the current state.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> TrajectoryState:
        del key, params
        return TrajectoryState(jnp.zeros((), jnp.int32), no_queries_yet(candidates))

    def observe(
        state: TrajectoryState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[TrajectoryState, dict[str, Array]]:
        del params, candidates
        goes_on = transition.discount > 0
        beginning = jnp.where(goes_on, transition.successor, transition.observation)
        return state._replace(beginning=beginning), {}

    def propose(
        noise: PyTree,
        state: TrajectoryState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del noise, params, distribution, candidates
        goes_on = (last.index >= 0) & (last.transition.discount > 0)
        here = jnp.where(goes_on, last.transition.successor, state.beginning)
        return Query(here, here)

    def after_backup(state: TrajectoryState, params: Params, backup: Backup) -> TrajectoryState:
        del params
        return state._replace(frequency=with_query(state.frequency, backup.index))

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(
            init=init,
            weights=recent_queries,
            propose=propose,
            after_backup=after_backup,
            observe=observe,
            draw=nothing,
        )

    return build


@dataclasses.dataclass(frozen=True)
class RecencySettings:
    """Settings of ``recency``."""

    window: int = size(300, 1, LARGEST_WINDOW, "real steps that count", traced=True)


def _build_recency(settings: RecencySettings, facts: StrategyFacts) -> Strategy:
    del facts
    return visited(settings.window, capacity=LARGEST_WINDOW)


def _build_visited(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings, facts
    return visited()


def _build_trajectory(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings, facts
    return trajectory()


RECENCY = StrategyRow(
    name="recency",
    summary="states visited in the last real steps",
    settings=RecencySettings,
    build=_build_recency,
    needs=always("listed states"),
    space={"window": Range(10, 5000)},
)
VISITED = StrategyRow(
    name="visited",
    summary="states as often as they were visited (on-policy)",
    settings=NoSettings,
    build=_build_visited,
    needs=always("listed states"),
)
TRAJECTORY = StrategyRow(
    name="trajectory",
    summary="imagined trajectories from the current state",
    settings=NoSettings,
    build=_build_trajectory,
    needs=always("listed states"),
)
