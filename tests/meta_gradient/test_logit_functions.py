"""The step that MGSC makes on the parameters of its logits, for every kind of them, in float64.

Against central differences of a loss whose target is held fixed, and against automatic differentiation of all of it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from tests.meta_gradient.problems import NUM_ACTIONS, NUM_CANDIDATES, OBSERVATION, network_problem
from tests.quick import quick_jit, slow_but_for

from mgsc import meta_gradient as gradients
from mgsc.facts import Facts
from mgsc.meta_gradient import exact_network
from mgsc.search_control import feature_logits, linear_logits, meta_gradient, network_logits
from mgsc.search_control.base import masked_softmax
from mgsc.search_control.candidate_signals import candidate_features
from mgsc.search_control.logits import encoded_features
from mgsc.types import Transition, like

STEP = 1e-5
KINDS = ("linear", "network", "features", "both")
CASES = [f"{kind} over {over}" for kind in KINDS for over in ("states", "pairs")]


def problem_with_signals():
    """A network, a model of three outcomes, an ensemble of two members, and candidates with their transitions."""
    given = network_problem(1)
    keys = jax.random.split(jax.random.key(2), 3)
    own = Transition(
        given.candidates.observation,
        jnp.arange(NUM_CANDIDATES) % NUM_ACTIONS,
        jax.random.normal(keys[0], (NUM_CANDIDATES,)),
        jnp.full(NUM_CANDIDATES, 0.9),
        jax.random.normal(keys[1], (NUM_CANDIDATES, OBSERVATION)),
    )

    def disagreement(model, observation, action):
        return jnp.abs(model["reward"][action, 0] - observation[1] * model["reward"][action, 1])

    return given._replace(
        parts=given.parts._replace(disagreement=disagreement),
        candidates=given.candidates._replace(experience=own, age=jnp.arange(NUM_CANDIDATES)),
    )


def loss_and_differences(problem, planned, eta):
    """The meta-loss of θ̄ = planned(η), and its central differences by each number of η; the target is held fixed."""
    parts, real, here = problem.parts, problem.transition, planned(eta)
    slope = jax.grad(parts.q)(here, real.observation, real.action)
    goal = real.reward + real.discount * parts.bootstrap(here, (), real.successor)
    error = goal - parts.q(here, real.observation, real.action)
    target = ravel_pytree(here)[0] + problem.step_size * error * ravel_pytree(slope)[0]

    def from_target(eta):
        ahead = target - ravel_pytree(planned(eta))[0]
        return ahead @ ahead

    steps = STEP * jnp.eye(eta.size)
    differences = jax.vmap(lambda step: (from_target(eta + step) - from_target(eta - step)) / (2 * STEP))(steps)
    return from_target(eta), differences


def with_stored(problem, weights):
    """θ̄ where the last column of the weights is of the candidates' own transitions; from single gradients."""
    parts, params, own = problem.parts, problem.params, problem.candidates.experience
    others = weights[:, 0] if weights.shape[1] == 2 else weights[:, :-1]
    rates = problem.step_size, problem.planning_updates
    planned = gradients.planned_parameters(parts, params, problem.candidates, others, *rates)
    for place in range(NUM_CANDIDATES):
        observation, action, reward, discount, successor = (leaf[place] for leaf in own)
        goal = reward + discount * parts.bootstrap(params.values, (), successor)
        error = goal - parts.q(params.values, observation, action)
        slope = jax.grad(parts.q)(params.values, observation, action)
        factor = rates[0] * rates[1] * weights[place, -1] * error
        planned = jax.tree.map(lambda leaf, change, by=factor: leaf + by * change, planned, slope)
    return planned


STORED = [f"{kind} over {over}" for kind in ("network", "features", "both") for over in ("states", "pairs")]


