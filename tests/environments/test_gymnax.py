"""gymnax's form: its six-return step, restarts by itself; and gymnax's own rollout, where it is installed."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mgsc.environments import as_gymnax, from_map, from_tables, tabular
from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError

KEY = jax.random.key(0)
RIGHT, DOWN = 3, 1


@pytest.fixture(scope="module")
def ring():
    return from_map("BSA", {"A": (1.0, -1.0), "B": (-1.0, 1.0)})


def run(env, actions, params=None):
    observation, state = env.reset(KEY, params)
    steps = []
    step = jax.jit(env.step)
    for number, action in enumerate(actions):
        key = jax.random.fold_in(KEY, number)
        observation, state, reward, terminated, truncated, info = step(key, state, action, params or env.default_params)
        steps.append((int(observation), float(reward), bool(terminated), bool(truncated), jax.device_get(info)))
    return steps


def test_episodes_restart_and_the_schedule_goes_on(ring):
    steps = run(as_gymnax(ring, switch_every=2), [RIGHT] * 5)
    assert [step[:4] for step in steps] == [(1, reward, True, False) for reward in (1, 1, -1, -1, 1)]
    for *_, info in steps:
        assert info["final_observation"] == 2, "the true next observation"
        assert (info["terminated"], info["truncated"], info["discount"]) == (True, False, 0)


def test_truncation_is_told_apart_and_is_a_parameter(ring):
    env = as_gymnax(ring, step_limit=2)
    assert env.default_params.max_steps_in_episode == 2
    steps = run(env, [DOWN, DOWN, RIGHT])
    assert [step[:4] for step in steps] == [(1, 0, False, False), (1, 0, False, True), (1, 1, True, False)]
    assert [step[4]["discount"] for step in steps] == [1, 1, 0]
    longer = env.default_params.replace(max_steps_in_episode=3)
    assert [step[3] for step in run(env, [DOWN] * 4, longer)] == [False, False, True, False]
    assert as_gymnax(ring).default_params.max_steps_in_episode == NO_LIMIT


def test_worlds_and_environments_have_the_form_too(ring):
    arrays = {name: getattr(ring.tables, name) for name in ("probability", "reward", "successor", "terminates")}
    world = as_gymnax(from_tables(**arrays, start=1, step_limit=2), name="ring")
    environment, params = tabular(ring, step_limit=2)
    actions = [DOWN, DOWN, RIGHT]
    expected = [step[:4] for step in run(as_gymnax(ring, step_limit=2), actions)]
    for env in (world, as_gymnax(environment, params)):
        assert [step[:4] for step in run(env, actions)] == expected
        assert env.num_actions == 4
    assert world.name == "ring"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda maze: {"source": tabular(maze)[0]}, "an Environment needs params"),
        (lambda maze: {"source": maze, "params": tabular(maze)[1]}, "params belong to an Environment"),
        (
            lambda maze: dict(zip(("source", "params"), tabular(maze)), switch_every=3),
            "switch_every of an Environment is in its params",
        ),
    ],
)
def test_settings_in_the_wrong_place_are_refused(ring, arguments, message):
    with pytest.raises(UserError, match=message):
        as_gymnax(**arguments(ring))


def test_gymnaxs_own_rollout_runs_it(ring):
    rollout = pytest.importorskip("gymnax.experimental.rollout", reason="gymnax: `make test-gymnax` has it")
    env = as_gymnax(ring, switch_every=5, step_limit=8)
    wrapper = rollout.RolloutWrapper(env=env, num_env_steps=40)
    observation, action, reward, following, done, total = jax.device_get(
        wrapper.batch_rollout(jax.random.split(KEY, 3), None)
    )
    assert observation.shape == action.shape == reward.shape == done.shape == (3, 40)
    assert (observation == 1).all(), "either goal ends the episode, bumping stays"
    np.testing.assert_array_equal(done[action >= 2], True)
    # Left is −1 and right is +1 in the first phase of five steps; then they swap.
    sign = np.where(np.arange(40) // 5 % 2 == 0, 1, -1)
    expected = np.select([action == 2, action == 3], [-1, 1], 0) * sign
    np.testing.assert_array_equal(reward, expected)
    first_end = done.argmax(1)
    np.testing.assert_array_equal(total[:, 0], [row[: end + 1].sum() for row, end in zip(reward, first_end)])
    assert len(np.unique(action)) == 4
    assert (following == 1).all()


def test_spaces_and_interface_are_gymnaxs(ring):
    spaces = pytest.importorskip("gymnax.environments.spaces", reason="gymnax: `make test-gymnax` has it")
    import gymnax

    env = as_gymnax(ring)
    theirs, their_params = gymnax.make("FourRooms-misc")
    for space, size in ((env.action_space(), 4), (env.observation_space(env.default_params), 3)):
        assert isinstance(space, spaces.Discrete)
        assert space.n == size
    _, state = theirs.reset(KEY, their_params)
    *_, their_info = theirs.step(KEY, state, 0, their_params)
    *_, info = run(env, [RIGHT])[0]
    assert info.keys() >= their_info.keys()
