"""Running mean and variance of a sequence of vectors."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from mgsc.types import Array


class Moments(NamedTuple):
    """Mean and squared distances of vectors [F].

    Attributes:
        count: [] vectors so far.
        mean: [F].
        squares: [F] sums of squared distances from the mean.
    """

    count: Array  # type: ignore[assignment]
    mean: Array
    squares: Array


def no_moments(width: int) -> Moments:
    """The moments of no vectors."""
    zeros = jnp.zeros(width)
    return Moments(jnp.zeros(()), zeros, zeros)


def with_number(moments: Moments, number: Array, *, is_counted: Array | bool = True) -> Moments:
    """The moments with one vector [F] more, if it counts.

    Source: Welford 1962.
    """
    counted = jnp.asarray(is_counted, moments.count.dtype)
    count = moments.count + counted
    away = counted * (number - moments.mean)
    mean = moments.mean + away / jnp.maximum(count, 1.0)
    return Moments(count, mean, moments.squares + away * (number - mean))


def standard_deviation(moments: Moments) -> Array:
    """[F] the standard deviation; 0 of a single vector."""
    return jnp.sqrt(moments.squares / jnp.maximum(moments.count, 1.0))
