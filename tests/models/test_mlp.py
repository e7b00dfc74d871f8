"""A model from a network: it learns what can be learned, and its two kinds of answers agree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.quick import quick_jit

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.models.mlp import MlpModel, mlp_model
from mgsc.types import Transition, like

FACTS = Facts(like((2,), jnp.float32), 2, 0.9, reward_scale=2.0, switch_every=1, observation_scale=np.array([1.0, 2.0]))
SETTINGS = MlpModel(units=32, step_size=3e-3, capacity=500)


def real(key) -> Transition:
    """Action 1 moves right and pays 2, action 0 left and pays nothing; beyond 1 the episode ends."""
    key_place, key_action = jax.random.split(key)
    here = jax.random.uniform(key_place, (2,), minval=-1.0)
    action = jax.random.randint(key_action, (), 0, 2, jnp.int32)
    after = here + jnp.array([0.4, 0.0]) * (2 * action - 1)
    return Transition(here, action, 2.0 * action, jnp.where(after[0] > 1, 0.0, 0.9), after)


@pytest.fixture(scope="module")
def learned():
    model = mlp_model(SETTINGS, FACTS)

    def step(state, key):
        key_seen, key_batch = jax.random.split(key)
        return model.update(key_batch, state, real(key_seen)), None

    keys = jax.random.split(jax.random.key(0), 1500)
    return model, quick_jit(lambda: lax.scan(step, model.init(jax.random.key(1)), keys)[0])()


def test_it_learns_where_actions_lead_what_they_pay_and_when_episodes_end(learned):
    model, state = learned
    middle, edge = jnp.array([0.0, 0.5]), jnp.array([0.95, 0.5])
    right = model.expect(state, middle, jnp.int32(1))
    np.testing.assert_allclose(right.observation[0], [0.4, 0.5], atol=0.1)
    np.testing.assert_allclose(right.reward, [2, 2], atol=0.2)
    assert right.probability[0] > 0.9
    assert model.expect(state, edge, jnp.int32(1)).probability[1] > 0.7
    left = model.expect(state, middle, jnp.int32(0))
    np.testing.assert_allclose(left.observation[0], [-0.4, 0.5], atol=0.1)
    np.testing.assert_allclose(left.reward, [0, 0], atol=0.2)


def test_sample_draws_from_what_expect_gives(learned):
    model, state = learned
    here, action = jnp.array([0.7, 0.0]), jnp.int32(1)
    answers = model.expect(state, here, action)
    uniforms = jnp.linspace(0, 1, 1000, endpoint=False)
    drawn = jax.vmap(lambda noise: model.sample(noise, state, here, action))(uniforms)
    np.testing.assert_allclose((drawn.discount == 0).mean(), answers.probability[1], atol=2e-3)
    np.testing.assert_array_equal(answers.discount, np.float32([0.9, 0]))
    np.testing.assert_allclose(drawn.successor, np.broadcast_to(answers.observation[0], (1000, 2)))


@pytest.mark.slow
def test_minibatches_are_drawn_by_the_noise():
    model = mlp_model(MlpModel(units=4, layers=1, batch_size=2, capacity=50), FACTS)
    state = model.init(jax.random.key(0))
    for number in range(5):
        state = model.update(jax.random.key(9), state, real(jax.random.key(number)))
    seen = real(jax.random.key(7))
    one, same, other = (model.update(jax.random.key(noise), state, seen).layers for noise in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert any((first != second).any() for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(other)))


def test_states_of_a_list_are_refused():
    with pytest.raises(UserError, match="observations that are numbers"):
        mlp_model(SETTINGS, FACTS._replace(observation=like((), jnp.int32)))
