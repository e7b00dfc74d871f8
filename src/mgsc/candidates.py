"""Candidate sources: the states search control may choose from, given anew for every real step.

One source lists all states; another draws a batch from the states visited so far. Strategies that keep a number for
each state need listed states; the others take any source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.facts import Facts
from mgsc.indexing import lookup, put_at
from mgsc.noise import Draw, keys, nothing
from mgsc.settings import Row, check_setting, size
from mgsc.types import Array, Candidates, PyTree, Transition, to_device


class CandidateSource(NamedTuple):
    """A source of candidates as pure functions.

    Attributes:
        init: ``(key) -> state``.
        candidates: ``(noise, state) -> Candidates`` of one real step, used by the meta-update and by planning.
        observe: ``(state, transition) -> state`` for every real transition, before the step's candidates are
            drawn; None where the source has no memory.
        draw: noise of one step's candidates.
        listed: the candidates, where they are the same in every step and numbered by their place; else None.
        num_slots: count of the numbers that ``index`` may have, where each stands for one stored transition until that
            is replaced; None for sources that store none.
        has_actions: whether candidates have actions.
        refresh: ``(noise, state) -> state`` between the two, with the noise of ``candidates``, for a source that keeps
            what it has drawn; None for others.
        receive: ``(state, candidates, error [N]) -> state`` after planning: the TD error of each candidate's own
            experience (reward), under the values after planning. None for sources that need none.
        stored: ``(uniform, state) -> Transition``, one of the stored real transitions; None for sources that store
            none.
    """

    init: Callable[[Array], PyTree]
    candidates: Callable[[PyTree, PyTree], Candidates]
    observe: Callable[[PyTree, Transition], PyTree] | None = None
    draw: Draw = nothing
    listed: Candidates | None = None
    num_slots: int | None = None
    has_actions: bool = False
    refresh: Callable[[PyTree, PyTree], PyTree] | None = None
    receive: Callable[[PyTree, Candidates, Array], PyTree] | None = None
    stored: Callable[[Array, PyTree], Transition] | None = None


def listed(candidates: Candidates) -> CandidateSource:
    """The same candidates in every step, such as all S states."""

    def constant(noise: PyTree, state: PyTree) -> Candidates:
        del noise, state
        return candidates

    return CandidateSource(init=lambda key: (), candidates=constant, listed=candidates)


class VisitedBuffer(NamedTuple):
    """The newest observations, in a ring.

    Attributes:
        observations: [capacity, ...].
        count: [] int32 observations so far.
    """

    observations: Array
    count: Array  # type: ignore[assignment]


def from_buffer(example: Array | jax.ShapeDtypeStruct, *, num_candidates: int, capacity: int) -> CandidateSource:
    """N observations drawn uniformly, with replacement, from the last ``capacity`` ones the agent acted in.

    A candidate's ``index`` is its slot in the buffer. No state in which an episode ended is ever a candidate.

    Args:
        example: an observation; only its shape and dtype matter.
        num_candidates: N.
        capacity: observations kept.

    Raises:
        UserError: no candidates, or no room for any.
    """
    check_setting(BufferSettings, "num_candidates", num_candidates)
    check_setting(BufferSettings, "capacity", capacity)

    def init(key: Array) -> VisitedBuffer:
        del key
        return VisitedBuffer(jnp.zeros((capacity, *example.shape), example.dtype), jnp.zeros((), jnp.int32))

    def observe(state: VisitedBuffer, transition: Transition) -> VisitedBuffer:
        ring = put_at(state.observations, state.count % capacity, transition.observation)
        return VisitedBuffer(ring, state.count + 1)

    def candidates(noise: PyTree, state: VisitedBuffer) -> Candidates:
        filled = jnp.clip(state.count, 1, capacity)
        slots = jax.random.randint(noise, (num_candidates,), 0, filled, jnp.int32)
        return Candidates(lookup(state.observations, slots), slots, jnp.ones(num_candidates, bool))

    return CandidateSource(init=init, candidates=candidates, observe=observe, draw=keys)


S = TypeVar("S")


@dataclasses.dataclass(frozen=True)
class CandidatesRow(Row[S]):
    """A candidate source that suites may name.

    Attributes:
        build: ``(settings, facts) -> CandidateSource``.
        needs_tables: whether states must be listed.
    """

    build: Callable[[S, Facts], CandidateSource]
    needs_tables: bool = False


@dataclasses.dataclass(frozen=True)
class ListedSettings:
    """All states are candidates, the terminal ones not allowed."""


@dataclasses.dataclass(frozen=True)
class BufferSettings:
    """Candidates are drawn from the states visited last."""

    num_candidates: int = size(64, 1, 100_000, "candidates of each real step")
    capacity: int = size(10_000, 1, 10_000_000, "observations kept to draw from")


def _listed(settings: ListedSettings, facts: Facts) -> CandidateSource:
    del settings
    index = to_device(np.arange(facts.num_states, dtype=np.int32))
    return listed(Candidates(index, index, to_device(~facts.listed.is_terminal)))


def _from_buffer(settings: BufferSettings, facts: Facts) -> CandidateSource:
    return from_buffer(facts.observation, num_candidates=settings.num_candidates, capacity=settings.capacity)


LISTED_ROW = CandidatesRow("listed", "all states", ListedSettings, _listed, needs_tables=True)
BUFFER_ROW = CandidatesRow("buffer", "states drawn from those visited last", BufferSettings, _from_buffer)
