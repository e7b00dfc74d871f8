"""The meta-gradient through the update of twin critics, in float64: three ways to it, and what it is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from tests.quick import quick_jit

from mgsc import meta_gradient as gradients
from mgsc.agent import parts_of
from mgsc.facts import Facts
from mgsc.meta_gradient import exact_network
from mgsc.models.mlp import MlpModel, mlp_model
from mgsc.policies import actor
from mgsc.search_control import meta_gradient, network_logits
from mgsc.search_control.base import masked_softmax
from mgsc.types import Candidates, Params, Transition, like
from mgsc.values.sac import SacSettings, sac

NUM_CANDIDATES, STEP_SIZE, UPDATES, STEP = 4, 0.05, 3, 1e-5
FACTS = Facts(like((2,), jnp.float64), 0, 0.9, 1.0, switch_every=1, numbers=like((1,), jnp.float64))


def problem():
    """An agent with all its numbers away from zero, some candidates and a real transition."""
    values = sac(SacSettings(units=5, layers=1, activation="tanh"), FACTS)
    model = mlp_model(MlpModel(units=3, layers=1, capacity=2), FACTS)
    theta, learner = values.init(jax.random.key(0))
    layers = model.init(jax.random.key(1))
    leaves, form = jax.tree.flatten((theta, learner.target, layers.layers))
    noise = jax.random.normal(jax.random.key(2), (sum(leaf.size for leaf in leaves),))
    moved = []
    for leaf in leaves:
        moved.append(leaf + 0.4 * noise[: leaf.size].reshape(leaf.shape))
        noise = noise[leaf.size :]
    theta, target, network = jax.tree.unflatten(form, moved)
    places = jax.random.normal(jax.random.key(3), (NUM_CANDIDATES + 2, 2))
    candidates = Candidates(places[2:], jnp.arange(NUM_CANDIDATES), jnp.ones(NUM_CANDIDATES, bool))
    real = Transition(places[0], jnp.array([0.4]), jnp.array(0.7), jnp.array(0.9), places[1])
    params = Params(theta, layers._replace(layers=network), learner._replace(target=target))
    return parts_of(values, actor()(values), model), params, candidates, real


def directions(number, head):
    """[C, …] by one critic, of each action that stands for the actor's: its own error times its own gradient."""
    parts, params, candidates, _ = problem()
    here = candidates.observation[number]
    choice = parts.actions(params.values, here)

    def of_action(action):
        answers = parts.expect(params.model, here, action)
        soft = jax.vmap(lambda seen: parts.bootstrap(params.values, params.learner, seen))(answers.observation)
        goal = jnp.sum(answers.probability * (answers.reward + answers.discount * soft))
        q, slope = jax.value_and_grad(lambda theta: parts.heads(theta, here, action)[head])(params.values)
        return (goal - q) * ravel_pytree(slope)[0]

    return jax.vmap(of_action)(choice.action), choice.probability


def direction(number, head):
    """The direction of a planning update at a candidate by one critic, with the actor's actions."""
    each, probability = directions(number, head)
    return probability @ each


