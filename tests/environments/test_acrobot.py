"""Acrobot's steps are Gymnasium's."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.acrobot import AcrobotSettings, acrobot
from mgsc.environments.changing import ChangingState

NUM_STEPS = 300


def theirs(seed: int, second_phase: dict[str, float] | None = None):
    """Steps of Gymnasium's, in one episode after another, half of them random and half of them swinging."""
    env, random = gymnasium.make("Acrobot-v1"), np.random.default_rng(seed)
    env.reset(seed=seed)
    inner = env.unwrapped
    for name, value in (second_phase or {}).items():
        setattr(inner, name, value)
    states, actions, made = [], [], []
    for _ in range(NUM_STEPS):
        swing = 2 if inner.state[3] > 0 else 0
        action = int(random.integers(3)) if random.random() < 0.5 else swing
        states.append(np.array(inner.state))
        actions.append(action)
        observation, reward, terminated, truncated, _ = env.step(action)
        made.append((observation, reward, terminated, truncated))
        if terminated or truncated:
            env.reset()
    return (
        np.array(states, np.float32),
        np.array(actions, np.int32),
        [np.array(part) for part in zip(*made, strict=True)],
    )


def ours(states, actions, phase=0, **settings):
    simulator = acrobot(AcrobotSettings(**settings))

    def one(angles, action):
        state = ChangingState(angles, jnp.int32(phase), jnp.int32(0))
        return simulator.environment.step((), state, action, simulator.params)

    return jax.device_get(quick_jit(jax.vmap(one))(states, actions)), simulator


def test_steps_are_gymnasiums():
    states, actions, (observation, reward, terminated, _) = theirs(seed=0)
    made, simulator = ours(states, actions)
    assert terminated.any()
    np.testing.assert_allclose(made.observation, observation, rtol=1e-4, atol=2e-5)
    np.testing.assert_array_equal(made.reward, reward)
    np.testing.assert_array_equal(made.terminated, terminated)
    assert not made.truncated.any()
    zero, up = jnp.int32(0), jnp.int32(1)

    def both(seen, state):
        made = simulator.environment.step((), state, up, simulator.params)
        return simulator.outcomes(seen, up, zero, zero), made.observation

    inferred, following = quick_jit(jax.vmap(both))(made.observation, made.state)
    np.testing.assert_allclose(inferred.observation[:, 0], following, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "numbers"), [("link", {"LINK_MASS_2": 2.0}), ("reversed", {"AVAIL_TORQUE": [1.0, 0.0, -1.0]})]
)
def test_the_second_phase_is_gymnasiums_of_other_numbers(change, numbers):
    states, actions, (observation, *_) = theirs(seed=1, second_phase=numbers)
    made, _ = ours(states, actions, phase=5, change=change, switch_every=5)
    np.testing.assert_allclose(made.observation, observation, rtol=1e-4, atol=2e-5)


def test_gravity_and_goal_by_hand():
    """At rest, hanging: doubled gravity changes nothing; stretched out to the side, it doubles the fall."""
    side = np.array([[np.pi / 2, 0, 0, 0]], np.float32)
    light, _ = ours(side, np.array([1]), change="gravity", switch_every=5)
    heavy, _ = ours(side, np.array([1]), phase=5, change="gravity", switch_every=5)
    assert 1.9 < heavy.observation[0, 4] / light.observation[0, 4] < 2.1
    lower = {"change": "goal", "later_height": -0.5, "switch_every": 5}
    first, _ = ours(side, np.array([1]), **lower)
    later, _ = ours(side, np.array([1]), phase=5, **lower)
    assert (first.reward[0], first.terminated[0]) == (-1, False)
    assert (later.reward[0], later.terminated[0]) == (0, True)
