"""An ensemble of learned models that each hear of about half the real transitions, and how much they disagree.

All members meet the same stream, so they share the slots of outcomes (see ``models.learned``); what each keeps is how
often it saw which, and the mean reward it saw.
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
"""One hash gives two words, and each of their bits is a coin."""


class Ensemble(NamedTuple):
    """What an ensemble is made of; all static.

    Attributes:
        members: E, 2..64.
        max_successors: M, most outcomes that one state and action can have; what comes beyond is not heard of.
        reward_scale: a reward of this size weighs as much as a probability of 1 [reward].
    """

    members: int
    max_successors: int
    reward_scale: float


class EnsembleState(NamedTuple):
    """What the members saw; pairs of state and action are numbered s · A + a.

    Attributes:
        outcome: [S·A, M] int32, 2 · successor + (1 if the episode ended), or ``EMPTY``.
        count: [S·A, M, E] how often each member saw it.
        reward: [S·A, E] mean reward each member saw, over ``reward_scale``.
        disagreement: [S·A] of the members; 0 where the pair was never tried.
        words: [2] int32, drawn once from the run's key: all coins are made of them.
        step: [] int32 real transitions so far.
    """

    outcome: Array
    count: Array  # type: ignore[assignment]
    reward: Array
    disagreement: Array
    words: Array
    step: Array


def new_ensemble(key: Array, num_pairs: int, ensemble: Ensemble) -> EnsembleState:
    """An ensemble that has seen nothing.

    Raises:
        ValueError: there are too few members to disagree, or too many for the coins.
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


def hear(ensemble: Ensemble, state: EnsembleState, pair: Array, transition: Transition) -> EnsembleState:
    """The members whose coin says so learn from a real transition of ``pair``."""
    outcome = 2 * transition.successor + (transition.discount == 0)
    outcomes, counts, rewards = (lookup(column, pair) for column in state[:3])
    slot, is_found = slot_of(outcome, outcomes)
    is_here = (jnp.arange(ensemble.max_successors) == slot) & is_found
    heard = jnp.asarray(coins(state.words, state.step, ensemble.members) & is_found, counts.dtype)
    counts = counts + is_here[:, None] * heard
    rates = heard / jnp.maximum(counts.sum(0), 1.0)
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
    """[E] bool: who hears of the real transition numbered ``step``; a fair coin for each."""
    key = lax.bitcast_convert_type(words, jnp.uint32)
    drawn = threefry_2x32(key, jnp.stack([step, jnp.zeros_like(step)]).astype(jnp.uint32))
    bits = (drawn[:, None] >> jnp.arange(BITS, dtype=jnp.uint32)) & 1
    is_heads: Array = bits.reshape(-1)[:members] == 1
    return is_heads


def disagreement(counts: Array, rewards: Array) -> Array:
    """[] how far apart members are in what they foretell of one pair.

    The root of the trace of the covariance (over E − 1) of their probabilities of outcomes and mean rewards. A member
    that saw nothing of the pair foretells reward 0 and an outcome that no other member has: each such member adds 1 / E
    to the trace. So it is 1 where no member saw anything, and 0 where all foretell the same.

    Args:
        counts: [M, E] how often each member saw each outcome.
        rewards: [E] mean reward each saw, over the scale.
    """
    totals = counts.sum(0)
    foretold = jnp.concatenate([counts / jnp.maximum(totals, 1.0), rewards[None]])
    spread = jnp.square(foretold - foretold.mean(-1, keepdims=True)).sum() / (len(totals) - 1)
    return jnp.sqrt(spread + jnp.mean(totals == 0, dtype=spread.dtype))


def is_tried(state: EnsembleState) -> Array:
    """[S·A] bool: whether a pair was really tried, whoever heard of it."""
    return state.outcome[:, 0] != EMPTY
