"""Gymnasium's environments with actions that are numbers: Pendulum against ours, and MuJoCo's where it is installed."""

from __future__ import annotations

import dataclasses
import importlib.util

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.environments import GymnasiumControlSettings, PendulumSettings, gymnasium_control, pendulum
from mgsc.environments.changing import ChangingState
from mgsc.environments.foreign import make_environment
from mgsc.errors import UserError

needs_mujoco = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="mujoco is not installed: pip install '.[mujoco]'"
)
NUM_STEPS, KEY = 12, jax.random.key(3)


def walk(settings: GymnasiumControlSettings, num_steps: int = NUM_STEPS):
    """What two lanes see and get for the same actions, with other seeds."""
    simulator = gymnasium_control(settings)
    environment = simulator.environment
    actions = jax.random.uniform(KEY, (num_steps, *simulator.action.shape), minval=-1.0)

    def whole(key):
        state, seen = environment.reset(environment.draw_reset(key), (), None)
        kept = []
        for number in range(num_steps):
            noise = environment.draw(jax.random.fold_in(key, number))
            made = environment.step(noise, state, actions[number], ())
            kept.append((seen, made.observation, made.reward, made.terminated, made.truncated))
            state, seen = made.state, made.observation
        return [jnp.stack(column) for column in zip(*kept, strict=True)]

    made = jax.device_get(quick_jit(jax.vmap(whole))(jax.random.split(KEY, 2)))
    return [np.asarray(actions), *made]


def test_pendulum_stepped_live_is_ours() -> None:
    actions, seen, after, reward, terminated, truncated = walk(
        GymnasiumControlSettings("Pendulum-v1", time_limit=NUM_STEPS)
    )
    ours = pendulum(PendulumSettings())

    def one(observation, action):
        angle = jnp.arctan2(observation[1], observation[0])
        state = ChangingState(jnp.stack([angle, observation[2]]), jnp.int32(0), jnp.int32(0))
        return ours.environment.step((), state, action, ours.params)

    made = quick_jit(jax.vmap(one))(seen[0], actions)
    np.testing.assert_allclose(made.observation, after[0], atol=2e-4)
    np.testing.assert_allclose(made.reward, reward[0], atol=2e-3)
    assert not np.array_equal(after[0], after[1])
    assert not terminated.any()
    np.testing.assert_array_equal(truncated[:, -1], True)
    assert truncated.sum() == 2


def test_reversed_actions_come_with_the_schedule() -> None:
    settings = GymnasiumControlSettings("Pendulum-v1", time_limit=NUM_STEPS)
    actions, _, plain, *_ = walk(settings, 4)
    _, seen, turned, *_ = walk(dataclasses.replace(settings, change="reversed", switch_every=2), 4)
    np.testing.assert_array_equal(turned[0, :2], plain[0, :2])
    env = gymnasium.make("Pendulum-v1").unwrapped
    env.reset()
    env.state = np.array([np.arctan2(seen[0, 2, 1], seen[0, 2, 0]), seen[0, 2, 2]])
    np.testing.assert_allclose(turned[0, 2], env.step(-2 * actions[2])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (GymnasiumControlSettings("CartPole-v1"), "a Box with finite bounds is allowed"),
        (GymnasiumControlSettings("NoSuch-v9"), "NoSuch"),
        (GymnasiumControlSettings("Pendulum-v1", change="mass", switch_every=5), "Pendulum-v1 is not of MuJoCo"),
        (GymnasiumControlSettings("Pendulum-v1", change="backward", switch_every=5), "no reward_forward"),
        (GymnasiumControlSettings("Pendulum-v1", change="mass"), "a change needs both"),
    ],
)
def test_impossible_environments_are_refused(settings: GymnasiumControlSettings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        gymnasium_control(settings)


@needs_mujoco
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["InvertedPendulum-v5", "Reacher-v5", "Hopper-v5", "HalfCheetah-v5"])
def test_steps_of_mujoco_are_gymnasiums(name: str) -> None:
    actions, seen, after, reward, terminated, _ = walk(GymnasiumControlSettings(name), 5)
    simulator = gymnasium_control(GymnasiumControlSettings(name))
    key = jax.random.split(KEY, 2)[0]
    env = gymnasium.make(name)
    first, _ = env.reset(seed=int(simulator.environment.draw_reset(key)))
    np.testing.assert_allclose(seen[0, 0], first, rtol=1e-5, atol=1e-6)
    space = env.action_space
    for number in range(5):
        scaled = (space.high + space.low) / 2 + (space.high - space.low) / 2 * actions[number]
        there, paid, ends, *_ = env.step(scaled)
        np.testing.assert_allclose(after[0, number], there, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(reward[0, number], paid, rtol=1e-4, atol=1e-4)
        assert terminated[0, number] == ends
        if ends:
            break


@needs_mujoco
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("change", "name"), [("mass", "Hopper-v5"), ("friction", "HalfCheetah-v5")])
def test_masses_and_friction_change_with_the_schedule_and_back(change: str, name: str) -> None:
    _, _, plain, *_ = walk(GymnasiumControlSettings(name), 6)
    _, _, changed, *_ = walk(GymnasiumControlSettings(name, change=change, factor=3.0, switch_every=3), 6)
    np.testing.assert_array_equal(plain[0, :3], changed[0, :3])
    assert np.abs(plain[0, 5] - changed[0, 5]).max() > 1e-6
    # An environment that has been in the second phase is as it was when it comes back to the first.
    simulator = gymnasium_control(GymnasiumControlSettings(name, change=change, factor=3.0, switch_every=3))
    again = simulator.environment.reset(simulator.environment.draw_reset(KEY), (), None)[1]
    env = gymnasium.make(name)
    np.testing.assert_allclose(again, env.reset(seed=int(simulator.environment.draw_reset(KEY)))[0], atol=1e-6)


@needs_mujoco
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forward_may_count_backward() -> None:
    _, _, there, paid, *_ = walk(GymnasiumControlSettings("HalfCheetah-v5"), 4)
    _, _, same, other, *_ = walk(GymnasiumControlSettings("HalfCheetah-v5", change="backward", switch_every=2), 4)
    np.testing.assert_array_equal(there, same)
    np.testing.assert_array_equal(paid[:, :2], other[:, :2])
    assert np.abs(paid[:, 2:] - other[:, 2:]).min() > 1e-4


@needs_mujoco
def test_a_warning_of_mujoco_is_shown_once_and_no_file_is_written(tmp_path, monkeypatch, capfd) -> None:
    import mujoco

    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(None)
    try:
        for _ in range(2):
            make_environment(gymnasium, "HalfCheetah-v5").close()
        show = mujoco.get_mju_user_warning()
        for words in ("one", "one", "other"):
            show(words)
        other = mujoco.get_mju_user_warning()
    finally:
        mujoco.set_mju_user_warning(before)
    lines = capfd.readouterr().err.splitlines()
    assert lines[-2:] == ["MuJoCo: one", "MuJoCo: other"]
    assert len(lines) == len(set(lines))
    assert list(tmp_path.iterdir()) == []
    assert other is show
