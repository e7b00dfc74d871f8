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


def logits_of(kind, over):
    num_actions = NUM_ACTIONS if over == "pairs" else None
    facts = Facts(like((OBSERVATION,), jnp.float64), NUM_ACTIONS, 0.9, reward_scale=1.0, switch_every=1)
    if kind == "linear":
        return linear_logits(encoded_features(facts.encode, num_actions))
    if kind == "network":
        return network_logits((3,), num_actions)
    features = candidate_features(facts, per_action=num_actions is not None)
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

        here, _ = ravel_pytree(planned(unravel(eta)))
        real = problem.transition
        slope = jax.grad(parts.q)(planned(unravel(eta)), real.observation, real.action)
        goal = real.reward + real.discount * parts.bootstrap(planned(unravel(eta)), (), real.successor)
        error = goal - parts.q(planned(unravel(eta)), real.observation, real.action)
        target = here + problem.step_size * error * ravel_pytree(slope)[0]

        def from_target(eta):
            ahead = target - ravel_pytree(planned(unravel(eta)))[0]
            return ahead @ ahead

        steps = STEP * jnp.eye(eta.size)
        differences = jax.vmap(lambda step: (from_target(eta + step) - from_target(eta - step)) / (2 * STEP))(steps)
        return eta - ravel_pytree(after.logits)[0], jax.grad(loss)(eta), differences, info["meta_loss"], loss(eta)

    step, general, differences, reported, loss = quick_jit(everything)()
    assert step.dtype == jnp.float64
    assert np.abs(differences).max() > 1e-5, "there is something to see"
    np.testing.assert_allclose(step, general, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(step, differences, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(reported, loss, rtol=1e-10)
