"""An ensemble of learned models that each learn from about half the real transitions, and their disagreement.

All members have the same stream of transitions, so they share the slots of outcomes (see ``models.learned``). Each
keeps its own counts of outcomes and its own mean reward.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import threefry_2x32

from mgsc.indexing import lookup, put_at
from mgsc.models.learned import EMPTY, slot_of
from mgsc.types import Array, Transition

BITS = 32
MOST_MEMBERS = 2 * BITS
"""Most members: one hash returns two words, and each of their bits is a coin."""


class Ensemble(NamedTuple):
    """Settings of an ensemble; all static.

    Attributes:
        members: E, 2..64.
        max_successors: M, most outcomes that one state and action can have; further ones are ignored.
        reward_scale: a reward of this size counts as much as a probability of 1 [reward].
    """

    members: int
    max_successors: int
    reward_scale: float


class EnsembleState(NamedTuple):
    """The members' counts and rewards; pairs of state and action are numbered s · A + a.

    Attributes:
        outcome: [S·A, M] int32, 2 · successor + (1 if the episode ended), or ``EMPTY``.
        count: [S·A, M, E] how often each member learned from it.
        reward: [S·A, E] mean reward of each member, over ``reward_scale``.
        disagreement: [S·A] of the members; 0 where the pair was never tried.
        words: [2] int32, drawn once from the run's key, from which all coins follow.
        step: [] int32 real transitions so far.
    """

    outcome: Array
    count: Array  # type: ignore[assignment]
    reward: Array
    disagreement: Array
    words: Array
    step: Array


def new_ensemble(key: Array, num_pairs: int, ensemble: Ensemble) -> EnsembleState:
    """An ensemble before the first transition.

    Raises:
        ValueError: too few members to disagree, or more than ``MOST_MEMBERS``.
    """
    members, slots, _ = ensemble
    if not 2 <= members <= MOST_MEMBERS:
        raise ValueError(f"an ensemble has 2 to {MOST_MEMBERS} members, not {members}")
    kind = jnp.result_type(float)
    return EnsembleState(
        jnp.full((num_pairs, slots), EMPTY, jnp.int32),
        jnp.zeros((num_pairs, slots, members), kind),
        jnp.zeros((num_pairs, members), kind),
        jnp.zeros(num_pairs, kind),
        lax.bitcast_convert_type(jax.random.bits(key, (2,), jnp.uint32), jnp.int32),
        jnp.zeros((), jnp.int32),
    )


def learn_from(ensemble: Ensemble, state: EnsembleState, pair: Array, transition: Transition) -> EnsembleState:
    """The ensemble after a real transition of ``pair``, from which each member learns with probability ½."""
    outcome = 2 * transition.successor + (transition.discount == 0)
    outcomes, counts, rewards = (lookup(column, pair) for column in state[:3])
    slot, is_found = slot_of(outcome, outcomes)
    is_here = (jnp.arange(ensemble.max_successors) == slot) & is_found
    learns = jnp.asarray(coins(state.words, state.step, ensemble.members) & is_found, counts.dtype)
    counts = counts + is_here[:, None] * learns
    rates = learns / jnp.maximum(counts.sum(0), 1.0)
    rewards = rewards + rates * (transition.reward / ensemble.reward_scale - rewards)
    return EnsembleState(
        put_at(state.outcome, pair, jnp.where(is_here, outcome, outcomes)),
        put_at(state.count, pair, counts),
        put_at(state.reward, pair, rewards),
        put_at(state.disagreement, pair, disagreement(counts, rewards)),
        state.words,
        state.step + 1,
    )


def coins(words: Array, step: Array, members: int) -> Array:
    """[E] bool: which members learn from the real transition numbered ``step``; a fair coin for each."""
    key = lax.bitcast_convert_type(words, jnp.uint32)
    drawn = threefry_2x32(key, jnp.stack([step, jnp.zeros_like(step)]).astype(jnp.uint32))
    bits = (drawn[:, None] >> jnp.arange(BITS, dtype=jnp.uint32)) & 1
    is_heads: Array = bits.reshape(-1)[:members] == 1
    return is_heads


def disagreement(counts: Array, rewards: Array) -> Array:
    """[] disagreement of the members' predictions for one pair.

    The root of the trace of the covariance (over E − 1) of their probabilities of outcomes and mean rewards. A member
    without a transition of the pair predicts reward 0 and an outcome of its own: it adds 1 / E to the trace. So the
    disagreement is 1 where no member has any, and 0 where all predict the same.

    Args:
        counts: [M, E] each member's count of each outcome.
        rewards: [E] mean reward of each, over the scale.
    """
    totals = counts.sum(0)
    foretold = jnp.concatenate([counts / jnp.maximum(totals, 1.0), rewards[None]])
    spread = jnp.square(foretold - foretold.mean(-1, keepdims=True)).sum() / (len(totals) - 1)
    return jnp.sqrt(spread + jnp.mean(totals == 0, dtype=spread.dtype))


def is_tried(state: EnsembleState) -> Array:
    """[S·A] bool: whether a pair was tried in a real step, whichever members learned from it."""
    return state.outcome[:, 0] != EMPTY
