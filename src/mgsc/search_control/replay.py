"""Experience replay: real transitions applied again, in place of model queries."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.experience import empty_ring, put_transition
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class ReplayState(NamedTuple):
    """The last real transitions, in a ring.

    Attributes:
        ring: Transition of arrays [capacity + 1].
        count: int32 transitions seen so far.
        visits: [N] how many transitions in the window start at each candidate.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]
    visits: Array


def replay(window: Array | int, *, capacity: int) -> Strategy:
    """Draws uniformly from the last ``window`` real transitions instead of asking the model.

    Its distribution over states is that of the window.

    Args:
        window: transitions to draw from, 1..capacity; may be traced.
        capacity: size of the ring, static.

    Source: Lin 1992. Differs in nothing but that single transitions, not episodes, are replayed.
    """
    # One slot more than can be drawn from: the transition that leaves the window is then never the one
    # just overwritten, so it can be read after the write, which spares a copy of the ring per step.
    slots = capacity + 1

    def init(key: Array, params: Params, candidates: Candidates) -> ReplayState:
        del key, params
        visits = jnp.zeros(candidates.index.shape, jnp.result_type(float))
        return ReplayState(empty_ring(candidates, slots), jnp.zeros((), jnp.int32), visits)

    def observe(
        state: ReplayState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[ReplayState, dict[str, Array]]:
        del params, candidates
        ring = put_transition(state.ring, state.count % slots, transition)
        leaving = lookup(ring.observation, (state.count - window) % slots)
        forgotten = jnp.where(state.count >= window, 1.0, 0.0)
        visits = add_at(add_at(state.visits, leaving, -forgotten), transition.observation, jnp.ones(()))
        return ReplayState(ring, state.count + 1, visits), {}

    def weights(state: ReplayState, params: Params, candidates: Candidates) -> Array:
        del params, candidates
        return state.visits / jnp.minimum(state.count, window)

    def propose(
        noise: PyTree,
        state: ReplayState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del params, distribution, candidates, last
        size = jnp.minimum(state.count, window)
        age = jnp.minimum((noise * size).astype(jnp.int32), size - 1)
        slot = (state.count - 1 - age) % slots
        outcome = Transition(*(lookup(column, slot) for column in state.ring))
        return Query(outcome.observation, outcome.observation, outcome.action, outcome=outcome)

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init, weights, propose, observe=observe)

    return build
