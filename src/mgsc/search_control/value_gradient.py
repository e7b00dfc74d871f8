"""Hill climbing on the values: each query lies uphill of the one before."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, put_at
from mgsc.problem import StrategyFacts
from mgsc.reductions import largest
from mgsc.sampling import uniform_index
from mgsc.search_control.base import Distribution, SearchControl, Strategy
from mgsc.search_control.experience import LARGEST_WINDOW
from mgsc.search_control.frequency import no_queries_yet, recent_queries, with_query
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import size
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition


class ClimbingState(NamedTuple):
    """Where climbs begin, and where they have been.

    Attributes:
        ring: [capacity] int32 the last visited states.
        count: [] int32 visits so far.
        frequency: [N] recent share of the queries at each candidate.
    """

    ring: Array
    count: Array  # type: ignore[assignment]
    frequency: Array


def value_gradient(num_actions: int, window: Array | int, *, capacity: int) -> Strategy:
    """Climbs from a recently visited state to the neighbour of largest value, and so on to the top.

    The neighbours of a state are the non-terminal states to which some action may lead in the model. Where none
    has a larger value max q than the state itself, and at the first update of each real step, a new climb
    begins at a state drawn from those of the last ``window`` real steps. Every query takes all outcomes of A actions
    in the model.

    Args:
        num_actions: A.
        window: last real steps at whose states climbs begin, 1 … capacity; may be traced.
        capacity: size of the ring, static.

    Source: Pan et al. 2019 (HC-Dyna). Differs in that states are listed: a step goes to the best neighbour
    in the model, where theirs follows ∇_s v with noise; that states are queried as they are climbed, where
    theirs are put in a queue and drawn from it; and that no real transitions are mixed in.
    """

    def init(key: Array, params: Params, candidates: Candidates) -> ClimbingState:
        del key, params
        return ClimbingState(jnp.zeros(capacity, jnp.int32), jnp.zeros((), jnp.int32), no_queries_yet(candidates))

    def observe(
        state: ClimbingState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[ClimbingState, dict[str, Array]]:
        del params, candidates
        ring = put_at(state.ring, state.count % capacity, transition.observation)
        return state._replace(ring=ring, count=state.count + 1), {}

    def after_backup(state: ClimbingState, params: Params, backup: Backup) -> ClimbingState:
        del params
        return state._replace(frequency=with_query(state.frequency, backup.index))

    def build(parts: Parts) -> SearchControl:
        def propose(
            noise: PyTree,
            state: ClimbingState,
            params: Params,
            distribution: Distribution,
            candidates: Candidates,
            last: Backup,
        ) -> Query:
            del distribution
            size = jnp.minimum(state.count, window)
            age = uniform_index(noise, size)
            beginning = lookup(state.ring, (state.count - 1 - age) % capacity)
            uphill, is_higher = best_neighbour(parts, params, candidates, last.transition.observation, num_actions)
            there = jnp.where((last.index >= 0) & is_higher, uphill, beginning)
            return Query(there, there)

        return SearchControl(
            init=init, weights=recent_queries, propose=propose, after_backup=after_backup, observe=observe
        )

    return build


def best_neighbour(
    parts: Parts, params: Params, candidates: Candidates, here: Array, num_actions: int
) -> tuple[Array, Array]:
    """The neighbour of largest value, and whether that is larger than the value ``here``."""
    answers = jax.vmap(parts.expect, (None, None, 0))(params.model, here, jnp.arange(num_actions))
    states = answers.observation.reshape(-1)
    is_neighbour = (answers.probability > 0) & (answers.discount > 0) & candidates.is_allowed[answers.observation]
    values = largest(jax.vmap(parts.action_values, (None, 0))(params.values, states))
    values = jnp.where(is_neighbour.reshape(-1), values, -jnp.inf)
    best = jnp.argmax(values)
    return lookup(states, best), lookup(values, best) > largest(parts.action_values(params.values, here))


@dataclasses.dataclass(frozen=True)
class ClimbSettings:
    """Settings of ``value_gradient``."""

    window: int = size(300, 1, LARGEST_WINDOW, "real steps whose states climbs begin at", traced=True)


def _build(settings: ClimbSettings, facts: StrategyFacts) -> Strategy:
    return value_gradient(facts.problem.facts.num_actions, settings.window, capacity=LARGEST_WINDOW)


def _expected_backups(settings: ClimbSettings, facts: StrategyFacts) -> int:
    del settings
    return int(facts.planning_updates) * facts.problem.facts.num_actions


ROW = StrategyRow(
    name="value_gradient",
    summary="uphill on the values, from states visited of late",
    settings=ClimbSettings,
    build=_build,
    needs=always("listed states", "discrete actions"),
    expected_backups=_expected_backups,
    space={"window": Range(10, 5000)},
)
