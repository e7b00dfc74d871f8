"""What the variants of MGSC do differently, and where they must not differ."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.meta_gradient.problems import parts_of
from tests.search_control.strategies_table import IS_TERMINAL, NUM_STEPS, SUITE, run

from mgsc.errors import UserError
from mgsc.policies import epsilon_greedy_probabilities
from mgsc.search_control import meta_gradient, network_logits, table_logits
from mgsc.types import Candidates, Params


@pytest.mark.parametrize("name", ["recent of one", "successive of one"])
def test_several_transitions_that_are_one_are_the_method(name):
    np.testing.assert_allclose(run(f"meta_gradient, {name}").weights, run("meta_gradient").weights, atol=1e-5)


def test_several_transitions_change_what_is_learned():
    one = run("meta_gradient").weights
    for name in ("recent", "successive"):
        assert np.abs(run(f"meta_gradient, {name}").weights - one).max() > 1e-3


def test_recent_transitions_are_looked_at_until_they_are_forgotten():
    """Weight moves at a state also in steps after it was visited, which the method alone never does in ∂L/∂w."""
    seen = run("meta_gradient, recent").state.search.inner.recent
    visited = run("meta_gradient, recent").transition.observation
    for step in range(5, NUM_STEPS):
        # The ring of three holds the last three transitions, in whatever order.
        np.testing.assert_array_equal(np.sort(seen.ring.observation[step]), np.sort(visited[step - 2 : step + 1]))
        assert seen.count[step] == step + 1


def test_a_share_of_the_queries_stays_uniform():
    weights = run("meta_gradient, mixture").weights
    allowed = ~IS_TERMINAL
    assert (weights[:, allowed] >= 0.3 / allowed.sum() - 1e-6).all()
    assert (weights[:, ~allowed] == 0).all()
    assert np.ptp(weights[:, allowed]) > 1e-3


def test_the_optimiser_starts_anew_at_every_switch():
    counts = run("meta_gradient, resets").state.search.inner.optimizer[0].count
    expected = np.arange(NUM_STEPS) % SUITE.environment.switch_every + 1
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("logits", [table_logits(2), network_logits((3,), 2)])
def test_a_prior_of_the_policy_follows_the_values(logits):
    """Nothing is learned: d is the policy's, 0.95 and 0.05 at each of two states, also once values have changed."""

    policy = functools.partial(epsilon_greedy_probabilities, epsilon=0.1)
    parts = parts_of(lambda values, state: values[state], policy, None)._replace(is_table=True)
    states = Candidates(jnp.arange(2), jnp.arange(2), jnp.ones(2, bool))
    control = meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, logits=logits, prior="policy")(parts)
    q = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    begun = control.init(jax.random.key(0), Params(q, ()), states)
    for values in (q, 1 - q):
        found = control.weights(begun, Params(values, ()), states)
        np.testing.assert_allclose(found, np.where(values == 1, 0.95, 0.05) / 2, rtol=1e-5)


def test_a_prior_is_of_pairs_alone():
    with pytest.raises(ValueError, match='with replays take "uniform"'):
        meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, replays=True, prior="policy")
    with pytest.raises(UserError, match="prior"):
        meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, prior="mine")
