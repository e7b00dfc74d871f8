"""Hill climbing in the space of observations: it proposes states and does not choose among candidates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.errors import UserError
from mgsc.indexing import lookup, put_at
from mgsc.models.base import drawn_outcome
from mgsc.problem import StrategyFacts
from mgsc.rings import take_transitions
from mgsc.sampling import uniform_index
from mgsc.search_control.base import Distribution, SearchControl, Strategy, uniform_weights
from mgsc.search_control.candidate_signals import experience_of
from mgsc.search_control.row import Range, StrategyRow, always
from mgsc.settings import check_setting, choice, number, size
from mgsc.types import NO_CANDIDATE, Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition

Kind = Literal["value", "frequency"]


class HillState(NamedTuple):
    """The queue of proposed states, and statistics of the states met.

    Attributes:
        queue: [capacity, ...] states that climbs have reached.
        count: [] int32 how many so far.
        key_step: [] int32 real steps so far, by which the noise of climbs is drawn.
        seed: [2] uint32 words of the key of that noise, as int32.
        mean: [F] mean of the states met.
        covariance: [F, F] sums of products of distances from the mean.
        low, high: [F] least and largest entries met.
        length: [] sum of ‖s' − s‖ / √F over the real steps.
    """

    queue: Array
    count: Array  # type: ignore[assignment]
    key_step: Array
    seed: Array
    mean: Array
    covariance: Array
    low: Array
    high: Array
    length: Array


class Climb(NamedTuple):
    """Settings of a climb.

    Attributes:
        steps: gradient steps of each real step.
        step_size: length of a step, in units of the observation.
        noise: covariance of the noise, as a share of that of the states met.
    """

    steps: int
    step_size: Array | float
    noise: Array | float


def hill_climbing(
    kind: Kind, climb: Climb, *, capacity: int, real_share: Array | float, shape: tuple[int, ...]
) -> Strategy:
    """Queries states uphill of those in the replay buffer, mixed with real transitions.

    In each real step one climb begins at a candidate. Its steps are the natural gradient, Σ∇f / ‖Σ∇f‖ times the step
    size, Σ being the covariance of the states met, plus normal noise; they stay within the range of the states met. A
    state enters the queue if its distance from the last one that did is at least the mean length of a real step. An
    update is made from a random state of the queue with its greedy action and the model's answer, or, with probability
    ``real_share`` and while the queue is empty, from a random candidate's own real transition.

    Args:
        kind: the height: "value", f = max q(s, ·); or "frequency": in every other climb, by chance,
            f = ‖∇v‖² + ‖H_v‖². Its Hessian is zero for networks of ReLUs: use tanh.
        climb: its steps, their size and their noise.
        capacity: states kept in the queue.
        real_share: in [0, 1]; may be traced.
        shape: of an observation.

    Its d is uniform over the candidates and has no meaning: its queries are no candidates.

    Source: Pan et al. 2019 (HC-Dyna) for "value", Pan, Mei & Farahmand 2020 for "frequency". Differs in that a climb
    has a fixed number of gradient steps in each real step, where theirs go on until 20 states are found or 200 steps
    are made; and that bounds are those of the states met, not the environment's.

    Raises:
        UserError: ``kind`` is neither.
    """
    check_setting(HillClimbingSettings, "kind", kind)

    def build(parts: Parts) -> SearchControl:
        rule = _Rule(parts, kind, climb, capacity, real_share, shape)
        return SearchControl(
            init=rule.init,
            weights=uniform_weights,
            propose=rule.propose,
            observe=rule.observe,
            draw=lambda key: tuple(jax.random.uniform(key, (3,))),
        )

    return build


class _Rule(NamedTuple):
    """The agent's parts, and the arguments of ``hill_climbing``."""

    parts: Parts
    kind: Kind
    climb: Climb
    capacity: int
    real_share: Array | float
    shape: tuple[int, ...]

    def init(self, key: Array, params: Params, candidates: Candidates) -> HillState:
        del params
        width, zero = math.prod(self.shape), jnp.zeros((), jnp.int32)
        words = lax.bitcast_convert_type(jax.random.bits(key, (2,), jnp.uint32), jnp.int32)
        example, numbers = candidates.observation[0], jnp.zeros(width)
        return HillState(
            queue=jnp.zeros((self.capacity, *example.shape), example.dtype),
            count=zero,
            key_step=zero,
            seed=words,
            mean=numbers,
            covariance=jnp.zeros((width, width)),
            low=numbers,
            high=numbers,
            length=jnp.zeros(()),
        )

    def observe(
        self, state: HillState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[HillState, dict[str, Array]]:
        heights = _heights(self.kind, self.parts, params.values, self.shape)
        return _climb(_met(state, transition), heights, self.climb, candidates.observation[0]), {}

    def propose(
        self,
        noise: PyTree,
        state: HillState,
        params: Params,
        distribution: Distribution,
        candidates: Candidates,
        last: Backup,
    ) -> Query:
        del distribution, last
        mixed, drawn, outcome = noise
        place = uniform_index(drawn, len(candidates.index))
        real = take_transitions(experience_of(candidates), place)
        kept = jnp.clip(state.count, 1, self.capacity)
        climbed = lookup(state.queue, uniform_index(drawn, kept))
        imagined = _imagined(self.parts, params, climbed, outcome)
        is_real = (mixed < self.real_share) | (state.count == 0)
        chosen = jax.tree.map(lambda one, other: jnp.where(is_real, one, other), real, imagined)
        index = jnp.where(is_real, lookup(candidates.index, place), NO_CANDIDATE)
        return Query(chosen.observation, index, chosen.action, outcome=chosen)


def _met(state: HillState, transition: Transition) -> HillState:
    """The moments with one real step more."""
    here, there = transition.observation.reshape(-1), transition.successor.reshape(-1)
    count = state.key_step + 1
    away = here - state.mean
    mean = state.mean + away / count
    is_first = state.key_step == 0
    return state._replace(
        key_step=count,
        mean=mean,
        covariance=state.covariance + jnp.outer(away, here - mean),
        low=jnp.where(is_first, here, jnp.minimum(state.low, here)),
        high=jnp.where(is_first, here, jnp.maximum(state.high, here)),
        length=state.length + jnp.linalg.norm(there - here) / math.sqrt(here.size),
    )


def _heights(
    kind: Kind, parts: Parts, values: PyTree, shape: tuple[int, ...]
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """What is climbed, as functions of a flat observation: usually, and in every other climb."""

    def value(flat: Array) -> Array:
        return jnp.max(parts.action_values(values, flat.reshape(shape)))

    if kind == "value":
        return value, value

    def frequency(flat: Array) -> Array:
        return jnp.sum(jax.grad(value)(flat) ** 2) + jnp.sum(jax.hessian(value)(flat) ** 2)

    return value, frequency


def _climb(
    state: HillState, heights: tuple[Callable[[Array], Array], Callable[[Array], Array]], climb: Climb, start: Array
) -> HillState:
    """One climb from ``start``, and the queue with what it has found."""
    capacity, begin = len(state.queue), start.reshape(-1)
    key = jax.random.wrap_key_data(lax.bitcast_convert_type(state.seed, jnp.uint32))
    key_kind, key_noise = jax.random.split(jax.random.fold_in(key, state.key_step))
    normal = jax.random.normal(key_noise, (climb.steps, begin.size))
    spread = state.covariance / jnp.maximum(state.key_step, 1)
    root = jnp.linalg.norm(spread) ** 0.5
    least = state.length / jnp.maximum(state.key_step, 1)
    one, other = (jax.grad(height) for height in heights)
    is_other = jax.random.bernoulli(key_kind)

    def step(carry: tuple[Array, Array, Array, Array], noise: Array) -> tuple[tuple[Array, Array, Array, Array], None]:
        here, kept, queue, count = carry
        slope = one(here) if heights[0] is heights[1] else jnp.where(is_other, other(here), one(here))
        natural = spread @ slope
        length = jnp.linalg.norm(natural)
        uphill = jnp.where(length > 0, natural / jnp.where(length > 0, length, 1.0), 0.0)
        # Noise of covariance ∝ Σ: Σ times a normal vector has covariance Σ², so it is brought back to Σ's size.
        shake = jnp.sqrt(climb.noise) * (spread @ noise) / jnp.where(root > 0, root, 1.0)
        there = jnp.clip(here + climb.step_size * uphill + shake, state.low, state.high)
        is_far = jnp.linalg.norm(there - kept) / math.sqrt(here.size) >= least
        entry = jnp.asarray(there, queue.dtype).reshape(start.shape)
        slot = count % capacity
        queue = put_at(queue, slot, jnp.where(is_far, entry, lookup(queue, slot)))
        return (there, jnp.where(is_far, there, kept), queue, count + is_far), None

    (_, _, queue, count), _ = lax.scan(step, (begin, begin, state.queue, state.count), normal)
    return state._replace(queue=queue, count=count)


def _imagined(parts: Parts, params: Params, here: Array, uniform: Array) -> Transition:
    """The model's answer to the greedy action."""
    action = jnp.argmax(parts.action_values(params.values, here)).astype(jnp.int32)
    return drawn_outcome(uniform, here, action, parts.expect(params.model, here, action))


@dataclasses.dataclass(frozen=True)
class HillClimbingSettings:
    """Settings of ``hill_climbing``."""

    kind: Kind = choice("value", ("value", "frequency"), "what is climbed: values, or by turns how fast they change")
    climb_steps: int = size(20, 1, 10_000, "gradient steps of each real step")
    climb_step_size: float = number(0.1, 0.0, math.inf, "length of a step, in units of the observation", above=True)
    climb_noise: float = number(0.05, 0.0, math.inf, "variance of the noise, over that of the states met")
    capacity: int = size(10_000, 1, 10_000_000, "states kept in the queue")
    real_share: float = number(0.5, 0.0, 1.0, "share of the updates from real transitions")


def _build(settings: HillClimbingSettings, facts: StrategyFacts) -> Strategy:
    observation = facts.problem.facts.observation
    if not jnp.issubdtype(observation.dtype, jnp.floating):
        raise UserError("hill_climbing follows gradients in the observation: it must be real numbers")
    climb = Climb(settings.climb_steps, settings.climb_step_size, settings.climb_noise)
    return hill_climbing(
        settings.kind, climb, capacity=settings.capacity, real_share=settings.real_share, shape=observation.shape
    )


def _expected_backups(settings: HillClimbingSettings, facts: StrategyFacts) -> int:
    del settings
    return int(facts.planning_updates)


ROW = StrategyRow(
    name="hill_climbing",
    summary="states uphill on the values, which are proposed and not chosen",
    settings=HillClimbingSettings,
    build=_build,
    needs=always("discrete actions", "stored transitions"),
    expected_backups=_expected_backups,
    space={"climb_step_size": Range(0.01, 0.3), "real_share": Range(0.1, 0.9)},
)
