"""The replay buffer as a source of candidates: the last real transitions, N of which are drawn for a real step.

A candidate is the state in which a stored transition began. The transition comes along, for strategies that look at it.
Nothing has the size of the state space.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mgsc.candidates import CandidateSource, CandidatesRow
from mgsc.facts import Facts
from mgsc.indexing import put_at, put_each
from mgsc.rings import empty_ring, put_transition, take_transitions
from mgsc.sampling import index_from_tree, sum_tree
from mgsc.settings import check_setting, choice, number, size
from mgsc.types import Array, Candidates, PyTree, Transition

Order = Literal["uniform", "recency", "priority"]
Actions = Literal["policy", "stored"]


class ReplayBufferState(NamedTuple):
    """What is kept; nothing but what the order of drawing needs.

    Attributes:
        ring: Transition of arrays [capacity].
        count: int32 transitions met so far.
        slots: [N] int32 where the last candidates drawn lie; None where they are drawn in every step.
        priority: [capacity] (|δ| + floor)^exponent, 0 where nothing is stored; None unless drawn by it.
        largest: [] the largest priority so far, which new transitions get; None unless drawn by it.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]
    slots: Array | None
    priority: Array | None
    largest: Array | None


def replay_buffer(
    example: Array | jax.ShapeDtypeStruct,
    *,
    num_candidates: int,
    capacity: int,
    order: Order = "uniform",
    every: int = 1,
    actions: Actions = "policy",
    horizon: Array | float = 1000.0,
    exponent: Array | float = 0.6,
    floor: Array | float = 0.01,
    action: jax.ShapeDtypeStruct | None = None,
) -> CandidateSource:
    """N of the last ``capacity`` real transitions, drawn with replacement.

    A candidate's ``index`` is its slot in the buffer. No state in which an episode ended is ever a candidate.

    Args:
        example: an observation; only its shape and dtype matter.
        num_candidates: N.
        capacity: transitions kept.
        order: "uniform"; "recency", with probability ∝ exp(−age / horizon); or "priority", with probability ∝
            (|δ| + floor)^exponent, δ being the transition's TD error when it was last a candidate. A new transition
            has the largest priority so far.
        every: real steps for which candidates are kept.
        actions: "policy" leaves a candidate's action to whoever plans from it; with "stored" a candidate is the pair
            that was really tried, so what is known of its transition is known of all that can be asked about it.
        horizon: of "recency" (environment steps).
        exponent: of "priority"; 0 is uniform.
        floor: added to each error (reward).
        action: shape and dtype of an action; None for the number of one.

    Source: Lin 1992 (replay), Schaul et al. 2016 (priority). Differs in that a whole batch of candidates is drawn, and
    that priorities are renewed for these after planning, at the price of N TD errors for each real step.

    Raises:
        UserError: no candidates, no room, candidates that are kept for no step, or another order or choice of actions
            than there is.
    """
    for name, given in dict(num_candidates=num_candidates, capacity=capacity, every=every, order=order).items():
        check_setting(ReplayBufferSettings, name, given)
    check_setting(ReplayBufferSettings, "actions", actions)
    has_priority = order == "priority"

    def init(key: Array) -> ReplayBufferState:
        del key
        kind = jnp.result_type(float)
        return ReplayBufferState(
            ring=empty_ring(example, capacity, action),
            count=jnp.zeros((), jnp.int32),
            slots=jnp.zeros(num_candidates, jnp.int32) if every > 1 else None,
            priority=jnp.zeros(capacity, kind).at[0].set(1.0) if has_priority else None,
            largest=jnp.ones((), kind) if has_priority else None,
        )

    def observe(state: ReplayBufferState, transition: Transition) -> ReplayBufferState:
        slot = state.count % capacity
        priority = state.priority
        if priority is not None and state.largest is not None:
            priority = put_at(priority, slot, state.largest)
        ring = put_transition(state.ring, slot, transition)
        return state._replace(ring=ring, count=state.count + 1, priority=priority)

    def draw(key: Array) -> Array:
        return jax.random.uniform(key, (num_candidates,))

    def drawn_slots(noise: Array, state: ReplayBufferState) -> Array:
        """[N] int32."""
        if state.priority is not None:
            tree = sum_tree(state.priority)
            return jax.vmap(lambda uniform: index_from_tree(uniform, tree))(noise)
        filled = jnp.clip(state.count, 1, capacity)
        if order == "uniform":
            return jnp.minimum((noise * filled).astype(jnp.int32), filled - 1)
        # The inverse of the distribution of ages, cut off at the oldest.
        age = -horizon * jnp.log1p(noise * jnp.expm1(-filled / horizon))
        newest_first = jnp.clip(age.astype(jnp.int32), 0, filled - 1)
        return (state.count - 1 - newest_first) % capacity

    def refresh(noise: PyTree, state: ReplayBufferState) -> ReplayBufferState:
        is_due = (state.count - 1) % every == 0
        assert state.slots is not None, "candidates are kept"
        return state._replace(slots=jnp.where(is_due, drawn_slots(noise, state), state.slots))

    def candidates(noise: PyTree, state: ReplayBufferState) -> Candidates:
        slots = drawn_slots(noise, state) if state.slots is None else state.slots
        experience = take_transitions(state.ring, slots)
        return Candidates(
            observation=experience.observation,
            index=slots,
            is_allowed=jnp.ones(num_candidates, bool),
            action=experience.action if actions == "stored" else None,
            experience=experience,
            age=(jnp.maximum(state.count - 1, 0) - slots) % capacity,
        )

    def stored(uniform: Array, state: ReplayBufferState) -> Transition:
        filled = jnp.clip(state.count, 1, capacity)
        return take_transitions(state.ring, jnp.minimum((uniform * filled).astype(jnp.int32), filled - 1))

    def receive(state: ReplayBufferState, candidates: Candidates, error: Array) -> ReplayBufferState:
        assert state.priority is not None, "drawn by priority"
        assert state.largest is not None, "drawn by priority"
        rated = (jnp.abs(error) + floor) ** exponent
        priority = put_each(state.priority, candidates.index, rated)
        return state._replace(priority=priority, largest=jnp.maximum(state.largest, rated.max()))

    return CandidateSource(
        init=init,
        candidates=candidates,
        observe=observe,
        refresh=refresh if every > 1 else None,
        draw=draw,
        num_slots=capacity,
        has_actions=actions == "stored",
        receive=receive if has_priority else None,
        stored=stored,
    )


