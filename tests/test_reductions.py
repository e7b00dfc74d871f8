"""Maxima, sums and softmax are those of the plain functions, on both sides of every size that takes another way."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc import reductions
from mgsc.reductions import ABREAST, LONG, largest, softmax, sum_of_many, total

SIZES = (1, 2, 8, 9, LONG, LONG + 1, 2 * LONG, 3 * LONG + 17, 1600)
ACCELERATOR = pytest.param(False, id="on an accelerator")


def numbers(size: int) -> np.ndarray:
    return np.float32(np.random.default_rng(size).normal(size=(3, size)))


@pytest.fixture(params=[True, ACCELERATOR])
def on_cpu(request, monkeypatch):
    monkeypatch.setattr(reductions, "is_for_cpu", lambda: request.param)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("size", SIZES)
def test_largest_is_the_maximum_over_the_last_axis(size):
    values = numbers(size)
    np.testing.assert_array_equal(largest(jnp.asarray(values)), values.max(-1))
    np.testing.assert_array_equal(quick_jit(jax.vmap(largest))(values), values.max(-1))
    values[:, 1:] = -np.inf
    np.testing.assert_array_equal(quick_jit(jax.vmap(largest))(values), values[:, 0])


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("size", SIZES)
def test_a_total_is_the_sum_over_the_last_axis(size):
    values = numbers(size)
    np.testing.assert_allclose(quick_jit(jax.vmap(total))(values), values.sum(-1), rtol=1e-4)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("size", [*SIZES, ABREAST, 2 * ABREAST, 2 * ABREAST + 3])
def test_the_sum_of_many_is_the_sum(size):
    values = numbers(size)
    np.testing.assert_allclose(quick_jit(jax.vmap(sum_of_many))(values), values.sum(-1), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("shape", [(7,), (LONG, 4), (3 * LONG + 17,)])
def test_softmax_is_that_of_jax_and_nothing_where_minus_infinity_stands(shape):
    logits = np.float32(np.random.default_rng(0).normal(size=shape))
    logits[0] = -np.inf
    axes = tuple(range(len(shape)))
    np.testing.assert_allclose(softmax(jnp.asarray(logits)), jax.nn.softmax(logits, axes), rtol=1e-5)
    assert (softmax(jnp.asarray(logits))[0] == 0).all()

    def score(function):
        return jax.grad(lambda logits: (function(logits) ** 2).sum())(jnp.asarray(logits))

    np.testing.assert_allclose(score(softmax), score(lambda x: jax.nn.softmax(x, axes)), rtol=1e-4, atol=1e-8)
