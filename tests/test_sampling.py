"""Uniform numbers become indices: exactly, in proportion, and never one of weight zero."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.quick import quick_jit

from mgsc.sampling import index_from_cumulative, index_from_tree, index_from_weights, sum_tree

SIZES = (1, 2, 8, 9, 16, 17, 64, 65, 1100)
"""On both sides of every size at which the code takes another way."""

UNIT = 2.0**-23
"""Uniform numbers are multiples of it."""

BY_SIZE = pytest.mark.parametrize("size", SIZES)
SEEDS = st.integers(0, 2**32 - 1)


@functools.cache
def _draw(size: int):
    """(uniforms [D], weights [N]) -> [2, D] indices, by the weights and by their tree."""

    def draw(uniforms, weights):
        by_tree = jax.vmap(index_from_tree, (0, None))(uniforms, sum_tree(weights))
        return jnp.stack([jax.vmap(index_from_weights, (0, None))(uniforms, weights), by_tree])

    return quick_jit(draw)


def draw(uniforms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[2, D] indices of any number of uniforms, in batches of one fixed shape."""
    padded = np.zeros(-(-len(uniforms) // 512) * 512, np.float32)
    padded[: len(uniforms)] = uniforms
    batches, weights = padded.reshape(-1, 512), jnp.asarray(weights, jnp.float32)
    found = np.concatenate([_draw(len(weights))(batch, weights) for batch in batches], axis=1)
    assert found.dtype == np.int32
    return found[:, : len(uniforms)]


def exact_weights(random: np.random.Generator, size: int) -> np.ndarray:
    """Small whole numbers, many of them zero: float32 adds them up exactly."""
    weights = random.integers(0, 8, size) * (random.random(size) < random.random())
    weights[random.integers(size)] = 1
    return weights


@BY_SIZE
@settings(max_examples=8)
@given(seed=SEEDS)
def test_an_index_is_drawn_on_exactly_its_share_of_the_line(size, seed):
    random = np.random.default_rng(seed)
    weights = exact_weights(random, size)
    # Multiples of 2⁻¹⁰ times a total below 2¹³ are exact in float32.
    uniforms = random.integers(0, 1024, 100) / 1024
    expected = np.searchsorted(np.cumsum(weights), uniforms * weights.sum(), side="right")
    np.testing.assert_array_equal(draw(uniforms, weights), [expected, expected])


@BY_SIZE
@settings(max_examples=10)
@given(seed=SEEDS, spread=st.sampled_from([0, 1, 8]), share=st.sampled_from([0.1, 0.5, 0.9]))
def test_an_index_of_weight_zero_is_never_drawn(size, seed, spread, share):
    """Tried where it could happen: at 0, at the largest uniform, and at every edge between indices."""
    random = np.random.default_rng(seed)
    weights = np.float32(random.random(size) * 10.0 ** random.uniform(-spread, 0, size))
    weights[random.random(size) < share] = 0
    weights[random.integers(size)] = 0.5
    cumulative = np.cumsum(weights, dtype=float)
    edges = np.floor(cumulative / cumulative[-1] / UNIT) * UNIT
    tried = np.concatenate([edges, edges + UNIT, edges - UNIT, [0, 1 - UNIT]])
    tried = tried[(tried >= 0) & (tried < 1)]
    assert (weights[draw(tried, weights)] > 0).all()


@BY_SIZE
def test_the_ends_of_the_line_belong_to_the_first_and_last_of_positive_weight(size):
    weights = np.zeros(size)
    inner = slice(1, -1) if size > 2 else slice(None)
    weights[inner] = 0.1
    positive = np.flatnonzero(weights)
    np.testing.assert_array_equal(draw(np.array([0, 1 - UNIT]), weights), [positive[[0, -1]]] * 2)


@pytest.mark.parametrize("size", [4, 16, 65])
def test_frequencies_are_those_of_the_weights(size):
    random = np.random.default_rng(size)
    weights = np.float32(random.random(size))
    weights[1] = 0
    uniforms = random.integers(0, 2**23, 40_960) * UNIT
    expected = weights[weights > 0] / weights.sum(dtype=float) * len(uniforms)
    for drawn in draw(uniforms, weights):
        counts = np.bincount(drawn, minlength=size)
        assert counts[1] == 0
        assert stats.chisquare(counts[weights > 0], expected).pvalue > 1e-3


@BY_SIZE
def test_the_levels_of_a_tree_add_up(size):
    weights = np.float32(np.random.default_rng(size).random(size))
    levels = [np.asarray(level) for level in jax.jit(sum_tree)(jnp.asarray(weights))]
    np.testing.assert_array_equal(levels[0].ravel()[:size], weights)
    for below, above in itertools.pairwise(levels):
        np.testing.assert_allclose(above.ravel()[: len(below)], below.sum(1), rtol=1e-6)
    assert len(levels[-1]) == 1


@pytest.mark.parametrize("size", [3, 40, 64, 65, 300])
def test_running_sums_can_be_drawn_from_too(size):
    weights = exact_weights(np.random.default_rng(size), size)
    uniforms = np.arange(1024) / 1024
    found = jax.vmap(index_from_cumulative, (0, None))(jnp.float32(uniforms), jnp.float32(np.cumsum(weights)))
    np.testing.assert_array_equal(found, np.searchsorted(np.cumsum(weights), uniforms * weights.sum(), side="right"))


def test_issue_nothing_can_be_drawn_of_no_weights():
    with pytest.raises(ValueError, match=r"weights are of shape \[0\]"):
        sum_tree(jnp.zeros(0))
