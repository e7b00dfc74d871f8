"""ε-greedy: probabilities, ties, and nothing but greedy actions without ε."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mgsc import values
from mgsc.policies import epsilon_greedy, epsilon_greedy_probabilities

UNIT = 2.0**-23
NUM_ACTIONS = 4


@pytest.fixture(scope="module")
def probabilities():
    return jax.jit(lambda epsilon, q: epsilon_greedy_probabilities(q, epsilon))


@pytest.fixture(scope="module")
def sample():
    """(ε, uniforms [D], q [A]) -> [D] actions."""

    def sample(epsilon, uniforms, q):
        policy = epsilon_greedy(epsilon)(values.table(1, NUM_ACTIONS))
        return jax.vmap(policy.sample, (0, None, None))(uniforms, q[None], 0)

    return jax.jit(sample)


VALUES = st.lists(st.sampled_from([-1e6, -1.0, 0.0, 1e-30, 1.0, 1e6]), min_size=NUM_ACTIONS, max_size=NUM_ACTIONS)


@settings(max_examples=40)
@given(VALUES, st.floats(0, 1, width=32))
def test_probabilities_sum_to_one_and_share_ties(probabilities, values, epsilon):
    found = np.asarray(probabilities(jnp.float32(epsilon), jnp.array(values)))
    is_greedy = np.array(values) == max(values)
    expected = epsilon / NUM_ACTIONS + (1 - epsilon) * is_greedy / is_greedy.sum()
    np.testing.assert_allclose(found.sum(), 1, atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if epsilon == 0:
        assert (found[~is_greedy] == 0).all()


def test_probabilities_by_hand(probabilities):
    # ε/A = 0.1/4 = 0.025 for all; the two greedy ones share 0.9: 0.025 + 0.45 = 0.475.
    found = probabilities(jnp.float32(0.1), jnp.array([1.0, 3.0, 3.0, 0.0]))
    np.testing.assert_allclose(found, [0.025, 0.475, 0.475, 0.025], rtol=1e-6)


def test_probabilities_of_a_batch_are_those_of_its_rows(probabilities):
    q = jnp.array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    batch = epsilon_greedy_probabilities(q, 0.1)
    rows = [probabilities(jnp.float32(0.1), row) for row in q]
    np.testing.assert_allclose(batch, rows, rtol=1e-6)


@settings(max_examples=40)
@given(VALUES)
def test_without_epsilon_only_greedy_actions_are_taken(sample, values):
    # Every place where one action's share of the line ends, and the two ends of the line.
    edges = np.array([n / d for d in (1, 2, 3, 4) for n in range(d + 1)])
    tried = np.floor(edges / UNIT)[:, None] * UNIT + np.array([-UNIT, 0, UNIT])
    tried = np.clip(tried, 0, 1 - UNIT).ravel()
    actions = np.asarray(sample(jnp.float32(0), jnp.float32(tried), jnp.array(values)))
    assert set(np.array(values)[actions]) == {max(values)}


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("values", [(0, 0, 0, 0), (1, 3, 3, 0), (0, 0, 0, 2)])
def test_actions_are_as_frequent_as_they_are_probable(probabilities, sample, epsilon, values):
    q, count = jnp.array(values, jnp.float32), 20_000
    uniforms = jnp.float32(np.random.default_rng(0).integers(0, 2**23, count) * UNIT)
    counts = np.bincount(sample(jnp.float32(epsilon), uniforms, q), minlength=NUM_ACTIONS)
    expected = np.asarray(probabilities(jnp.float32(epsilon), q), float)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    if possible.sum() == 1:
        return
    expected = expected[possible] / expected[possible].sum() * count
    assert stats.chisquare(counts[possible], expected).pvalue > 1e-3
