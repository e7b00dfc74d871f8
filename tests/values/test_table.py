"""The action-value table: one update, by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc import values


def test_it_starts_from_the_initial_value():
    table = values.table(3, 2, initial_value=-1.5)
    theta, learner = table.init(jax.random.key(0))
    assert learner == ()
    np.testing.assert_array_equal(theta, np.full((3, 2), -1.5, np.float32))
    assert not values.table(3, 2).init(jax.random.key(0))[0].any()
    assert table.is_table


def test_the_initial_value_may_be_traced():
    started = jax.jit(lambda value: values.table(2, 2, value).init(None)[0])(2.0)
    np.testing.assert_array_equal(started, np.full((2, 2), 2.0))


def test_an_update_moves_one_entry_by_step_size_times_error():
    table = values.table(3, 2)
    theta = jnp.arange(6.0).reshape(3, 2)
    after, _ = table.update(theta, (), jnp.array([1]), jnp.array([0]), jnp.array([-4.0]), jnp.array([0.25]))
    # Entry (1, 0) was 2: 2 + 0.25 · (−4) = 1.
    np.testing.assert_array_equal(after, [[0, 1], [1, 3], [4, 5]])
    np.testing.assert_array_equal(table.action_values(after, jnp.int32(1)), [1, 3])


@pytest.mark.parametrize("state", [0, 2])
def test_an_update_is_the_semi_gradient_step(state):
    """θ + α δ ∇q(s, a; θ), with the gradient by automatic differentiation."""
    table = values.table(3, 2)
    theta, action = jnp.arange(6.0).reshape(3, 2), 1
    gradient = jax.grad(lambda theta: table.q(theta, state, action))(theta)
    after, _ = table.update(theta, (), jnp.array([state]), jnp.array([action]), jnp.array([2.0]), jnp.array([0.5]))
    np.testing.assert_allclose(after, theta + 0.5 * 2.0 * gradient)


def test_a_minibatch_moves_by_the_mean_of_its_steps():
    table = values.table(3, 2)
    states, actions = jnp.array([0, 2, 2]), jnp.array([1, 0, 0])
    after, _ = table.update(jnp.zeros((3, 2)), (), states, actions, jnp.array([3.0, 6.0, -3.0]), jnp.full(3, 0.5))
    # (0, 1): 0.5 · 3 / 3; (2, 0): 0.5 · (6 − 3) / 3.
    np.testing.assert_allclose(after, [[0, 0.5], [0, 0], [0.5, 0]])