@dataclasses.dataclass(frozen=True)
class ReplayBufferSettings:
    """Candidates are drawn from the last real transitions, which they bring along."""

    num_candidates: int = size(64, 1, 100_000, "candidates of each real step")
    capacity: int = size(10_000, 1, 2**23, "real transitions kept to draw from")
    every: int = size(1, 1, 1_000_000, "real steps for which candidates are kept")
    order: Order = choice("uniform", ("uniform", "recency", "priority"), "how candidates are drawn")
    actions: Actions = choice(
        "policy", ("policy", "stored"), "which actions are imagined: the policy's, or those taken"
    )
    horizon: float = number(1000.0, 0.0, math.inf, "of order=recency: weight exp(-age / horizon) (steps)", above=True)
    exponent: float = number(0.6, 0.0, 100.0, "of order=priority: exponent of the TD error; 0 is uniform")
    floor: float = number(0.01, 0.0, math.inf, "of order=priority: added to every TD error (reward)", above=True)


def _build(settings: ReplayBufferSettings, facts: Facts) -> CandidateSource:
    return replay_buffer(facts.observation, action=facts.action, **dataclasses.asdict(settings))


REPLAY_BUFFER_ROW = CandidatesRow(
    "replay_buffer", "states of the last real transitions, which come along", ReplayBufferSettings, _build
)
