"""Experience replay: stored real transitions, in place of model queries."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.errors import UserError
from mgsc.indexing import add_at, lookup
from mgsc.problem import StrategyFacts
from mgsc.rings import empty_ring, put_transition, take_transitions
from mgsc.sampling import uniform_index
from mgsc.search_control.base import Distribution, SearchControl, Strategy, uniform_weights
from mgsc.search_control.experience import LARGEST_WINDOW
from mgsc.search_control.row import Range, StrategyRow
from mgsc.settings import added, size
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class ReplayState(NamedTuple):
    """The last real transitions, in a ring.

    Attributes:
        ring: Transition of arrays [capacity + 1].
        count: [] int32 transitions so far.
        visits: [N] how many transitions in the window start at each candidate; None where these are not listed.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]
    visits: Array | None


def replay(
    window: Array | int, *, capacity: int, is_listed: bool = True, action: jax.ShapeDtypeStruct | None = None
) -> Strategy:
    """Draws uniformly from the last ``window`` real transitions instead of querying the model.

    Its distribution over listed states is that of the window. Where candidates are not listed, it uses none of them: d
    is then uniform, and has no meaning.

    Args:
        window: transitions to draw from, 1 … capacity; may be traced.
        capacity: size of the ring, static.
        is_listed: whether candidates are the same in every step, each numbered by its observation.
        action: shape and dtype of an action; None for the number of one.

    Source: Lin 1992. Differs only in that single transitions, not episodes, are replayed.
    """
    rule = _Rule(window, capacity, is_listed, action)

    def build(parts: Parts) -> SearchControl:
        del parts
        return SearchControl(init=rule.init, observe=rule.observe, weights=rule.weights, propose=rule.propose)

    return build


class _Rule(NamedTuple):
    """The arguments of ``replay``."""

    window: Array | int
    capacity: int
    is_listed: bool
    action: jax.ShapeDtypeStruct | None

    @property
    def slots(self) -> int:
        """One more than can be drawn from.

        The transition that leaves the window is then never the one just overwritten, so it can be read after the
        write, which spares a copy of the ring per step.
        """
        return self.capacity + 1

    def init(self, key: Array, params: Params, candidates: Candidates) -> ReplayState:
        del key, params
        visits = jnp.zeros(candidates.index.shape, jnp.result_type(float)) if self.is_listed else None
        ring = empty_ring(candidates.observation[0], self.slots, self.action)
        return ReplayState(ring, jnp.zeros((), jnp.int32), visits)

    def observe(
        self, state: ReplayState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[ReplayState, dict[str, Array]]:
        del params, candidates
        ring = put_transition(state.ring, state.count % self.slots, transition)
        if state.visits is None:
            return ReplayState(ring, state.count + 1, None), {}
        leaving = lookup(ring.observation, (state.count - self.window) % self.slots)
        forgotten = jnp.where(state.count >= self.window, 1.0, 0.0)
        visits = add_at(add_at(state.visits, leaving, -forgotten), transition.observation, jnp.ones(()))
        return ReplayState(ring, state.count + 1, visits), {}

    def weights(self, state: ReplayState, params: Params, candidates: Candidates) -> Array:
        if state.visits is None:
            return uniform_weights(state, params, candidates)
        return state.visits / jnp.minimum(state.count, self.window)

    def propose(
        self,
        noise: PyTree,
        state: ReplayState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del params, distribution, candidates, last
        size = jnp.minimum(state.count, self.window)
        age = uniform_index(noise, size)
        slot = (state.count - 1 - age) % self.slots
        outcome = take_transitions(state.ring, slot)
        name = outcome.observation if self.is_listed else slot
        return Query(outcome.observation, name, outcome.action, outcome=outcome)


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """Settings of ``replay``."""

    window: int = size(300, 1, 2**23, "real transitions to draw from", traced=True)
    capacity: int = added(size(LARGEST_WINDOW, 1, 2**23, "real transitions kept, of which the newest are drawn from"))


def _build(settings: ReplaySettings, facts: StrategyFacts) -> Strategy:
    if isinstance(settings.window, int) and settings.window > settings.capacity:
        raise UserError(
            f"window is {settings.window} and capacity is {settings.capacity}: no more than is kept can be drawn from"
        )
    is_listed = facts.problem.candidates.listed is not None
    action = facts.problem.facts.action
    return replay(settings.window, capacity=settings.capacity, is_listed=is_listed, action=action)


def _space_of_minibatches(settings: ReplaySettings) -> dict[str, Range]:
    return {"window": Range(min(50, settings.capacity), settings.capacity, is_bounded=True)}


ROW = StrategyRow(
    name="replay",
    summary="the last real transitions again, in place of model queries",
    settings=ReplaySettings,
    build=_build,
    queries_model=False,
    tunes_updates=False,
    space={"window": Range(50, 2000)},
    space_of_minibatches=_space_of_minibatches,
)
