"""The environment that tables describe: chance, the schedule of changes, restarts and time limits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import stats
from tests.dense import dense_outcomes
from tests.quick import quick_jit

from mgsc.environments import TabularState, TMazeSettings, from_map, tabular, tmaze

UP, DOWN, LEFT, RIGHT = range(4)
ALMOST_ONE = 1 - 2.0**-23


def at(position: int, clock: int = 0, episode_step: int = 0) -> TabularState:
    return TabularState(*(jnp.int32(number) for number in (position, clock, episode_step)))


@pytest.fixture(scope="module")
def walk():
    """(environment, params, actions [T]) -> steps, restarts made: the loop as an agent makes it."""

    def walk(environment, params, actions, seed=0):
        def move(state, xs):
            action, noise = xs
            step = environment.step(noise[0], state, action, params)
            restarted, _ = environment.reset(noise[1], params, step.state)
            is_over = step.terminated | step.truncated
            return jax.tree.map(lambda a, b: jnp.where(is_over, a, b), restarted, step.state), step

        begin, _ = environment.reset(jnp.float32(0), params, None)
        noise = jax.random.uniform(jax.random.key(seed), (len(actions), 2))
        steps = quick_jit(lambda: lax.scan(move, begin, (jnp.asarray(actions), noise))[1])()
        return jax.tree.map(np.asarray, steps)

    return walk


@pytest.mark.parametrize(("state", "action"), [(4, RIGHT), (14, DOWN), (7, RIGHT), (9, LEFT)])
def test_steps_are_as_frequent_as_the_tables_say(state, action):
    maze = tmaze(TMazeSettings())
    environment, params = tabular(maze.tables)
    count = 20_000
    noise = jnp.float32(np.random.default_rng(0).integers(0, 2**23, count) * 2.0**-23)

    def successor(uniform):
        return environment.step(uniform, at(state), jnp.int32(action), params).observation

    found = np.bincount(quick_jit(jax.vmap(successor))(noise), minlength=15)
    expected = dense_outcomes(maze.tables.phase(0))[0][state, action]
    assert found[expected == 0].sum() == 0
    possible = expected[expected > 0] / expected.sum() * count
    assert stats.chisquare(found[expected > 0], possible).pvalue > 1e-3


def test_starts_are_as_frequent_as_the_tables_say():
    tables = from_map("S..", {}).tables
    environment, params = tabular(tables._replace(start=np.float32([0.25, 0.0, 0.75])))
    uniforms = jnp.array([0.0, 0.2, 0.25, 0.9, ALMOST_ONE])
    positions = jax.vmap(lambda uniform: environment.reset(uniform, params, None)[1])(uniforms)
    np.testing.assert_array_equal(positions, [0, 0, 2, 2, 2])


def test_the_rewards_swap_exactly_at_the_switch_and_back_at_the_next():
    maze = tmaze(TMazeSettings(slip=0.0))
    environment, params = tabular(maze.tables, switch_every=2500)

    def rewards(clock):
        right = environment.step(jnp.float32(0), at(7, clock), RIGHT, params).reward
        left = environment.step(jnp.float32(0), at(1, clock), LEFT, params).reward
        return [float(right), float(left)]

    # The step made at clock t is the (t + 1)-th: the first 2500 steps are clocks 0..2499.
    for clock in (0, 2499, 5000, 7499, 10_000):
        assert rewards(clock) == [1.0, -1.0]
    for clock in (2500, 4999, 7500, 9999):
        assert rewards(clock) == [-1.0, 1.0]


def test_the_clock_of_changes_goes_on_across_episodes(walk):
    """Every step ends an episode, and a restart costs no step."""
    environment, params = tabular(from_map("SA", {"A": (1.0, 2.0, 3.0)}).tables, switch_every=2)
    steps = walk(environment, params, [RIGHT] * 9)
    np.testing.assert_array_equal(steps.reward, [1, 1, 2, 2, 3, 3, 1, 1, 2])
    assert steps.terminated.all()
    assert not steps.truncated.any()
    np.testing.assert_array_equal(steps.state.clock, 1 + np.arange(9))
    np.testing.assert_array_equal(steps.state.episode_step, 1)
    np.testing.assert_array_equal(steps.observation, 1, err_msg="the true end, not the new start")


def test_without_a_period_the_first_phase_lasts(walk):
    environment, params = tabular(from_map("SA", {"A": (1.0, 2.0)}).tables)
    assert (walk(environment, params, [RIGHT] * 6).reward == 1).all()


def test_a_step_limit_truncates_and_does_not_terminate(walk):
    environment, params = tabular(from_map("S...A", {"A": (1.0,)}).tables, step_limit=3)
    steps = walk(environment, params, [RIGHT, RIGHT, LEFT] * 2 + [RIGHT] * 3)
    np.testing.assert_array_equal(steps.truncated, [False, False, True] * 3)
    assert not steps.terminated.any()
    np.testing.assert_array_equal(steps.state.episode_step, [1, 2, 3] * 3)
    np.testing.assert_array_equal(steps.state.clock, 1 + np.arange(9))
    np.testing.assert_array_equal(steps.observation, [1, 2, 1, 1, 2, 1, 1, 2, 3])


def test_an_end_at_the_step_limit_is_an_end(walk):
    environment, params = tabular(from_map("S.A", {"A": (1.0,)}).tables, step_limit=2)
    steps = walk(environment, params, [RIGHT] * 4)
    np.testing.assert_array_equal(steps.terminated, [False, True] * 2)
    assert not steps.truncated.any()


def test_a_reset_begins_an_episode_and_keeps_the_clock():
    environment, params = tabular(from_map("S.A", {"A": (1.0,)}).tables)
    state, observation = environment.reset(jnp.float32(0.5), params, at(2, clock=41, episode_step=7))
    assert [int(number) for number in state] == [0, 41, 0]
    assert int(observation) == 0
    state, _ = environment.reset(jnp.float32(0.5), params, None)
    assert [int(number) for number in state] == [0, 0, 0]


def test_the_environment_says_how_many_actions_it_has():
    environment, _ = tabular(from_map("S.A", {"A": (1.0,)}).tables)
    assert environment.num_actions == 4
