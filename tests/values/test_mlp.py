"""Values from a network: the semi-gradient step, the optimiser, and the target network."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.quick import quick_jit

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.types import like
from mgsc.values.mlp import MLP_VALUES_ROW, MlpSettings, mlp

SIZES = (3, 5, 2)


def begun(**options):
    values = mlp(lambda observation: observation, SIZES, **options)
    theta, learner = values.init(jax.random.key(0))
    # Past the zero last layer, so that all gradients differ from zero.
    theta = jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(1), leaf.shape), theta)
    return values, theta, learner


def batch(size):
    key = jax.random.key(2)
    observation = jax.random.normal(key, (size, 3))
    return observation, jnp.arange(size) % 2, jnp.arange(1.0, size + 1)


def test_a_network_begins_at_the_initial_value_everywhere():
    values = mlp(lambda observation: observation, SIZES, initial_value=-2.0)
    theta, _ = values.init(jax.random.key(0))
    np.testing.assert_array_equal(values.action_values(theta, jnp.array([3.0, -1.0, 2.0])), [-2, -2])


def test_steep_first_units_change_at_places_of_their_own_and_values_still_begin_equal():
    steep = mlp(lambda observation: observation, (2, 400, 2), steepness=20.0, initial_value=-2.0)
    plain = mlp(lambda observation: observation, (2, 400, 2))
    (theta, _), (flat, _) = steep.init(jax.random.key(0)), plain.init(jax.random.key(0))
    np.testing.assert_array_equal(steep.action_values(theta, jnp.array([0.3, -0.7])), [-2, -2])
    weights, biases = theta[0]
    np.testing.assert_allclose(weights, 20 * flat[0][0], rtol=1e-6)
    # How far from the origin each unit's line lies: of places in the square ±1, at most its half diagonal.
    distance = np.abs(biases) / np.linalg.norm(weights, axis=0)
    assert distance.max() <= np.sqrt(2)
    assert 0.4 < distance.mean() < 0.6
    np.testing.assert_array_equal(flat[0][1], 0)


@pytest.mark.parametrize("changes", [{"activation": "relu"}, {"layers": 0}])
def test_tiles_need_units_within_their_range(changes):
    facts = Facts(like((3,), jnp.float32), 2, 0.9, reward_scale=1.0, switch_every=1)
    with pytest.raises(UserError, match="activation=tanh and at least one layer"):
        MLP_VALUES_ROW.build(MlpSettings(tiles=4, **changes), facts, 0.0)
    tiled = MLP_VALUES_ROW.build(MlpSettings(tiles=4, units=6), facts, -1.0)
    theta, _ = tiled.init(jax.random.key(0))
    assert theta[-1][0].shape == (2, 24)
    np.testing.assert_array_equal(tiled.action_values(theta, jnp.ones(3)), [-1, -1])


def test_an_update_is_the_semi_gradient_step_and_a_batch_its_mean():
    values, theta, learner = begun()
    observation, action, error = batch(3)
    step_size = jnp.full(3, 0.1)

    def by_hand(number):
        slope = jax.grad(values.q)(theta, observation[number], action[number])
        return jax.tree.map(lambda leaf: 0.1 * error[number] * leaf, slope)

    after, _ = quick_jit(values.update)(theta, learner, observation, action, error, step_size)
    expected = jax.tree.map(lambda leaf, *steps: leaf + sum(steps) / 3, theta, *map(by_hand, range(3)))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6), after, expected)


def test_a_step_size_of_zero_changes_nothing_and_others_weigh_their_errors():
    values, theta, learner = begun()
    observation, action, error = batch(2)
    same, _ = values.update(theta, learner, observation, action, error, jnp.zeros(2))
    jax.tree.map(np.testing.assert_array_equal, same, theta)
    uneven, _ = values.update(theta, learner, observation, action, error, jnp.array([0.3, 0.1]))
    even, _ = values.update(theta, learner, observation, action, error * jnp.array([3.0, 1.0]), jnp.full(2, 0.1))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6), uneven, even)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_fall_evenly_to_a_twentieth(optimizer):
    settings = MlpSettings(units=4, layers=1, optimizer=optimizer, decay_updates=20)
    facts = Facts(like((3,), jnp.float32), 2, 0.9, reward_scale=1.0, switch_every=1)
    observation, action, _ = batch(1)
    sizes = {}
    for name, one in (("falls", settings), ("stays", dataclasses.replace(settings, decay_updates=0))):
        values = MLP_VALUES_ROW.build(one, facts, 0.0)
        theta, learner = values.init(jax.random.key(0))
        update, sizes[name] = quick_jit(values.update), []
        for _ in range(25):
            # From the same place each time, so that only optimiser and schedule can change the step.
            moved, learner = update(theta, learner, observation, action, jnp.ones(1), jnp.full(1, 0.1))
            last = zip(jax.tree.leaves(moved), jax.tree.leaves(theta), strict=True)
            sizes[name].append(max(float(jnp.abs(one - other).max()) for one, other in last))
    share = np.divide(sizes["falls"], sizes["stays"])
    np.testing.assert_allclose(share, np.maximum(1 - 0.95 * np.arange(25) / 20, 0.05), rtol=1e-4)


def test_adam_keeps_its_moments_in_the_learner_and_its_first_step_has_the_size_of_the_step_size():
    values, theta, learner = begun(optimizer=optax.scale_by_adam())
    observation, action, error = batch(1)
    after, later = values.update(theta, learner, observation, action, error, jnp.full(1, 0.01))
    moves = jnp.concatenate([jnp.ravel(one - other) for one, other in zip(*map(jax.tree.leaves, (after, theta)))])
    moved = np.abs(moves)[np.abs(moves) > 0]
    np.testing.assert_allclose(moved, 0.01, rtol=1e-2)
    assert int(later.optimizer.count) == 1


@pytest.mark.parametrize("num_updates", [1, 2, 3])
def test_the_target_network_follows_every_other_update(num_updates):
    values, theta, learner = begun(target_every=2)
    learner = learner._replace(target=theta)
    first = theta
    observation, action, error = batch(1)
    states = [theta]
    for _ in range(num_updates):
        theta, learner = values.update(theta, learner, observation, action, error, jnp.full(1, 0.1))
        states.append(theta)
    expected = first if num_updates < 2 else states[2]
    assert jax.tree.all(jax.tree.map(np.array_equal, learner.target, expected))


def test_bootstrap_values_are_those_of_double_q_learning():
    values, theta, learner = begun(target_every=2)
    other = jax.tree.map(lambda leaf: leaf[::-1] if leaf.ndim == 1 else leaf, theta)
    other[-1] = (theta[-1][0], jnp.array([5.0, -5.0]))
    theta[-1] = (theta[-1][0], jnp.array([-5.0, 5.0]))
    learner, here = learner._replace(target=other), jnp.array([0.1, 0.2, 0.3])
    # θ prefers action 1, which the target network values at about −5.
    assert int(jnp.argmax(values.action_values(theta, here))) == 1
    assert values.bootstrap(theta, learner, here) == values.action_values(other, here)[1]
    assert values.bootstrap(theta, learner._replace(target=None), here) == values.action_values(theta, here).max()


def test_single_q_learning_takes_the_target_networks_largest_value():
    values, theta, learner = begun(target_every=2, is_double=False)
    other = jax.tree.map(lambda leaf: -leaf, theta)
    here = jnp.array([0.1, 0.2, 0.3])
    found = values.bootstrap(theta, learner._replace(target=other), here)
    assert (
        found
        == values.action_values(other, here).max()
        != values.bootstrap(other, learner._replace(target=theta), here)
    )


def test_hubers_loss_counts_large_errors_as_the_largest():
    observation, action, _ = batch(3)
    error, step_size = jnp.array([0.5, 3.0, -7.0]), jnp.full(3, 0.1)
    values, theta, learner = begun(largest_error=2.0)
    plain, _, _ = begun()
    clipped, _ = values.update(theta, learner, observation, action, error, step_size)
    expected, _ = plain.update(theta, learner, observation, action, jnp.array([0.5, 2.0, -2.0]), step_size)
    jax.tree.map(np.testing.assert_array_equal, clipped, expected)


def test_layer_norm_makes_values_blind_to_shift_and_scale_of_a_layer():
    values, theta, _ = begun(normalises=True)
    here = jnp.array([0.1, 0.2, 0.3])
    (weights, biases), *rest = theta
    moved = [(3 * weights, 3 * biases + 0.7), *rest]
    one, other = values.action_values(theta, here), values.action_values(moved, here)
    np.testing.assert_allclose(one, other, rtol=1e-3)
    assert abs(one - begun()[0].action_values(theta, here)).max() > 1e-3
