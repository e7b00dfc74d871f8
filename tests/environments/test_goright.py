"""Go-Right against an account of what is published, in plain Python."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments.goright import GoRightSettings, goright

LEFT, RIGHT = 0, 1
AFTER = {
    (0, 0): 5,
    (0, 5): 0,
    (0, 10): 5,
    (5, 0): 10,
    (5, 5): 10,
    (5, 10): 10,
    (10, 0): 0,
    (10, 5): 5,
    (10, 10): 0,
}
"""The published table: (status before, status) → status that follows."""


def account(observations, actions, num_lights, length=11):
    """Position, status and lights as published, from the first observation on; rewards beside them."""
    position, before, status, *lights = np.round(observations[0]).astype(int).tolist()
    seen, rewards = [], []
    for action in actions:
        following = AFTER[before, status]
        to = min(max(position + (1 if action == RIGHT else -1), 0), length - 1)
        has_all = all(lights)
        rewards.append(3 if has_all and to == length - 1 else -1 if action == RIGHT else 0)
        if to < length - 1:
            lights = [0] * num_lights
        elif position == length - 2:
            lights = [int(following == 10)] * num_lights
        elif not has_all:
            place = lights.index(1) + 1 if any(lights) else 0
            lights = [int(light == place) for light in range(num_lights)]
        position, before, status = to, status, following
        seen.append([position, before, status, *lights])
    return np.array(seen), np.array(rewards)


def episodes(settings, num_lanes, actions):
    simulator = goright(settings)
    environment, params = simulator.environment, simulator.params

    def one(key, actions):
        state, begun = environment.reset(key, params, None)

        def step(state, action):
            made = environment.step((), state, action, params)
            return made.state, (made.observation, made.reward, made.terminated, made.truncated)

        return begun, jax.lax.scan(step, state, actions)[1]

    return jax.device_get(quick_jit(jax.vmap(one))(jax.random.split(jax.random.key(3), num_lanes), actions))


@pytest.mark.parametrize("num_lights", [2, 10])
def test_episodes_are_as_published(num_lights):
    random = np.random.default_rng(0)
    actions = (random.random((30, 80)) < 0.85).astype(np.int32)
    settings = GoRightSettings(lights=num_lights, has_offsets=False, shows_previous=True, step_limit=80)
    begun, (seen, reward, terminated, truncated) = episodes(settings, 30, actions)
    for lane in range(30):
        expected, rewards = account(begun[lane][None], actions[lane], num_lights)
        np.testing.assert_array_equal(seen[lane], expected)
        np.testing.assert_array_equal(reward[lane], rewards)
    assert (reward == 3).any()
    assert (seen[..., 3:].sum(-1) == 1).any(), "the wandering light"
    assert not terminated.any()
    assert truncated[:, -1].all()
    assert not truncated[:, :-1].any()


def test_offsets_stay_for_an_episode_and_the_status_before_is_hidden():
    actions = np.ones((40, 12), np.int32)
    begun, (seen, *_) = episodes(GoRightSettings(), 40, actions)
    assert begun.shape == (40, 4)
    added = seen - np.round(seen / [1, 5, 1, 1]) * [1, 5, 1, 1]
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1], added.shape), atol=2e-6)
    assert (np.abs(added).max((0, 1)) <= [0.25, 1.25, 0.25, 0.25]).all()
    assert (np.abs(added).max((0, 1)) > [0.2, 1.0, 0.2, 0.2]).all()
    assert goright(GoRightSettings()).outcomes is None


def test_outcomes_are_the_true_next_steps_and_changes_turn_prize_and_moves():
    settings = {"shows_previous": True, "switch_every": 40}
    actions = (np.random.default_rng(1).random((20, 80)) < 0.8).astype(np.int32)
    _, (seen, reward, *_) = episodes(GoRightSettings(change="prize", **settings), 20, actions)
    outcomes = goright(GoRightSettings(change="prize", **settings)).outcomes

    def answer(observation, action, phase):
        return outcomes(observation, action, jnp.int32(0), phase)

    phases = jnp.arange(1, 80) // 40
    every = quick_jit(jax.vmap(jax.vmap(answer, (0, 0, 0)), (0, 0, None)))(seen[:, :-1], actions[:, 1:], phases)
    np.testing.assert_allclose(every.observation[:, :, 0], seen[:, 1:], atol=1e-5)
    np.testing.assert_array_equal(every.reward[:, :, 0], reward[:, 1:])
    assert reward[:, 40:].max() == 3, "cheap steps to the right are paid for in the second phase"
    turned, _ = (episodes(GoRightSettings(change="reversed", **settings), 1, np.ones((1, 80), np.int32))[1])[:2]
    assert round(turned[0, 39, 0]) == 10
    assert round(turned[0, 49, 0]) == 0
