"""Random numbers, drawn ahead of the step that uses them.

A random part has two halves: *noise*, drawn before, and its own function (``step``, ``sample``, ``propose``), which is
deterministic in the noise. So the loop draws the noise of many steps in one vectorised call before it scans over them;
inside the scan that would cost several times as much.

A part names its noise: ``uniforms``, a float32 in [0, 1) per use, from which an entry of a table is chosen; or any
function of a key, for parts that call ``jax.random`` themselves (``keys``: the noise is the key).

Every number is a function of the run's key, the step, the use, and the number k of the planning update alone: an agent
with K = 0 has the noise of Q-learning, and the first queries of K = 50 are those of K = 5.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.extend.random import threefry_2x32

from mgsc.types import Array, PyTree

Draw = Callable[[Array], PyTree]
"""``draw(key) -> noise`` of one use."""


class Use(enum.IntEnum):
    """The uses of noise. Their numbers decide every result: a new use takes a new number.

    ``threefry`` returns two words at a time, so the uses go in pairs.
    """

    EXPLORE = 0
    ENVIRONMENT = 1
    RESTART = 2
    LEARN_MODEL = 3
    QUERY = 4
    PLAN_ACTION = 5
    IMAGINE = 6
    CANDIDATES = 8
    PLAN_LEARN = 9
    ROLLOUT = 10


FIRST_PLANNING_USE = 4
PLANNING_USES = (Use.QUERY, Use.PLAN_ACTION, Use.IMAGINE, Use.PLAN_LEARN)
"""Drawn once for each of the K planning updates."""

NUM_WORDS = 8
"""Uses below have a word of their own; the others are drawn by key."""

PAIRS_PER_UPDATE = 2
"""Pairs of words for each planning update."""

MANTISSA_BITS = 23
"""Bits of a uniform: multiples of 2⁻²³, all exact in float32 (``sampling`` relies on it)."""


def uniforms(key: Array) -> Array:
    """[] float32 in [0, 1). The loop compares ``draw`` with this function, and draws all such noise at once."""
    return _as_uniform(jax.random.bits(key))


def keys(key: Array) -> Array:
    """The key itself, for parts that call ``jax.random``."""
    return key


def nothing(key: Array) -> tuple[()]:
    """The noise of a part without chance."""
    del key
    return ()


def draw_all(key: Array, steps: Array, draws: Mapping[Use, Draw], num_updates: int) -> dict[Use, PyTree]:
    """The noise of many real steps.

    Args:
        key: the run's key.
        steps: [T] int32, numbers of the real steps.
        draws: the noise of each use.
        num_updates: K.

    Returns:
        Noise by use, with leading axes [T], or [T, K] for the planning uses.
    """
    words = _as_uniform(_words(key, steps, num_updates))
    noise: dict[Use, PyTree] = {}
    for use, draw in draws.items():
        plans = use in PLANNING_USES
        if draw is nothing:
            noise[use] = ()
        elif draw is uniforms and use < NUM_WORDS:
            word = words[use % 2]
            noise[use] = word[:, use // 2 :: PAIRS_PER_UPDATE] if plans else word[:, use // 2]
        else:
            noise[use] = jax.vmap(_with_keys(key, use, draw, num_updates if plans else None))(steps)
    return noise


def _with_keys(key: Array, use: Use, draw: Draw, num_updates: int | None) -> Callable[[Array], PyTree]:
    """Keys of a step for one use, folded by step, use and planning update."""

    def of_step(step: Array) -> PyTree:
        key_use = jax.random.fold_in(jax.random.fold_in(key, step), use)
        if num_updates is None:
            return draw(key_use)
        return jax.vmap(lambda number: draw(jax.random.fold_in(key_use, number)))(jnp.arange(num_updates))

    return of_step


def _words(key: Array, steps: Array, num_updates: int) -> Array:
    """[2, T, 2 + 2K] uint32: Threefry-2×32 of the run's key, with (step, pair of uses) as the counter.

    One hash for two words, where folding in step and use would take one for every fold as well. All
    in one flat row, which compiles and runs several times faster than with an axis for the steps.
    """
    num_pairs = FIRST_PLANNING_USE // 2 + PAIRS_PER_UPDATE * num_updates
    high = jnp.repeat(steps.astype(jnp.uint32), num_pairs)
    low = jnp.tile(jnp.arange(num_pairs, dtype=jnp.uint32), len(steps))
    words = threefry_2x32(jax.random.key_data(key), jnp.concatenate([high, low]))
    return jnp.asarray(words).reshape(2, len(steps), num_pairs)


def _as_uniform(words: Array) -> Array:
    return jnp.asarray(words >> (32 - MANTISSA_BITS), jnp.float32) * 2.0**-MANTISSA_BITS
