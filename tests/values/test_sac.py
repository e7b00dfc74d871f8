"""Soft actor-critic: one update against one written out plainly, and what stands still."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.quick import quick_jit

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.types import Transition, like
from mgsc.values.sac import SacSettings, sac

FACTS = Facts(like((3,), jnp.float32), 0, 0.9, 1.0, switch_every=1, numbers=like((2,), jnp.float32))
SETTINGS = SacSettings(units=8, actor_step_size=0.02, temperature_step_size=0.03, temperature=0.5, target_rate=0.1)
STEP, BATCH = 0.01, 8


VALUES = sac(SETTINGS, FACTS)


class Begun(NamedTuple):
    theta: object
    learner: object
    batch: Transition
    key: jax.Array


@quick_jit
def numbers_of(values_key, key):
    theta, learner = VALUES.init(values_key)
    # Past the zero last layers, so that no gradient is zero.
    leaves, form = jax.tree.flatten((theta, learner.target))
    noise = jax.random.normal(key, (2 * sum(leaf.size for leaf in leaves),))
    moved = []
    for leaf in leaves:
        moved.append(leaf + 0.3 * noise[: leaf.size].reshape(leaf.shape))
        noise = noise[leaf.size :]
    theta, target = jax.tree.unflatten(form, moved)
    spread = jnp.tanh(noise[: BATCH * 9].reshape(BATCH, 9))
    discount = jnp.where(jnp.arange(BATCH) % 3 == 0, 0.0, 0.9)
    batch = Transition(spread[:, :3], spread[:, 3:5], spread[:, 5], discount, spread[:, 6:])
    return theta, learner._replace(target=target), batch


@pytest.fixture(scope="module")
def begun() -> Begun:
    return Begun(*numbers_of(jax.random.key(0), jax.random.key(1)), jax.random.key(4))


@pytest.fixture(scope="module")
def learned(begun: Begun):
    learn = quick_jit(VALUES.learn)
    step_size = jnp.full(BATCH, STEP)
    return learn, learn(begun.key, begun.theta, begun.learner, begun.batch, step_size)


def network(layers, inputs):
    for weights, biases in layers[:-1]:
        inputs = jnp.maximum(inputs @ weights + biases, 0)
    return inputs @ layers[-1][0] + layers[-1][1]


def critic(critics, number, observation, action):
    layers = jax.tree.map(lambda leaf: leaf[number], critics)
    return network(layers, jnp.concatenate([observation, action], 1))[:, 0]


def drawn(actor, key, observation):
    """Actions, and log densities by the rule for densities as it stands in books."""
    outputs = network(actor, observation)
    mean, deviation = outputs[:, :2], jnp.exp(jnp.clip(outputs[:, 2:], -20, 2))
    raw = mean + deviation * jax.random.normal(key, mean.shape)
    normal = jnp.exp(-0.5 * ((raw - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
    return jnp.tanh(raw), jnp.log(jnp.prod(normal / (1 - jnp.tanh(raw) ** 2), 1))


def adam_step(slope, at, rate):
    optimizer = optax.adam(rate)
    change, _ = optimizer.update(slope, optimizer.init(at), at)
    return optax.apply_updates(at, change)


def by_hand(begun: Begun):
    theta, learner, batch = begun.theta, begun.learner, begun.batch
    key_next, key_actor = jax.random.split(begun.key)
    temperature = jnp.exp(theta.log_temperature)
    action, density = drawn(theta.actor, key_next, batch.successor)
    lesser = jnp.minimum(*(critic(learner.target, number, batch.successor, action) for number in (0, 1)))
    goal = batch.reward + batch.discount * (lesser - temperature * density)

    def critic_loss(critics):
        misses = [goal - critic(critics, number, batch.observation, batch.action) for number in (0, 1)]
        return sum(jnp.mean(miss**2) for miss in misses) / 2

    critics = adam_step(jax.grad(critic_loss)(theta.critics), theta.critics, STEP)

    def actor_loss(actor):
        action, density = drawn(actor, key_actor, batch.observation)
        lesser = jnp.minimum(*(critic(critics, number, batch.observation, action) for number in (0, 1)))
        return jnp.mean(temperature * density - lesser)

    actor = adam_step(jax.grad(actor_loss)(theta.actor), theta.actor, SETTINGS.actor_step_size)
    _, density = drawn(theta.actor, key_actor, batch.observation)

    def temperature_loss(logarithm):
        return jnp.mean(-logarithm * (density - 2.0))

    log_temperature = adam_step(
        jax.grad(temperature_loss)(theta.log_temperature), theta.log_temperature, SETTINGS.temperature_step_size
    )
    target = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, learner.target, critics)
    mean = (critic(theta.critics, 0, batch.observation, batch.action),)
    mean += (critic(theta.critics, 1, batch.observation, batch.action),)
    return critics, actor, log_temperature, target, goal - sum(mean) / 2


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5), one, other)


def test_an_update_is_the_plain_one(begun: Begun, learned) -> None:
    theta, learner, error = learned[1]
    critics, actor, log_temperature, target, by_hand_error = quick_jit(by_hand)(begun)
    close(theta.critics, critics)
    close(theta.actor, actor)
    close(theta.log_temperature, log_temperature)
    close(learner.target, target)
    close(error, by_hand_error)
    assert abs(theta.log_temperature - begun.theta.log_temperature) > 1e-3


def test_a_step_of_size_zero_changes_nothing_that_is_learned(begun: Begun, learned) -> None:
    theta, learner, _ = learned[0](begun.key, begun.theta, begun.learner, begun.batch, jnp.zeros(BATCH))
    jax.tree.map(np.testing.assert_array_equal, theta, begun.theta)
    jax.tree.map(np.testing.assert_array_equal, learner.target, begun.learner.target)


def test_q_is_the_mean_of_the_critics_and_bootstrap_averages_over_the_actors_points(begun: Begun) -> None:
    values, theta, learner = VALUES, begun.theta, begun.learner
    observation, action = begun.batch.observation[0], begun.batch.action[0]

    @quick_jit
    def said(theta, learner, observation, action):
        choice, best = values.actor.actions(theta, observation), values.actor.best(theta, observation)
        soft = values.bootstrap(theta, learner, observation)
        return values.heads(theta, observation, action), values.q(theta, observation, action), choice, best, soft

    heads, q, choice, best, soft = said(theta, learner, observation, action)
    np.testing.assert_allclose(q, heads.mean(), rtol=1e-6)
    assert choice.action.shape == (5, 2)
    np.testing.assert_allclose(best, choice.action[0], rtol=1e-6)
    outputs = network(theta.actor, observation[None])[0]
    raw = np.arctanh(np.asarray(choice.action, np.float64))
    deviation = np.exp(np.asarray(outputs[2:]))
    density = np.sum(
        -0.5 * ((raw - outputs[:2]) / deviation) ** 2
        - np.log(deviation * math.sqrt(2 * math.pi))
        - np.log(1 - np.tanh(raw) ** 2),
        1,
    )
    rows = jnp.broadcast_to(observation, (5, 3))
    lesser = jnp.minimum(*(critic(learner.target, number, rows, choice.action) for number in (0, 1)))
    expected = choice.probability @ (lesser - jnp.exp(theta.log_temperature) * density)
    np.testing.assert_allclose(soft, expected, rtol=2e-3)


def test_numbered_actions_and_single_updates_are_refused() -> None:
    with pytest.raises(UserError, match="values sac are of actions that are numbers"):
        sac(SETTINGS, FACTS._replace(num_actions=2, numbers=None))
    with pytest.raises(ValueError, match="call learn"):
        VALUES.update()
