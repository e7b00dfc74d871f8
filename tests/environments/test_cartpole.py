"""CartPole's steps are Gymnasium's."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.cartpole import CartPoleSettings, CartPoleState, cartpole


@pytest.fixture(scope="module")
def made():
    simulator = cartpole(CartPoleSettings())
    return simulator, quick_jit(lambda state, action: simulator.environment.step((), state, action, simulator.params))


@pytest.mark.parametrize("seed", range(3))
def test_episodes_of_random_actions_are_gymnasiums(made, seed):
    _, step = made
    other = gymnasium.make("CartPole-v1")
    begun, _ = other.reset(seed=seed)
    random = np.random.default_rng(seed)
    state = CartPoleState(jnp.asarray(begun, jnp.float32), jnp.zeros((), jnp.int32))
    steps = 0
    for _ in range(200):
        steps += 1
        action = int(random.integers(2))
        found = step(state, jnp.int32(action))
        theirs, reward, terminated, truncated, _ = other.step(action)
        np.testing.assert_allclose(found.observation, theirs, rtol=2e-5, atol=2e-6)
        assert (float(found.reward), bool(found.terminated), bool(found.truncated)) == (reward, terminated, truncated)
        state = found.state
        if terminated:
            break
    assert terminated
    assert steps > 8


def test_an_episode_is_truncated_at_its_limit_and_not_also_terminated(made):
    simulator, step = made
    upright = CartPoleState(jnp.zeros(4), jnp.int32(498))
    later = step(upright, jnp.int32(0))
    assert not later.truncated
    assert step(later.state, jnp.int32(1)).truncated
    fallen = CartPoleState(jnp.array([2.39, 5.0, 0.0, 0.0]), jnp.int32(499))
    ended = step(fallen, jnp.int32(1))
    assert ended.terminated
    assert not ended.truncated
    endless = cartpole(CartPoleSettings(step_limit=0))
    assert not endless.environment.step((), later.state, jnp.int32(1), endless.params).truncated
    del simulator


def test_episodes_begin_near_zero_and_differ(made):
    simulator, _ = made
    starts = jax.vmap(lambda key: simulator.environment.reset(key, simulator.params, None)[1])(
        jax.random.split(jax.random.key(0), 500)
    )
    assert np.abs(starts).max() <= 0.05
    # Uniform in ±0.05: standard deviation 0.0289, ± 0.0006 in 2,000 numbers.
    assert abs(np.std(starts) - 0.0289) < 0.002
