"""The replay buffer: which transitions are candidates, in which order, for how long."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.errors import UserError
from mgsc.replay_buffer import replay_buffer
from mgsc.types import Transition

CAPACITY = 4


def seen(number: float) -> Transition:
    place = jnp.array([number, -number])
    return Transition(place, jnp.int32(number % 2), jnp.float32(10 * number), jnp.float32(0.9), place + 100)


def filled(source, numbers):
    state = source.init(jax.random.key(0))
    for number in numbers:
        state = source.observe(state, seen(number))
    return state


def drawn(source, state, seed: int = 1):
    return source.candidates(source.draw(jax.random.key(seed)), state)


def shares(found) -> np.ndarray:
    return np.bincount(np.asarray(found.index), minlength=CAPACITY) / len(found.index)


def test_candidates_bring_their_own_transition_and_its_age():
    source = replay_buffer(jnp.zeros(2), num_candidates=200, capacity=CAPACITY)
    found = drawn(source, filled(source, range(6)))
    number = np.asarray(found.observation[:, 0])
    assert set(number.tolist()) == {2, 3, 4, 5}, "the two oldest are gone"
    np.testing.assert_array_equal(found.index, number % CAPACITY)
    np.testing.assert_array_equal(found.age, 5 - number)
    np.testing.assert_array_equal(found.experience.reward, 10 * number)
    np.testing.assert_array_equal(found.experience.successor, found.observation + 100)
    few = drawn(source, filled(source, [7.0]))
    assert set(np.asarray(few.observation[:, 0]).tolist()) == {7}, "no slot that is still empty"


def test_uniform_and_recent_order_have_their_shares():
    """By hand: exp(−age / 2) is 1, .607, .368, .223, in all 2.197: shares .455, .276, .167, .102; ± five deviations."""
    even = replay_buffer(jnp.zeros(2), num_candidates=4000, capacity=CAPACITY)
    np.testing.assert_allclose(shares(drawn(even, filled(even, range(4)))), 0.25, atol=0.035)
    recent = replay_buffer(jnp.zeros(2), num_candidates=4000, capacity=CAPACITY, order="recency", horizon=2.0)
    found = shares(drawn(recent, filled(recent, range(6))))
    np.testing.assert_allclose(found[[1, 0, 3, 2]], [0.455, 0.276, 0.167, 0.102], atol=0.04)  # 5 lies in slot 1


def test_priorities_are_those_of_the_errors_and_of_the_largest_for_what_is_new():
    source = replay_buffer(
        jnp.zeros(2), num_candidates=CAPACITY, capacity=CAPACITY, order="priority", exponent=0.5, floor=0.0
    )
    state = filled(source, range(3))
    np.testing.assert_array_equal(state.priority, [1, 1, 1, 0])
    found = drawn(source, state)._replace(index=jnp.array([0, 1, 2, 2]))
    state = source.receive(state, found, jnp.array([4.0, -16.0, 0.0, 0.0]))
    np.testing.assert_allclose(state.priority, [2, 4, 0, 0])
    state = source.observe(state, seen(3.0))
    np.testing.assert_allclose(state.priority, [2, 4, 0, 4])
    noise = jnp.linspace(0, 1, 100, endpoint=False)
    many = replay_buffer(jnp.zeros(2), num_candidates=100, capacity=CAPACITY, order="priority")
    np.testing.assert_allclose(shares(many.candidates(noise, state)), [0.2, 0.4, 0, 0.4], atol=0.011)


def test_candidates_may_be_kept_for_several_steps():
    source = replay_buffer(jnp.zeros(2), num_candidates=50, capacity=100, every=3)
    state, found = source.init(jax.random.key(0)), []
    for step in range(7):
        state = source.observe(state, seen(float(step)))
        state = source.refresh(source.draw(jax.random.key(step)), state)
        found.append(source.candidates(None, state).index)
    same = [bool((one == other).all()) for one, other in itertools.pairwise(found)]
    assert same == [True, True, False, True, True, False]
    assert found[6].max() > 3


def test_candidates_may_be_pairs_that_were_tried():
    source = replay_buffer(jnp.zeros(2), num_candidates=20, capacity=CAPACITY, actions="stored")
    found = drawn(source, filled(source, range(4)))
    np.testing.assert_array_equal(found.action, np.asarray(found.observation[:, 0]) % 2)
    plain = replay_buffer(jnp.zeros(2), num_candidates=2, capacity=2)
    assert drawn(plain, plain.init(jax.random.key(0))).action is None


def test_impossible_buffers_are_refused():
    with pytest.raises(UserError, match="every is 0"):
        replay_buffer(jnp.zeros(2), num_candidates=1, capacity=5, every=0)
