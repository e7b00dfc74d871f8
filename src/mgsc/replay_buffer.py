"""The replay buffer as a source of candidates: the last real transitions, N of which are drawn for a real step.

A candidate is the state in which a stored transition began, and has that transition as its experience. No array has
the size of the state space.
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
from mgsc.sampling import index_from_tree, sum_tree, uniform_index
from mgsc.settings import check_setting, choice, number, size
from mgsc.types import Array, Candidates, PyTree, Transition

Order = Literal["uniform", "recency", "priority"]
Actions = Literal["policy", "stored"]


class ReplayBufferState(NamedTuple):
    """The buffer; entries that the order of drawing does not need are None.

    Attributes:
        ring: Transition of arrays [capacity].
        count: int32 transitions met so far.
        slots: [N] int32 where the last candidates drawn lie; None where they are drawn in every step.
        priority: [capacity] (|δ| + floor)^exponent, 0 where nothing is stored; None unless drawn by priority.
        largest: [] the largest priority so far, that of new transitions; None unless drawn by priority.
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
        actions: "policy" leaves a candidate's action to the policy or the strategy; "stored" makes a candidate of the
            pair of state and action, so that its transition is one of the pair that is queried.
        horizon: of "recency" (environment steps).
        exponent: of "priority"; 0 is uniform.
        floor: added to each error (reward).
        action: shape and dtype of an action; None for the number of one.

    Source: Lin 1992 (replay), Schaul et al. 2016 (priority). Differs in that a whole batch of candidates is drawn, and
    that priorities are renewed for these after planning, at the price of N TD errors for each real step.

    Raises:
        UserError: no candidates, no room, candidates that are kept for no step, or an unknown order or choice of
            actions.
    """
    for name, given in dict(num_candidates=num_candidates, capacity=capacity, every=every, order=order).items():
        check_setting(ReplayBufferSettings, name, given)
    check_setting(ReplayBufferSettings, "actions", actions)
    rule = _Rule(example, action, num_candidates, capacity, order, every, actions, horizon, exponent, floor)
    return CandidateSource(
        init=rule.init,
        candidates=rule.candidates,
        observe=rule.observe,
        refresh=rule.refresh if every > 1 else None,
        draw=rule.draw,
        num_slots=capacity,
        has_actions=actions == "stored",
        receive=rule.receive if order == "priority" else None,
        stored=rule.stored,
    )


class _Rule(NamedTuple):
    """What the buffer was built of."""

    example: Array | jax.ShapeDtypeStruct
    action: jax.ShapeDtypeStruct | None
    num_candidates: int
    capacity: int
    order: Order
    every: int
    actions: Actions
    horizon: Array | float
    exponent: Array | float
    floor: Array | float

    def init(self, key: Array) -> ReplayBufferState:
        del key
        kind, has_priority = jnp.result_type(float), self.order == "priority"
        return ReplayBufferState(
            ring=empty_ring(self.example, self.capacity, self.action),
            count=jnp.zeros((), jnp.int32),
            slots=jnp.zeros(self.num_candidates, jnp.int32) if self.every > 1 else None,
            priority=jnp.zeros(self.capacity, kind).at[0].set(1.0) if has_priority else None,
            largest=jnp.ones((), kind) if has_priority else None,
        )

    def observe(self, state: ReplayBufferState, transition: Transition) -> ReplayBufferState:
        slot = state.count % self.capacity
        priority = state.priority
        if priority is not None and state.largest is not None:
            priority = put_at(priority, slot, state.largest)
        ring = put_transition(state.ring, slot, transition)
        return state._replace(ring=ring, count=state.count + 1, priority=priority)

    def draw(self, key: Array) -> Array:
        return jax.random.uniform(key, (self.num_candidates,))

    def filled(self, state: ReplayBufferState) -> Array:
        """[] int32 slots that hold a transition, at least 1."""
        return jnp.clip(state.count, 1, self.capacity)

    def drawn_slots(self, noise: Array, state: ReplayBufferState) -> Array:
        """[N] int32."""
        if state.priority is not None:
            tree = sum_tree(state.priority)
            return jax.vmap(lambda uniform: index_from_tree(uniform, tree))(noise)
        filled = self.filled(state)
        if self.order == "uniform":
            return uniform_index(noise, filled)
        # The inverse of the distribution of ages, cut off at the oldest.
        age = -self.horizon * jnp.log1p(noise * jnp.expm1(-filled / self.horizon))
        newest_first = jnp.clip(age.astype(jnp.int32), 0, filled - 1)
        return (state.count - 1 - newest_first) % self.capacity

    def refresh(self, noise: PyTree, state: ReplayBufferState) -> ReplayBufferState:
        is_due = (state.count - 1) % self.every == 0
        assert state.slots is not None, "candidates are kept"
        return state._replace(slots=jnp.where(is_due, self.drawn_slots(noise, state), state.slots))

    def candidates(self, noise: PyTree, state: ReplayBufferState) -> Candidates:
        slots = self.drawn_slots(noise, state) if state.slots is None else state.slots
        experience = take_transitions(state.ring, slots)
        return Candidates(
            observation=experience.observation,
            index=slots,
            is_allowed=jnp.ones(self.num_candidates, bool),
            action=experience.action if self.actions == "stored" else None,
            experience=experience,
            age=(jnp.maximum(state.count - 1, 0) - slots) % self.capacity,
        )

    def stored(self, uniform: Array, state: ReplayBufferState) -> Transition:
        return take_transitions(state.ring, uniform_index(uniform, self.filled(state)))

    def receive(self, state: ReplayBufferState, candidates: Candidates, error: Array) -> ReplayBufferState:
        assert state.priority is not None, "drawn by priority"
        assert state.largest is not None, "drawn by priority"
        rated = (jnp.abs(error) + self.floor) ** self.exponent
        priority = put_each(state.priority, candidates.index, rated)
        return state._replace(priority=priority, largest=jnp.maximum(state.largest, rated.max()))


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
