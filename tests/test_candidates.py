"""Candidate sources: what is drawn, when, and from what."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.candidates import from_buffer, listed
from mgsc.errors import UserError
from mgsc.types import Candidates, Transition


def seen(number: float) -> Transition:
    place = jnp.array([number, -number])
    return Transition(place, jnp.int32(0), jnp.float32(0), jnp.float32(1), place + 100)


def filled(source, numbers):
    state = source.init(jax.random.key(0))
    for number in numbers:
        state = source.observe(state, seen(number))
    return state


def test_listed_candidates_are_the_same_in_every_step():
    index = jnp.arange(3)
    given = Candidates(index, index, index < 2)
    source = listed(given)
    assert source.observe is None
    assert source.init(jax.random.key(0)) == ()
    assert source.candidates((), ()) is given
    assert source.listed is given


@pytest.mark.parametrize(("capacity", "kept"), [(8, {1, 2, 3, 4, 5}), (3, {3, 4, 5})])
def test_a_buffer_gives_the_observations_acted_in_last_and_nothing_else(capacity, kept):
    source = from_buffer(jnp.zeros(2), num_candidates=200, capacity=capacity)
    state = filled(source, [1.0, 2.0, 3.0, 4.0, 5.0])
    found = source.candidates(jax.random.key(1), state)
    assert found.observation.shape == (200, 2)
    assert set(np.asarray(found.observation[:, 0]).tolist()) == kept, "no successor, no slot that is still empty"
    np.testing.assert_array_equal(found.observation[:, 1], -found.observation[:, 0])
    np.testing.assert_array_equal(state.observations[found.index], found.observation)
    assert found.is_allowed.all()


def test_a_buffer_draws_uniformly_and_anew_for_each_key():
    source = from_buffer(jnp.zeros(2), num_candidates=4000, capacity=4)
    state = filled(source, [0.0, 1.0, 2.0, 3.0])
    counts = np.bincount(np.asarray(source.candidates(jax.random.key(2), state).index), minlength=4)
    # 1000 ± 27 each: five standard deviations.
    assert (np.abs(counts - 1000) < 137).all()
    other = source.candidates(jax.random.key(3), state).index
    assert (other != source.candidates(jax.random.key(2), state).index).mean() > 0.5


def test_impossible_buffers_are_refused():
    with pytest.raises(UserError, match="num_candidates is 0"):
        from_buffer(jnp.zeros(2), num_candidates=0, capacity=5)
