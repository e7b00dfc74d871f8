"""Normally distributed numbers, squashed into (−1, 1) by tanh: their density, and points that stand for them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from mgsc.types import Array

LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION = -20.0, 2.0
"""Bounds of the logarithms of standard deviations, as in Haarnoja et al. 2018."""

KAPPA = 2.0
"""Weight of the middle point of ``standing_points``: with it, they are Gauss and Hermite's three for one number."""


def split(outputs: Array) -> tuple[Array, Array]:
    """[..., A] means and logarithms of standard deviations from the outputs [..., 2A] of a network."""
    mean, log_deviation = jnp.split(outputs, 2, -1)
    return mean, jnp.clip(log_deviation, LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION)


def draw(normal: Array, mean: Array, log_deviation: Array) -> tuple[Array, Array]:
    """An action and its log density.

    Args:
        normal: [..., A] standard normal numbers.
        mean: [..., A] before squashing.
        log_deviation: [..., A] logarithm of the standard deviation before squashing.

    Returns:
        [..., A] in (−1, 1), and [...] log densities [nats], differentiable in mean and deviation.
    """
    raw = mean + jnp.exp(log_deviation) * normal
    return jnp.tanh(raw), log_density(raw, mean, log_deviation)


def log_density(raw: Array, mean: Array, log_deviation: Array) -> Array:
    """[...] log density of the action tanh(raw) [nats]: that of the normal numbers, less the log slopes of tanh."""
    scaled = (raw - mean) * jnp.exp(-log_deviation)
    normal = -0.5 * scaled**2 - log_deviation - 0.5 * math.log(2 * math.pi)
    # log(1 − tanh² u), without the cancellation where |u| is large.
    log_slope = 2.0 * (math.log(2.0) - raw - jax.nn.softplus(-2.0 * raw))
    return jnp.sum(normal - log_slope, -1)


def standing_points(mean: Array, log_deviation: Array) -> tuple[Array, Array]:
    """Points that stand for the distribution: sums over them are exact for polynomials of degree 3 before squashing.

    Args:
        mean: [A].
        log_deviation: [A].

    Returns:
        [C, A] points before squashing, C = 2A + 1, and their weights [C], which sum to one.

    Source: Julier & Uhlmann 1997 (sigma points); of one number these are exact to degree 5.
    """
    count = mean.shape[-1]
    reach = math.sqrt(count + KAPPA) * jnp.eye(count, dtype=mean.dtype)
    offsets = jnp.concatenate([jnp.zeros((1, count), mean.dtype), reach, -reach])
    weights = jnp.full(2 * count + 1, 0.5 / (count + KAPPA), mean.dtype).at[0].set(KAPPA / (count + KAPPA))
    return mean + jnp.exp(log_deviation) * offsets, weights
