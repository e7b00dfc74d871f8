"""The density of squashed normal numbers against numerical integration, and the points that stand for them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.values import squashed_gaussian


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-0.7, 0.3), (1.5, 0.6)])
def test_the_density_integrates_to_one_and_gives_the_mean(mean, deviation):
    edges = np.linspace(-1, 1, 200_001)
    action = (edges[1:] + edges[:-1]) / 2
    raw = np.arctanh(action)[:, None]
    log_density = squashed_gaussian.log_density(raw, jnp.full(1, mean), jnp.log(jnp.full(1, deviation)))
    mass = np.exp(np.asarray(log_density, np.float64)) * (edges[1] - edges[0])
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-3)
    # The mean by another way: of tanh over the normal numbers themselves.
    normal = np.linspace(-8, 8, 20_001)
    weights = np.exp(-0.5 * normal**2)
    expected = np.sum(weights * np.tanh(mean + deviation * normal)) / weights.sum()
    np.testing.assert_allclose(np.sum(mass * action), expected, atol=1e-3)


def test_actions_are_squashed_and_their_density_stays_finite():
    action, density = squashed_gaussian.draw(jnp.array([1.0, -2.0]), jnp.array([30.0, 0.0]), jnp.zeros(2))
    np.testing.assert_allclose(action, np.tanh([31.0, -2.0]), rtol=1e-6)
    first = -0.5 - 0.5 * np.log(2 * np.pi) - 2 * (np.log(2) - 31)  # tanh' is 4 exp(−2·31) there
    second = -2.0 - 0.5 * np.log(2 * np.pi) - np.log(1 - np.tanh(-2.0) ** 2)
    np.testing.assert_allclose(density, first + second, rtol=1e-5)


def test_deviations_are_cut_off():
    mean, log_deviation = squashed_gaussian.split(jnp.array([0.5, -0.5, 9.0, -99.0]))
    np.testing.assert_array_equal(mean, [0.5, -0.5])
    np.testing.assert_array_equal(log_deviation, [2.0, -20.0])


def test_standing_points_have_the_moments_of_the_distribution():
    mean, deviation = np.array([0.5, -1.0]), np.array([0.2, 3.0])
    points, weights = squashed_gaussian.standing_points(jnp.asarray(mean), jnp.log(deviation))
    assert points.shape == (5, 2)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(weights @ points, mean, atol=1e-6)
    np.testing.assert_allclose(
        (weights[:, None] * (points - mean)).T @ (points - mean), np.diag(deviation**2), atol=1e-4
    )
    one, weight = squashed_gaussian.standing_points(jnp.zeros(1), jnp.zeros(1))
    # Gauss and Hermite's three: E x⁴ = 3.
    np.testing.assert_allclose(sorted(one[:, 0]), [-np.sqrt(3), 0, np.sqrt(3)], rtol=1e-6)
    np.testing.assert_allclose(weight @ one[:, 0] ** 4, 3, rtol=1e-6)
