"""Noise: a function of the run's key, step, use and update, and of nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mgsc.noise import FIRST_PLANNING_USE, Use, draw_all, keys, uniforms

UNIFORM = dict.fromkeys(Use, uniforms)
NUM_STEPS, NUM_UPDATES = 200, 5
QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def bits(key):
    """32 bits by the keyed way, which parts that call ``jax.random`` take."""
    return jax.random.bits(key)


@pytest.fixture(scope="module")
def draw():
    """(seed, first step, draws, K, T) -> noise by use as NumPy arrays."""

    def draw(seed=0, first=0, draws=UNIFORM, updates=NUM_UPDATES, steps=NUM_STEPS):
        key = jax.random.fold_in(jax.random.key(0), seed)
        noise = draw_all(key, first + jnp.arange(steps), draws, updates)
        return {use: np.asarray(array) for use, array in noise.items()}

    return draw


@pytest.fixture(scope="module")
def noise(draw):
    return draw()


@pytest.fixture(scope="module")
def streams(draw):
    """[number of streams, T]: every use, update and seed."""
    rows = []
    for seed in range(8):
        for array in draw(seed).values():
            rows.extend(array.reshape(NUM_STEPS, -1).T)
    assert len(rows) == 8 * (3 + 3 * NUM_UPDATES)
    return np.stack(rows)


def test_shapes_and_types(noise):
    for use, array in noise.items():
        is_planning = use >= FIRST_PLANNING_USE
        assert array.shape == ((NUM_STEPS, NUM_UPDATES) if is_planning else (NUM_STEPS,))
        assert array.dtype == np.float32


def test_uniforms_are_multiples_of_the_unit_below_one(streams):
    assert streams.min() >= 0
    assert streams.max() < 1
    units = streams.astype(float) * 2**23
    np.testing.assert_array_equal(units, np.round(units))


def test_uniforms_are_uniform(streams):
    count = streams.size
    # Mean 1/2 and variance 1/12; their standard errors are √(1/12 n) and √(1/180 n).
    assert abs(streams.mean(dtype=float) - 1 / 2) < 4 * np.sqrt(1 / 12 / count)
    assert abs(np.mean((streams.astype(float) - 0.5) ** 2) - 1 / 12) < 4 * np.sqrt(1 / 180 / count)
    assert stats.kstest(streams.ravel(), "uniform").pvalue > 1e-3
    by_stream = streams.mean(1, dtype=float) - 1 / 2
    assert np.abs(by_stream).max() < 5 * np.sqrt(1 / 12 / NUM_STEPS)


def test_streams_are_independent(streams):
    """Of one another, and each of its own past."""
    correlations = np.corrcoef(streams)
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5.5 / np.sqrt(NUM_STEPS)
    for lag in (1, 2):
        past = np.corrcoef(streams[:, :-lag].ravel(), streams[:, lag:].ravel())[0, 1]
        assert abs(past) < 4 / np.sqrt(streams.size)


def test_no_word_is_used_twice(streams):
    """Two words running, 46 bits: in 28 800 pairs a repetition by chance has probability 6e-6."""
    pairs = np.stack([streams[:, :-1].ravel(), streams[:, 1:].ravel()], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_no_key_is_used_twice(draw):
    words = [draw(seed, draws=dict.fromkeys(Use, bits), steps=50) for seed in range(3)]
    words = np.concatenate([array.ravel() for by_use in words for array in by_use.values()])
    assert len(words) == 3 * 50 * (3 + 3 * NUM_UPDATES)
    assert len(np.unique(words)) == len(words)


def test_keys_are_keys_of_their_own(draw):
    key = jax.random.key(5)
    drawn = draw_all(key, jnp.arange(3), {Use.EXPLORE: keys, Use.IMAGINE: keys}, 2)
    assert drawn[Use.EXPLORE].shape == (3,)
    assert drawn[Use.IMAGINE].shape == (3, 2)
    data = np.concatenate([jax.random.key_data(array).reshape(-1, 2) for array in drawn.values()])
    assert len(np.unique(data, axis=0)) == 9


@pytest.mark.parametrize("kind", [uniforms, bits])
def test_noise_depends_on_the_number_of_the_step_only(draw, kind):
    draws = dict.fromkeys(Use, kind)
    whole = draw(draws=draws, steps=12)
    parts = [draw(draws=draws, first=0, steps=4), draw(draws=draws, first=4, steps=8)]
    for use in Use:
        np.testing.assert_array_equal(whole[use], np.concatenate([part[use] for part in parts]))


@pytest.mark.parametrize("kind", [uniforms, bits])
@pytest.mark.parametrize("fewer", [0, 5])
def test_the_first_updates_of_fifty_meet_the_chance_of_fewer(draw, kind, fewer):
    draws = dict.fromkeys(Use, kind)
    many, few = (draw(draws=draws, updates=number, steps=6) for number in (50, fewer))
    for use in Use:
        expected = many[use][:, :fewer] if use >= FIRST_PLANNING_USE else many[use]
        np.testing.assert_array_equal(few[use], expected)


def test_a_use_does_not_depend_on_what_others_want(noise, draw):
    mixed = draw(draws=UNIFORM | {Use.QUERY: bits, Use.ENVIRONMENT: bits})
    for use in Use:
        if use not in (Use.QUERY, Use.ENVIRONMENT):
            np.testing.assert_array_equal(noise[use], mixed[use])


def test_seeds_differ_and_repeat(noise, draw):
    for use, array in draw(0).items():
        np.testing.assert_array_equal(noise[use], array)
    for use, array in draw(1).items():
        assert (noise[use] != array).mean() > 0.99


def test_jit_and_vmap_change_nothing(noise, draw):
    def of_seed(seed):
        key = jax.random.fold_in(jax.random.key(0), seed)
        return draw_all(key, jnp.arange(NUM_STEPS), UNIFORM, NUM_UPDATES)

    both = jax.jit(jax.vmap(of_seed), compiler_options=QUICK_COMPILE)(jnp.arange(2))
    for seed in range(2):
        for use, array in draw(seed).items():
            np.testing.assert_array_equal(both[use][seed], array)


def test_one_uniform_by_a_key():
    drawn = np.array([uniforms(key) for key in jax.random.split(jax.random.key(0), 20)])
    assert drawn.dtype == np.float32
    assert len(set(drawn.tolist())) == 20
    assert (0 <= drawn).all()
    assert (drawn < 1).all()
