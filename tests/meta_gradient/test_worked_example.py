"""Numbers small enough to work out by hand."""

from __future__ import annotations

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.meta_gradient.problems import TABLE, answer, compiled
from tests.quick import quick_jit

from mgsc import meta_gradient
from mgsc.types import Candidates, Params, Successors, Transition

EXACT = 1e-12
ONE_ACTION = TABLE._replace(policy=jnp.ones_like)

visited_gradient = compiled(meta_gradient.visited_gradient)
planned_parameters = compiled(meta_gradient.planned_parameters)
target_parameters = compiled(meta_gradient.target_parameters)


def _loss(p):
    # θ̄ = (0, 0) + 0.2 · 1 · (p (1, 0) + (1 − p) (0, 1)) = (0.2 p, 0.2 (1 − p))
    weights = jnp.stack([p, 1 - p])
    planned = meta_gradient.planned_from_directions(jnp.zeros(2), jnp.eye(2), weights, 0.2, 1)
    return meta_gradient.meta_loss(planned, jnp.array([0.3, 0.1])), planned


def test_worked_example():
    # θ̄ = (0.1, 0.1); L = 0.2² + 0² = 0.04
    # dL/dp = −2 · 0.2 · (0.3 − 0.1) + 2 · 0.2 · (0.1 − 0.1) = −0.08
    (loss, planned), slope = jax.value_and_grad(_loss, has_aux=True)(jnp.asarray(0.5))
    np.testing.assert_allclose(planned, [0.1, 0.1], atol=EXACT, rtol=0)
    np.testing.assert_allclose(loss, 0.04, atol=EXACT, rtol=0)
    np.testing.assert_allclose(slope, -0.08, atol=EXACT, rtol=0)
    # p = sigmoid(0): dp/dη = 0.25, dL/dη = −0.08 · 0.25 = −0.02
    slope = jax.grad(lambda logit: _loss(jax.nn.sigmoid(logit))[0])(0.0)
    np.testing.assert_allclose(slope, -0.02, atol=EXACT, rtol=0)


def test_worked_example_through_the_softmax_chain():
    # sigmoid(η) = softmax((η, 0))_0. With u = (0.2, 0): g = −2 · 0.2 · (⟨u, (1, 0)⟩, ⟨u, (0, 1)⟩)
    # = (−0.08, 0); mean −0.04; ∂L/∂η = (0.5 · (−0.08 + 0.04), 0.5 · 0.04) = (−0.02, 0.02)
    gradient = meta_gradient.logits_gradient(jnp.array([0.5, 0.5]), jnp.array([-0.08, 0.0]))
    np.testing.assert_allclose(gradient, [-0.02, 0.02], atol=EXACT, rtol=0)
    halved = meta_gradient.logits_gradient(jnp.array([0.5, 0.5]), jnp.array([-0.08, 0.0]), 2.0)
    np.testing.assert_allclose(halved, [-0.01, 0.01], atol=EXACT, rtol=0)


def test_planned_from_directions_counts_updates_and_takes_any_pytree():
    values = {"a": jnp.array([1.0]), "b": (jnp.array([[2.0]]),)}
    directions = {"a": jnp.array([[1.0], [3.0]]), "b": (jnp.array([[[5.0]], [[-5.0]]]),)}
    # K = 4, α = 0.5, w = (¼, ¾): a = 1 + 2 · (0.25 + 2.25) = 6, b = 2 + 2 · (1.25 − 3.75) = −3
    weights = jnp.array([0.25, 0.75])
    planned = meta_gradient.planned_from_directions(values, directions, weights, 0.5, 4)
    assert planned["a"][0] == 6.0
    assert planned["b"][0][0, 0] == -3.0
    # single: a = 1 + 0.5 · 2.5 = 2.25, b = 2 − 0.5 · 2.5 = 0.75
    single = meta_gradient.planned_from_directions(values, directions, weights, 0.5, 4, "single")
    assert single["a"][0] == 2.25
    assert single["b"][0][0, 0] == 0.75


def _chain():
    """Two states, one action: 0 leads to 1 with reward 2, 1 leads to the end with reward 1."""
    model = Successors(
        jnp.ones((2, 1, 1)),
        jnp.array([[[2.0]], [[1.0]]]),
        jnp.array([[[0.5]], [[0.0]]]),
        jnp.array([[[1]], [[1]]]),
    )
    states = jnp.arange(2)
    # E[δ] at θ = (1, 2): 2 + 0.5 · 2 − 1 = 2 and 1 − 2 = −1
    params = Params(jnp.array([[1.0], [2.0]]), model)
    candidates = Candidates(states, states, jnp.ones(2, bool))
    transition = Transition(*map(jnp.asarray, (0, 0, 3.0, 0.5, 1)))
    return ONE_ACTION, params, candidates, jnp.array([0.5, 0.5]), transition, 0.5