@pytest.mark.parametrize("case", slow_but_for(["both over pairs"], STORED))
def test_the_meta_step_chooses_between_the_models_answer_and_the_stored_transition(case):
    """By central differences, for states and for pairs, with a uniform share of the candidates."""
    problem, function, share = problem_with_signals(), logits_of(*case.split(" over "), has_stored=True), 0.3
    parts, params, candidates, real = problem.parts, problem.params, problem.candidates, problem.transition
    rates = {"step_size": problem.step_size, "planning_updates": problem.planning_updates}
    control = meta_gradient(optax.sgd(1.0), **rates, mixture=share, logits=function, is_listed=False, replays=True)(
        parts
    )
    begun = control.init(jax.random.key(0), params, candidates)
    eta, unravel = ravel_pytree(begun.logits)
    eta = eta + 0.5 * jnp.cos(jnp.arange(eta.size))

    def weights(eta):
        softmax = masked_softmax(function(parts).apply(unravel(eta), params, candidates), candidates.is_allowed)
        return (1 - share) * softmax + share / softmax.size

    def everything():
        after, info = control.observe(begun._replace(logits=unravel(eta)), params, candidates, real)
        loss, differences = loss_and_differences(problem, lambda eta: with_stored(problem, weights(eta)), eta)
        drawn = control.weights(begun._replace(logits=unravel(eta)), params, candidates)
        return eta - ravel_pytree(after.logits)[0], differences, info, loss, drawn

    found, differences, info, loss, drawn = quick_jit(everything)()
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)
    assert jnp.abs(found).max() > 1e-3
    np.testing.assert_allclose(info["meta_loss"], loss, rtol=1e-9)
    np.testing.assert_allclose(drawn, weights(eta), rtol=1e-9)
    np.testing.assert_allclose(info["stored_share"], drawn[:, -1].sum(), rtol=1e-9)


@pytest.mark.parametrize(("given", "width", "words"), [(0, 2, "with transitions"), (1, 0, r"\[N, 2\]")])
def test_stored_transitions_need_candidates_and_a_column_of_their_own(given, width, words):
    problem = problem_with_signals() if given else network_problem(1)
    weights = jnp.ones((NUM_CANDIDATES, width) if width else NUM_CANDIDATES)
    arguments = (problem.parts, problem.params, problem.candidates, weights, problem.transition)
    with pytest.raises(ValueError, match=words):
        exact_network.loss_and_weights_gradient(*arguments, 0.1, 2, has_stored=True)


def logits_of(kind, over, *, has_stored=False):
    num_actions = NUM_ACTIONS if over == "pairs" else None
    if has_stored:
        num_actions = 1 + (num_actions or 1)
    facts = Facts(like((OBSERVATION,), jnp.float64), NUM_ACTIONS, 0.9, reward_scale=1.0, switch_every=1)
    if kind == "linear":
        return linear_logits(encoded_features(facts.encode, num_actions))
    if kind == "network":
        return network_logits((3,), num_actions)
    features = candidate_features(facts, per_action=over == "pairs", has_stored=has_stored)
    return feature_logits((3,), features, num_actions, encode=facts.encode if kind == "both" else None)


@pytest.mark.parametrize("case", slow_but_for(["both over pairs"], CASES))
def test_the_meta_step_is_the_derivative_by_the_parameters_of_the_logits(case):
    kind, _, over = case.partition(" over ")
    problem, function = problem_with_signals(), logits_of(kind, over)
    parts, params, candidates = problem.parts, problem.params, problem.candidates
    rates = {"step_size": problem.step_size, "planning_updates": problem.planning_updates}
    control = meta_gradient(optax.sgd(1.0), **rates, logits=function, is_listed=False)(parts)
    logits = function(parts)

    def planned(eta):
        weights = masked_softmax(logits.apply(eta, params, candidates), candidates.is_allowed)
        return gradients.planned_parameters(parts, params, candidates, weights, *rates.values())

    def everything():
        begun = control.init(jax.random.key(0), params, candidates)
        eta, unravel = ravel_pytree(begun.logits)
        # Away from zero, where the last layer of a network hides the others.
        eta = eta + 0.5 * jnp.cos(jnp.arange(eta.size))
        after, info = control.observe(begun._replace(logits=unravel(eta)), params, candidates, problem.transition)

        def loss(eta):
            weights = masked_softmax(logits.apply(unravel(eta), params, candidates), candidates.is_allowed)
            arguments = (parts, params, candidates, weights, problem.transition)
            return gradients.transition_meta_loss(*arguments, *rates.values())

        _, differences = loss_and_differences(problem, lambda eta: planned(unravel(eta)), eta)
        return eta - ravel_pytree(after.logits)[0], jax.grad(loss)(eta), differences, info["meta_loss"], loss(eta)

    step, general, differences, reported, loss = quick_jit(everything)()
    assert step.dtype == jnp.float64
    assert np.abs(differences).max() > 1e-5, "there is something to see"
    np.testing.assert_allclose(step, general, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(step, differences, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(reported, loss, rtol=1e-10)
