"""MGSC with any logits: over states or pairs, from a table, features or a network, by every method that offers it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.meta_gradient.problems import NUM_ACTIONS, network_problem, table_problem
from tests.quick import quick_jit

from mgsc.agent import discrete_parts
from mgsc.meta_gradient import transition_meta_loss
from mgsc.policies import epsilon_greedy_probabilities
from mgsc.search_control import linear_logits, meta_gradient, network_logits, table_logits
from mgsc.search_control.base import allowed_pairs, masked_softmax
from mgsc.types import Candidates, Params, Successors, Transition
from mgsc.values.mlp import mlp

PROBLEMS = {"table": table_problem, "network": network_problem}
STEP = 0.5
"""Of plain gradient descent on η, so that a step shows the gradient."""


def one_step(problem, **choices):
    """η before and after one meta-update, the strategy, and what it reports."""
    strategy = meta_gradient(
        optax.sgd(STEP), step_size=problem.step_size, planning_updates=problem.planning_updates, **choices
    )
    control = strategy(problem.parts)

    def step():
        begun = control.init(jax.random.key(0), problem.params, problem.candidates)
        # Away from zero, where the last layer of a network hides the others.
        eta = jax.tree.map(lambda leaf: leaf + 0.3 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), begun.logits)
        weights = None if begun.weights is None else masked_softmax(eta, problem.candidates.is_allowed)
        state = begun._replace(logits=eta, weights=weights)
        after, info = control.observe(state, problem.params, problem.candidates, problem.transition)
        return state, after, info, control.weights(after, problem.params, problem.candidates)

    return quick_jit(step)()


def general_gradient(problem, logits_of, eta):
    """∂L/∂η by automatic differentiation through everything: no line of it is shared with the strategy."""

    def loss(eta):
        logits = logits_of(eta)
        allowed = problem.candidates.is_allowed
        allowed = allowed if logits.ndim == 1 else allowed_pairs(problem.candidates, logits.shape[1])
        weights = jax.nn.softmax(jnp.where(allowed, logits, -1e9).reshape(-1)).reshape(logits.shape)
        arguments = (problem.parts, problem.params, problem.candidates, weights, problem.transition)
        return transition_meta_loss(*arguments, problem.step_size, problem.planning_updates)

    return quick_jit(jax.grad(loss))(eta)


def assert_step(state, after, gradient):
    expected = jax.tree.map(lambda leaf, slope: leaf - STEP * slope, state.logits, gradient)
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(gradient))
    assert largest > 1e-6, "there is something to see"
    for one, other in zip(*map(jax.tree.leaves, (after.logits, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["table", "network", "automatic"])
def test_a_table_over_pairs(method, seed):
    problem = table_problem(seed)
    state, after, _, weights = one_step(problem, method=method, logits=table_logits(NUM_ACTIONS))
    assert weights.shape == (len(problem.logits), NUM_ACTIONS)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
    assert not np.asarray(weights)[~np.asarray(problem.candidates.is_allowed)].any()
    assert_step(state, after, general_gradient(problem, lambda eta: eta, state.logits))


@pytest.mark.parametrize("num_actions", [None, NUM_ACTIONS], ids=["states", "pairs"])
@pytest.mark.parametrize(("kind", "method"), [("network", "network"), ("network", "automatic"), ("table", "automatic")])
def test_a_network_over_candidates(kind, method, num_actions):
    problem = PROBLEMS[kind](1)
    function = network_logits((4,), num_actions)
    state, after, _, weights = one_step(problem, method=method, logits=function)
    assert after.weights is None, "d depends on the candidates of the step, and is not kept"
    assert weights.ndim == (1 if num_actions is None else 2)
    logits = function(problem.parts)

    def logits_of(eta):
        return logits.apply(eta, problem.params, problem.candidates)

    assert_step(state, after, general_gradient(problem, logits_of, state.logits))


def test_steep_logits_begin_uniform_and_learn_by_the_same_gradient():
    problem = PROBLEMS["network"](1)
    function = network_logits((4,), steepness=20)
    state, after, _, weights = one_step(problem, method="network", logits=function)
    plain = network_logits((4,))(problem.parts).init(jax.random.key(0), problem.params, problem.candidates)
    steep = function(problem.parts).init(jax.random.key(0), problem.params, problem.candidates)
    np.testing.assert_allclose(steep[0][0], 20 * plain[0][0], rtol=1e-6)
    assert np.ptp(steep[0][1]) > 1
    logits = function(problem.parts)
    assert_step(
        state,
        after,
        general_gradient(problem, lambda eta: logits.apply(eta, problem.params, problem.candidates), state.logits),
    )
    assert weights.ndim == 1


def features(parts, params, candidates):
    """[N, 3], of which one depends on the values."""
    best = jax.vmap(parts.bootstrap, (None, None, 0))(params.values, params.learner, candidates.observation)
    place = candidates.index.astype(best.dtype)
    return jnp.stack([best, place, jnp.sin(place)], -1)


@pytest.mark.parametrize(("kind", "method"), [("table", "table"), ("table", "automatic"), ("network", "network")])
def test_logits_linear_in_features(kind, method):
    problem = PROBLEMS[kind](2)
    state, after, _, _ = one_step(problem, method=method, logits=linear_logits(features))
    assert state.logits.shape == (3,)
    phi = features(problem.parts, problem.params, problem.candidates)
    assert_step(state, after, general_gradient(problem, lambda eta: phi @ eta, state.logits))


def test_one_hot_features_are_a_table():
    problem = table_problem(3)
    linear = linear_logits(lambda parts, params, candidates: jnp.eye(len(candidates.index)))
    table, features_of = one_step(problem), one_step(problem, logits=linear)
    np.testing.assert_allclose(table[1].logits, features_of[1].logits, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table[3], features_of[3], rtol=1e-6)


def test_d_follows_candidates_that_change():
    problem = network_problem(0)
    control = meta_gradient(
        optax.sgd(STEP), step_size=0.1, planning_updates=1, method="network", logits=network_logits((4,))
    )(problem.parts)
    state = control.init(jax.random.key(0), problem.params, problem.candidates)
    state = state._replace(logits=jax.tree.map(lambda leaf: leaf + 0.5, state.logits))
    first = control.weights(state, problem.params, problem.candidates)
    reverse = Candidates(*(column[::-1] for column in problem.candidates[:3]))
    np.testing.assert_allclose(control.weights(state, problem.params, reverse), first[::-1], rtol=1e-6)
    assert np.ptp(first) > 1e-3


@pytest.mark.slow
def test_a_network_of_logits_leaves_where_the_model_is_wrong():
    """Every episode ends at once with reward 1; the model says so where x < 0, and -1 elsewhere."""

    def expect(model, observation, action):
        reward = jnp.where(observation[0] < 0, 1.0, -1.0)
        return Successors(jnp.ones(1), reward[None], jnp.zeros(1), observation[None])

    values = mlp(lambda observation: observation, (4, 16, 2))
    parts = discrete_parts(values.action_values, lambda q: epsilon_greedy_probabilities(q, 0.1), expect)
    control = meta_gradient(
        optax.adam(0.01), step_size=0.01, planning_updates=8, method="network", logits=network_logits((32,))
    )(parts)
    params = Params(values.init(jax.random.key(0))[0], ())

    def batch(key):
        observations = jax.random.normal(key, (24, 4))
        return Candidates(observations, jnp.arange(24), jnp.ones(24, bool))

    def step(state, key):
        key_candidates, key_real = jax.random.split(key)
        candidates, here = batch(key_candidates), jax.random.normal(key_real, (4,))
        weights = control.weights(state, params, candidates)
        real = Transition(here, jnp.int32(0), jnp.float32(1.0), jnp.float32(0.0), here)
        is_right = candidates.observation[:, 0] < 0
        return control.observe(state, params, candidates, real)[0], jnp.sum(weights * is_right) - jnp.mean(is_right)

    keys = jax.random.split(jax.random.key(1), 300)
    begun = control.init(jax.random.key(2), params, batch(jax.random.key(3)))
    _, excess = quick_jit(lambda: jax.lax.scan(step, begun, keys))()
    assert float(excess[0]) == pytest.approx(0, abs=1e-6), "it begins uniform"
    assert excess[-100:].mean() > 0.3, "of at most 0.5"
