"""The largest of a queue, and queues of which a few numbers are worked out anew."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from tests.quick import quick_jit

from mgsc.search_control.largest import NEVER, find_largest, queue_of, refreshed

SIZES = (1, 7, 8, 9, 28, 64, 500)

first = quick_jit(lambda queue: find_largest(queue))
drawn = quick_jit(lambda queue, uniforms: jax.vmap(find_largest, (None, 0))(queue, uniforms)[0])


@pytest.mark.parametrize("size", SIZES)
def test_the_first_of_the_largest_is_found(size):
    random = np.random.default_rng(size)
    for high in (1, 3, 1000):
        numbers = random.integers(0, high, size).astype(np.float32)
        place, number = first(jnp.asarray(numbers))
        assert (place, number) == (np.argmax(numbers), numbers.max())


@pytest.mark.parametrize("size", SIZES)
def test_equals_are_drawn_equally_often(size):
    random = np.random.default_rng(size)
    numbers = random.choice([NEVER, 0.0, 2.0], size).astype(np.float32)
    numbers[random.integers(size)] = 2.0
    found = np.asarray(drawn(jnp.asarray(numbers), jnp.asarray(np.arange(4000) / 4000, jnp.float32)))
    counts = np.bincount(found, minlength=size)
    assert (counts[numbers < 2] == 0).all()
    # One uniform number in order, not at random: no count is further than one from its share.
    assert np.ptp(counts[numbers == 2]) <= 1
    last = drawn(jnp.asarray(numbers), jnp.asarray([1 - 2.0**-23], jnp.float32))
    assert numbers[last[0]] == 2


def test_equals_are_drawn_independently_of_each_other_by_independent_numbers():
    numbers = np.zeros(30, np.float32)
    numbers[[3, 8, 29]] = 0.7
    uniforms = np.random.default_rng(0).integers(0, 2**23, 6000) * 2.0**-23
    counts = np.bincount(np.asarray(drawn(jnp.asarray(numbers), jnp.asarray(uniforms, jnp.float32))), minlength=30)
    assert stats.chisquare(counts[[3, 8, 29]]).pvalue > 1e-3


def test_some_or_all_numbers_are_worked_out_anew():
    queue = queue_of(jnp.arange(10.0))
    assert queue.shape == (11,)
    places = jnp.asarray([4, 10, 0, 4, 10])
    some = refreshed(queue, places, lambda place: 100.0 + place)
    np.testing.assert_array_equal(some, [100, 1, 2, 3, 104, 5, 6, 7, 8, 9, NEVER])
    np.testing.assert_array_equal(refreshed(queue, None, lambda place: 1.0 * place), queue)