def test_table_by_hand():
    # α K = 1: θ̄ = (1 + 0.5 · 2, 2 − 0.5 · 1) = (2, 1.5); δ̄ = 3 + 0.5 · 1.5 − 2 = 1.75
    # L = (0.5 · 1.75)² = 0.765625; g_0 = −2 · 0.875 · 1 · 2 = −3.5
    parts, params, candidates, weights, transition, step_size = _chain()
    visited = visited_gradient(parts, params, weights, transition, step_size, 2)
    assert (visited.state, visited.td_error, visited.meta_loss) == (0, 1.75, 0.765625)
    assert visited.gradient == -3.5
    # ∂L/∂η = 0.5 · (−3.5 + 1.75) and 0.5 · 1.75
    gradient = meta_gradient.visited_logits_gradient(weights, visited)
    np.testing.assert_array_equal(gradient, [-0.875, 0.875])
    np.testing.assert_array_equal(meta_gradient.visited_logits_gradient(weights, visited, 2.0), [-0.4375, 0.4375])
    arguments = (parts, params, candidates, weights, transition, step_size, 2)
    # ⟨θ̂ − θ̄, Δ_0⟩ = 0.875 · 2
    for module in (meta_gradient, meta_gradient.exact_network):
        loss, gradient, alignment = compiled(answer)(module, *arguments)
        np.testing.assert_allclose(loss, 0.765625, atol=EXACT)
        np.testing.assert_allclose(gradient, [-3.5, 0.0], atol=EXACT)
        np.testing.assert_allclose(alignment, [1.75, 0.0], atol=EXACT)


def test_target_by_hand():
    parts, params, _, _, transition, step_size = _chain()
    planned = jnp.array([[2.0], [1.5]])
    # from θ̄: 2 + 0.5 · 1.75; from θ: δ = 3 + 0.5 · 2 − 1 = 3, 1 + 0.5 · 3
    for origin, expected in (("planned", [[2.875], [1.5]]), ("current", [[2.5], [2.0]])):
        target = target_parameters(parts, planned, params.values, transition, step_size, origin=origin)
        np.testing.assert_array_equal(target, expected)


def test_saturating_by_hand():
    # α w π = 0.25, K = 2: share 1 − 0.75² = 0.4375 — as the expectation over how often a state is
    # drawn in two tries: ¼ · 0 + ½ · 0.5 + ¼ · (1 − 0.5²) = 0.4375.
    # θ̄ = (1 + 0.4375 · 2, 2 − 0.4375) = (1.875, 1.5625); δ̄ = 3 + 0.78125 − 1.875 = 1.90625
    # ∂θ̄_0/∂w_0 = 2 · 0.5 · 0.75 · 2 = 1.5; g_0 = −2 · 0.5 · 1.90625 · 1.5 = −2.859375
    parts, params, candidates, weights, transition, step_size = _chain()
    planned = planned_parameters(parts, params, candidates, weights, step_size, 2, form="saturating")
    np.testing.assert_array_equal(planned, [[1.875], [1.5625]])
    visited = visited_gradient(parts, params, weights, transition, step_size, 2, form="saturating")
    assert visited.td_error == 1.90625
    assert visited.gradient == -2.859375


def test_saturating_never_overshoots_where_scaled_does():
    # All weight on state 0, α K = 4: scaled moves by four times the error, saturating by 1 − ½⁸.
    parts, params, candidates, _, _, step_size = _chain()
    weights = jnp.array([1.0, 0.0])
    for form, share in (("scaled", 4.0), ("saturating", 1 - 0.5**8)):
        planned = planned_parameters(parts, params, candidates, weights, step_size, 8, form=form)
        np.testing.assert_array_equal(planned, [[1.0 + 2.0 * share], [2.0]])


def test_saturating_visits_a_state_that_is_listed_twice_with_both_weights():
    parts, params, _, weights, _, step_size = _chain()
    states = jnp.array([0, 1, 0, 0])
    twice = Candidates(states, states, jnp.array([True, True, True, False]))
    split = jnp.array([0.2, 0.5, 0.3, 0.0])
    planned = planned_parameters(parts, params, twice, split, step_size, 2, form="saturating")
    np.testing.assert_allclose(planned, [[1.875], [1.5625]], atol=EXACT)
    assert weights[0] == split[0] + split[2]


def test_entropy_by_hand():
    # Two equally likely of three: log 2 nats. −w (log w + H) = −½ (−log 2 + log 2) = 0
    weights = jnp.array([0.5, 0.5, 0.0])
    np.testing.assert_allclose(meta_gradient.entropy(weights), np.log(2), atol=EXACT)
    np.testing.assert_allclose(meta_gradient.entropy_gradient(weights), 0.0, atol=EXACT)
    assert np.isfinite(jax.grad(meta_gradient.entropy)(weights)).all()


@pytest.mark.parametrize("shape", [(5,), (3, 4)])
def test_closed_chains_equal_automatic_ones(shape):
    rng = np.random.default_rng(0)
    logits, coefficient = jnp.asarray(rng.normal(size=shape)), jnp.asarray(rng.normal(size=shape))
    logits = logits.at[0].set(-jnp.inf)

    def weights(logits):
        return jax.nn.softmax(logits / 0.7, axis=tuple(range(len(shape))))

    def loss(logits):
        return jnp.sum(coefficient * weights(logits) ** 2)

    @quick_jit
    def all_ways(logits):
        probability = weights(logits)
        gradient = 2 * coefficient * probability
        bonus = jax.grad(lambda logits: meta_gradient.entropy(weights(logits)))(logits)
        return (
            (meta_gradient.logits_gradient(probability, gradient, 0.7), jax.grad(loss)(logits)),
            (meta_gradient.entropy_gradient(probability, 0.7), bonus),
        )

    for closed, automatic in all_ways(logits):
        np.testing.assert_allclose(closed[1:], automatic[1:], rtol=1e-10, atol=EXACT)
        assert (closed[0] == 0).all()


def test_example_of_the_docstring_runs():
    with jax.enable_x64(False):
        results = doctest.testmod(meta_gradient)
    assert results.attempted >= 4
    assert results.failed == 0
