"""The action-value table: one update, by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc import values


def test_it_starts_from_the_initial_value():
    table = values.table(3, 2, initial_value=-1.5)
    theta = table.init(jax.random.key(0))
    np.testing.assert_array_equal(theta, np.full((3, 2), -1.5, np.float32))
    assert not values.table(3, 2).init(jax.random.key(0)).any()
    assert table.is_table


def test_the_initial_value_may_be_traced():
    started = jax.jit(lambda value: values.table(2, 2, value).init(None))(2.0)
    np.testing.assert_array_equal(started, np.full((2, 2), 2.0))


def test_an_update_moves_one_entry_by_step_size_times_error():
    table = values.table(3, 2)
    theta = jnp.arange(6.0).reshape(3, 2)
    after = table.update(theta, jnp.int32(1), jnp.int32(0), jnp.float32(-4), jnp.float32(0.25))
    # Entry (1, 0) was 2: 2 + 0.25 · (−4) = 1.
    np.testing.assert_array_equal(after, [[0, 1], [1, 3], [4, 5]])
    np.testing.assert_array_equal(table.apply(after, jnp.int32(1)), [1, 3])


@pytest.mark.parametrize("state", [0, 2])
def test_an_update_is_the_semi_gradient_step(state):
    """θ + α δ ∇q(s, a; θ), with the gradient by automatic differentiation."""
    table = values.table(3, 2)
    theta, action = jnp.arange(6.0).reshape(3, 2), 1
    gradient = jax.grad(lambda theta: table.apply(theta, state)[action])(theta)
    after = table.update(theta, state, action, jnp.float32(2.0), jnp.float32(0.5))
    np.testing.assert_allclose(after, theta + 0.5 * 2.0 * gradient)
