"""Pendulum's steps are Gymnasium's."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.changing import ChangingState
from mgsc.environments.pendulum import STRONGEST, PendulumSettings, pendulum

NUM_STEPS = 250


def theirs(numbers: dict[str, float] | None = None):
    """States, actions in [−1, 1], and what Gymnasium's steps gave, in one episode after another."""
    env, random = gymnasium.make("Pendulum-v1"), np.random.default_rng(0)
    env.reset(seed=0)
    for name, value in (numbers or {}).items():
        setattr(env.unwrapped, name, value)
    states, actions, made = [], [], []
    for _ in range(NUM_STEPS):
        states.append(np.array(env.unwrapped.state))
        actions.append(random.uniform(-1.3, 1.3, 1))
        observation, reward, terminated, truncated, _ = env.step(STRONGEST * actions[-1])
        made.append((observation, reward, terminated, truncated))
        if truncated:
            env.reset()
    columns = [np.array(part) for part in zip(*made, strict=True)]
    return np.array(states, np.float32), np.array(actions, np.float32), columns


def ours(states, actions, phase=0, **settings):
    simulator = pendulum(PendulumSettings(**settings))

    def one(state, action):
        state = ChangingState(state, jnp.int32(phase), jnp.int32(0))
        return simulator.environment.step((), state, action, simulator.params)

    return jax.device_get(quick_jit(jax.vmap(one))(states, actions)), simulator


def test_steps_are_gymnasiums():
    states, actions, (observation, reward, terminated, truncated) = theirs()
    made, simulator = ours(states, actions)
    np.testing.assert_allclose(made.observation, observation, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(made.reward, reward, rtol=1e-4, atol=1e-4)
    assert not terminated.any()
    assert not made.terminated.any()
    assert truncated.sum() == NUM_STEPS // 200
    assert simulator.action.shape == (1,)
    late = simulator.environment.step((), ChangingState(states[0], 0, jnp.int32(199)), actions[0], simulator.params)
    assert bool(late.truncated)
    # A model that answers from the rules infers the angle up to whole turns.
    first = np.zeros((), np.int32)
    answers = jax.vmap(lambda seen, action: simulator.outcomes(seen, action, first, first))(
        np.stack([np.cos(states[:, 0]), np.sin(states[:, 0]), states[:, 1]], 1), actions
    )
    np.testing.assert_allclose(answers.observation[:, 0], observation, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("change", "numbers"), [("mass", {"m": 2.0}), ("gravity", {"g": 20.0})])
def test_the_second_phase_is_gymnasiums_of_other_numbers(change, numbers):
    states, actions, (observation, reward, *_) = theirs(numbers)
    made, _ = ours(states, actions, phase=5, change=change, switch_every=5)
    np.testing.assert_allclose(made.observation, observation, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(made.reward, reward, rtol=1e-4, atol=1e-4)


def test_another_goal_and_reversed_torques_by_hand():
    state, action = np.array([[1.0, 0.0]], np.float32), np.array([[0.5]], np.float32)
    goal, _ = ours(state, action, phase=5, change="goal", later_angle=1.0, switch_every=5)
    np.testing.assert_allclose(goal.reward, [-0.001], rtol=1e-5)  # only the torque of 1 costs
    turned, _ = ours(state, action, phase=5, change="reversed", switch_every=5)
    other, _ = ours(state, -action)
    np.testing.assert_array_equal(turned.observation, other.observation)
