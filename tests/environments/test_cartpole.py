"""CartPole's steps are Gymnasium's."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.cartpole import CartPoleSettings, cartpole
from mgsc.environments.changing import ChangingState
from mgsc.errors import UserError


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
    state = ChangingState(jnp.asarray(begun, jnp.float32), jnp.int32(0), jnp.int32(0))
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
    upright = ChangingState(jnp.zeros(4), jnp.int32(0), jnp.int32(498))
    later = step(upright, jnp.int32(0))
    assert not later.truncated
    assert step(later.state, jnp.int32(1)).truncated
    fallen = ChangingState(jnp.array([2.39, 5.0, 0.0, 0.0]), jnp.int32(0), jnp.int32(499))
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


def changed_step(change, **settings):
    """A step to the right from a leaning pole, in the second phase of a change and in Gymnasium with ``attributes``."""
    simulator = cartpole(CartPoleSettings(change=change, switch_every=10, **settings))
    state = ChangingState(jnp.array([0.6, 0.1, 0.05, -0.2]), jnp.int32(10), jnp.int32(3))
    return simulator.environment.step((), state, jnp.int32(1), simulator.params)


@pytest.mark.parametrize(
    ("change", "action", "attributes"),
    [
        ("gravity", 1, {"gravity": 29.4}),
        ("pole", 1, {"masspole": 0.3, "total_mass": 1.3, "polemass_length": 0.15}),
        ("reversed", 0, {}),
    ],
)
def test_the_second_phase_is_gymnasiums_of_other_numbers(change, action, attributes):
    other = gymnasium.make("CartPole-v1").unwrapped
    other.reset()
    other.state = np.array([0.6, 0.1, 0.05, -0.2])
    for name, value in attributes.items():
        setattr(other, name, value)
    np.testing.assert_allclose(
        changed_step(change, factor=3.0).observation, other.step(action)[0], rtol=1e-5, atol=1e-6
    )


def test_a_tilt_rewards_one_end_of_the_track_and_then_the_other():
    """At 0.602 m after the step: 0.4 · 0.602 / 2.4 = 0.1003 is taken away in the second phase."""
    assert float(changed_step("tilt", tilt=0.4).reward) == pytest.approx(1 - 0.1003, abs=1e-4)
    with pytest.raises(UserError, match=r"environment\.tilt is 0"):
        cartpole(CartPoleSettings(change="tilt", switch_every=10))
