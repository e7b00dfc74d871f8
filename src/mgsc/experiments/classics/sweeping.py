"""Prioritized sweeping that counts its updates; with an empty queue there is none."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mgsc.indexing import lookup
from mgsc.search_control.base import Distribution, SearchControl
from mgsc.types import Array, Backup, Candidates, Params, PyTree, Query, Transition


class CountedState(NamedTuple):
    """The state of prioritized sweeping, with a count.

    Attributes:
        inner: ``SweepingState``.
        updates: int32 updates from the queue so far.
    """

    inner: PyTree
    updates: Array


def with_counter(control: SearchControl) -> SearchControl:
    """Prioritized sweeping that counts its updates, with the same queries and updates as without.

    It keeps no recent frequencies of its queries, which no classic records and which take half of the time.
    """
    propose, after_backup, observe = control.propose, control.after_backup, control.observe
    if propose is None or after_backup is None or observe is None:
        raise ValueError("only prioritized sweeping has a queue whose updates can be counted")

    def init(key: Array, params: Params, candidates: Candidates) -> CountedState:
        return CountedState(control.init(key, params, candidates), jnp.zeros((), jnp.int32))

    def weights(state: CountedState, params: Params, candidates: Candidates) -> Array:
        return control.weights(state.inner, params, candidates)

    def counting_propose(
        noise: PyTree,
        state: CountedState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        return propose(noise, state.inner, params, distribution, candidates, last)

    def counting_after_backup(state: CountedState, params: Params, backup: Backup) -> CountedState:
        num_actions = state.inner.frequency.shape[-1]
        is_queued = lookup(state.inner.queue, backup.index * num_actions + backup.transition.action) > 0
        inner = after_backup(state.inner, params, backup)
        return CountedState(inner._replace(frequency=state.inner.frequency), state.updates + is_queued)

    def counting_observe(
        state: CountedState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[CountedState, dict[str, Array]]:
        inner, info = observe(state.inner, params, candidates, transition)
        return state._replace(inner=inner), info

    return SearchControl(init, weights, counting_propose, counting_after_backup, counting_observe, draw=control.draw)
