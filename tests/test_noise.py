"""Noise: a function of the run's key, step, use and update, and of nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from tests.quick import quick_jit

from mgsc.noise import PLANNING_USES, Use, draw_all, keys, uniforms

NUM_STEPS, NUM_UPDATES = 100, 5


def bits(key):
    """32 bits by the keyed way, which parts that call ``jax.random`` take."""
    return jax.random.bits(key)


NUM_REAL_USES = len(Use) - len(PLANNING_USES)

DRAWS = {
    "uniforms": dict.fromkeys(Use, uniforms),
    "bits": dict.fromkeys(Use, bits),
    "mixed": dict.fromkeys(Use, uniforms) | {Use.QUERY: bits, Use.ENVIRONMENT: bits},
}
EACH_KIND = pytest.mark.parametrize("kind", ["uniforms", "bits"])


def of_seed(seed, first=0, kind="uniforms", updates=NUM_UPDATES):
    key = jax.random.fold_in(jax.random.key(0), seed)
    return draw_all(key, first + jnp.arange(NUM_STEPS), DRAWS[kind], updates)


_compiled = quick_jit(of_seed, static_argnums=(2, 3))


def draw(seed=0, first=0, kind="uniforms", updates=NUM_UPDATES):
    """Noise by use, as NumPy arrays."""
    return jax.tree.map(np.asarray, _compiled(seed, first, kind, updates))


@pytest.fixture(scope="module")
def noise():
    return draw()


@pytest.fixture(scope="module")
def streams():
    """[number of streams, T]: every use, update and seed."""
    rows = []
    for seed in range(8):
        for array in draw(seed).values():
            rows.extend(array.reshape(NUM_STEPS, -1).T)
    assert len(rows) == 8 * (NUM_REAL_USES + len(PLANNING_USES) * NUM_UPDATES)
    return np.stack(rows)


def test_shapes_and_types(noise):
    for use, array in noise.items():
        is_planning = use in PLANNING_USES
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
    """Two words running, 46 bits: in 14 256 pairs a repetition by chance has probability 2e-6."""
    pairs = np.stack([streams[:, :-1].ravel(), streams[:, 1:].ravel()], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_no_key_is_used_twice():
    words = [array.ravel() for seed in range(3) for array in draw(seed, kind="bits").values()]
    words = np.concatenate(words)
    assert len(words) == 3 * NUM_STEPS * (NUM_REAL_USES + len(PLANNING_USES) * NUM_UPDATES)
    assert len(np.unique(words)) == len(words)


def test_keys_are_keys_of_their_own():
    draws = {Use.EXPLORE: keys, Use.IMAGINE: keys}
    drawn = quick_jit(lambda key: draw_all(key, jnp.arange(3), draws, 2))(jax.random.key(5))
    assert drawn[Use.EXPLORE].shape == (3,)
    assert drawn[Use.IMAGINE].shape == (3, 2)
    data = np.concatenate([jax.random.key_data(array).reshape(-1, 2) for array in drawn.values()])
    assert len(np.unique(data, axis=0)) == 9


@EACH_KIND
def test_noise_depends_on_the_number_of_the_step_only(kind):
    early, late = draw(kind=kind), draw(kind=kind, first=30)
    for use in Use:
        np.testing.assert_array_equal(early[use][30:], late[use][:-30])


@EACH_KIND
@pytest.mark.parametrize("fewer", [0, NUM_UPDATES])
def test_the_first_updates_of_fifty_meet_the_chance_of_fewer(kind, fewer):
    many, few = (draw(kind=kind, updates=number) for number in (50, fewer))
    for use in Use:
        expected = many[use][:, :fewer] if use in PLANNING_USES else many[use]
        np.testing.assert_array_equal(few[use], expected)


def test_a_use_does_not_depend_on_what_others_want(noise):
    mixed = draw(kind="mixed")
    for use in Use:
        if DRAWS["mixed"][use] is uniforms:
            np.testing.assert_array_equal(noise[use], mixed[use])
        else:
            assert mixed[use].dtype == np.uint32


def test_seeds_differ(noise):
    for use, array in draw(1).items():
        assert (noise[use] != array).mean() > 0.99


@pytest.mark.slow
def test_jit_and_vmap_change_nothing(noise):
    batch = quick_jit(jax.vmap(of_seed))(jnp.arange(2))
    plain = of_seed(0)
    for use in Use:
        np.testing.assert_array_equal(plain[use], noise[use])
        np.testing.assert_array_equal(batch[use][0], noise[use])
        np.testing.assert_array_equal(batch[use][1], draw(1)[use])


def test_one_uniform_by_a_key():
    drawn = quick_jit(lambda key: jax.vmap(uniforms)(jax.random.split(key, 20)))(jax.random.key(0))
    assert drawn.dtype == np.float32
    assert len(set(np.asarray(drawn).tolist())) == 20
    assert (drawn >= 0).all()
    assert (drawn < 1).all()