def everything(num_choices=None):
    """The step that MGSC makes on its logits; the derivative by automatic differentiation, and by differences."""
    parts, params, candidates, real = problem()
    function = network_logits((3,), num_choices)
    logits = function(parts)
    control = meta_gradient(
        optax.sgd(1.0),
        step_size=STEP_SIZE,
        planning_updates=UPDATES,
        logits=function,
        is_listed=False,
        prior="policy",
    )(parts)
    begun = control.init(jax.random.key(0), params, candidates)
    eta, unravel = ravel_pytree(begun.logits)
    eta = eta + 0.5 * jnp.cos(jnp.arange(eta.size))
    after, info = control.observe(begun._replace(logits=unravel(eta)), params, candidates, real)

    def weights_of(eta):
        found = logits.apply(unravel(eta), params, candidates)
        if num_choices is not None:
            # Before anything is learned, as likely as the actor's: 2/3 in the middle, 1/6 on either side.
            found = found + jnp.log(jnp.array([2 / 3, 1 / 6, 1 / 6]))
        return masked_softmax(found, candidates.is_allowed)

    def loss(eta):
        arguments = (parts, params, candidates, weights_of(eta), real, STEP_SIZE, UPDATES)
        return gradients.transition_meta_loss(*arguments)

    def of_pairs(number):
        return sum(directions(number, head)[0] for head in (0, 1))

    def of_states(number):
        return sum(direction(number, head) for head in (0, 1))

    each = jnp.stack([(of_pairs if num_choices else of_states)(number) for number in range(NUM_CANDIDATES)])
    each = each.reshape(-1, each.shape[-1])
    theta, _ = ravel_pytree(params.values)

    def planned(eta):
        return theta + STEP_SIZE * UPDATES * weights_of(eta).reshape(-1) @ each

    def taken(flat):
        values = ravel_pytree(params.values)[1](flat)
        return parts.heads(values, real.observation, real.action)

    here = planned(eta)
    soft = parts.bootstrap(ravel_pytree(params.values)[1](here), params.learner, real.successor)
    q, slopes = taken(here), jax.jacobian(taken)(here)
    target = here + STEP_SIZE * (real.reward + real.discount * soft - q) @ slopes

    def from_target(eta):
        return jnp.sum((target - planned(eta)) ** 2)

    steps = STEP * jnp.eye(eta.size)
    differences = jax.vmap(lambda step: (from_target(eta + step) - from_target(eta - step)) / (2 * STEP))(steps)
    given = parts, params, candidates, weights_of(eta)
    general, _ = ravel_pytree(gradients.planned_parameters(*given, STEP_SIZE, UPDATES))
    forms, others = (
        [
            way.loss_and_weights_gradient(*given, real, STEP_SIZE, UPDATES, form="single", origin=origin)
            for origin in ("planned", "current")
        ]
        for way in (exact_network, gradients)
    )
    made = eta - ravel_pytree(after.logits)[0]
    return made, jax.grad(loss)(eta), differences, general, here, info["meta_loss"], from_target(eta), forms, others


@pytest.mark.slow
@pytest.mark.parametrize("num_choices", [None, FACTS.num_choices])
def test_the_meta_step_is_the_derivative_through_the_critics_update(num_choices) -> None:
    found = quick_jit(lambda: everything(num_choices))()
    made, automatic, differences, general, planned, reported, loss, forms, others = found
    assert made.dtype == jnp.float64
    assert np.abs(differences).max() > 1e-5, "there is something to see"
    np.testing.assert_allclose(general, planned, rtol=1e-12)
    np.testing.assert_allclose(made, automatic, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(made, differences, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(reported, loss, rtol=1e-10)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-13), forms, others)


def steps_of_two_transitions(num_choices):
    """(The second meta-step with a loss of two transitions, the mean of those with each), and both meta-losses."""
    parts, params, candidates, first = problem()
    second = first._replace(action=jnp.array([-0.8]), reward=jnp.array(-1.3))
    shared = dict(step_size=STEP_SIZE, planning_updates=UPDATES, is_listed=False, prior="policy")

    def built(**experience):
        logits = network_logits((3,), num_choices)
        return meta_gradient(optax.sgd(1.0), logits=logits, action=FACTS.action, **shared, **experience)(parts)

    several, one = built(experience="recent", experience_length=3), built()
    begun = several.observe(several.init(jax.random.key(0), params, candidates), params, candidates, first)[0]
    alone = one.init(jax.random.key(0), params, candidates)._replace(logits=begun.logits)

    def step(control, state, real):
        after, info = control.observe(state, params, candidates, real)
        return ravel_pytree(begun.logits)[0] - ravel_pytree(after.logits)[0], info["meta_loss"]

    each = [step(one, alone, real) for real in (first, second)]
    return step(several, begun, second), jax.tree.map(lambda *both: sum(both) / 2, *each), each


@pytest.mark.parametrize("num_choices", [None, FACTS.num_choices])
def test_several_transitions_with_actions_that_are_numbers_give_the_mean_of_their_meta_steps(num_choices) -> None:
    together, mean, (first, second) = quick_jit(lambda: steps_of_two_transitions(num_choices))()
    assert np.abs(first[0] - second[0]).max() > 1e-4, "they differ"
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14), together, mean)
