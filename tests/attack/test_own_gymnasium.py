"""Mistakes in a Gymnasium environment of one's own are named when it is handed over, or at the step that shows them."""

from __future__ import annotations

import dataclasses

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.environments import live_gymnasium
from mgsc.errors import UserError
from mgsc.experiments import SUITES, own_environment
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.trial_forms import check_forms
from mgsc.values.sac import SacSettings


class Point(gymnasium.Env):
    """A point on a line that is pushed left or right."""

    observation_space = gymnasium.spaces.Box(-2.0, 2.0, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = float(self.np_random.uniform(-1, 1)), 0
        return self.seen(), {}

    def seen(self):
        return np.array([self.place, 0.0, 1.0], np.float32)

    def step(self, action):
        self.steps += 1
        self.place = float(np.clip(self.place + 0.1 * (action - 1) + 0.01 * self.np_random.normal(), -2, 2))
        return self.seen(), -abs(self.place), False, self.steps >= 40, {}


def with_step(change):
    """An environment whose steps are changed by ``(environment, observation, reward, terminated) -> tuple``."""

    def step(self, action):
        observation, reward, terminated, truncated, info = Point.step(self, action)
        return change(self, observation, reward, terminated, truncated, info)

    return type("Own", (Point,), {"step": step})


def with_reset(reset):
    return type("Own", (Point,), {"reset": reset})


def without_seed(self):
    return Point.reset(self)


def forgets_seed(self, *, seed=None, options=None):
    return Point.reset(self)


def no_info(self, *, seed=None, options=None):
    return Point.reset(self, seed=seed)[0]


def two_numbers(self, *, seed=None, options=None):
    return Point.reset(self, seed=seed)[0][:2], {}


def test_a_sound_environment_passes():
    live_gymnasium(Point, time_limit=20)


STEP = r"step must return \(observation Box\(3,\), reward, terminated, truncated, info\)"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (with_step(lambda env, o, r, d, t, i: (o, r, d, i)), f"Own fails: ValueError: not enough .*unpack.*; {STEP}"),
        (with_step(lambda env, o, r, d, t, i: None), f"Own fails: TypeError: cannot unpack .*; {STEP}"),
        (with_step(lambda env, o, r, d, t, i: (o[:2], r, d, t, i)), rf"step 1 of Own is of shape \[2\]: {STEP}"),
        (with_step(lambda env, o, r, d, t, i: ({}, r, d, t, i)), f"step 1 of Own is a dict: {STEP}"),
        (with_step(lambda env, o, r, d, t, i: (o, None, d, t, i)), "reward of step 1 of Own is None: .* one number"),
        (
            with_step(lambda env, o, r, d, t, i: (o, np.ones(2), d, t, i)),
            r"reward of step 1 of Own is an array float64\[2\]: it must be one number",
        ),
        (with_step(lambda env, o, r, d, t, i: (o, np.nan, d, t, i)), "reward of Own is nan at step 1: .* finite"),
        (with_step(lambda env, o, r, d, t, i: (o, r, "no", t, i)), "terminated of Own is 'no': .* True or False"),
        (with_step(lambda env, o, r, d, t, i: (o, r, d, None, i)), "truncated of Own is None"),
        (
            with_step(lambda env, o, r, d, t, i: (o + np.float32(10), r, d, t, i)),
            r"entry 0 of the observation of Own is .* at step 1: its Box allows \[-2, 2\]",
        ),
        (with_step(lambda env, o, r, d, t, i: 1 / 0), "Own fails: ZeroDivisionError"),
        (with_reset(without_seed), r"takes no seed: it must be reset\(self, \*, seed=None, options=None\)"),
        (with_reset(no_info), r"reset of Own gives an array .*: reset must return \(observation Box\(3,\), info\)"),
        (with_reset(two_numbers), r"the observation of reset of Own is of shape \[2\]: reset must return"),
    ],
)
def test_issue_what_reset_and_step_return_is_looked_at_before_anything_is_compiled(made, message):
    with pytest.raises(UserError, match=message):
        live_gymnasium(made, time_limit=20)


def test_issue_a_step_in_the_old_form_is_refused_without_a_wrapper_that_unpacks_it():
    """The limit is the environment's own."""
    made = with_step(lambda env, o, r, d, t, i: (o, r, d, i))
    made.spec = gymnasium.envs.registration.EnvSpec("Own-v0", max_episode_steps=20)
    with pytest.raises(UserError, match=f"step of Own-v0 gives a tuple of 4: {STEP}"):
        live_gymnasium(made)


def test_issue_a_function_that_gives_one_environment_again_is_refused():
    """Runs side by side would step into each other's episodes."""
    one = Point()
    for make in (lambda: one, lambda: gymnasium.wrappers.TimeLimit(one, 20)):
        with pytest.raises(UserError, match="the same environment twice: it must return a new environment at each"):
            live_gymnasium(make, time_limit=20)


@pytest.mark.parametrize("is_own_generator", [False, True])
def test_issue_an_environment_that_forgets_its_seed_is_warned_of(is_own_generator):
    """The second one has a generator of its own with a fixed seed, so only its second episode differs."""

    def __init__(self):  # noqa: N807
        self.np_random = np.random.default_rng(0)

    members = {"reset": forgets_seed, **({"__init__": __init__} if is_own_generator else {})}
    with pytest.warns(UserWarning, match="Own came out otherwise .* its results cannot be repeated"):
        live_gymnasium(type("Own", (Point,), members), time_limit=20)


def late(observation, reward):
    """An environment that gives this at its 21st step, where no trial comes."""
    return with_step(
        lambda env, o, r, d, t, i: (
            (o * np.float32(observation), r * reward, d, t, i) if env.steps == 21 else (o, r, d, t, i)
        )
    )


@pytest.mark.parametrize(
    ("made", "what"),
    [(late(1, np.nan), "the reward"), (late(np.nan, 1), "entry 0 of the observation"), (late(1, np.inf), "the reward")],
)
def test_issue_a_number_that_is_not_finite_stops_the_run_at_its_step(made, what):
    environment = live_gymnasium(made, time_limit=30).environment
    state, _ = environment.reset(np.uint32(7), (), None)
    for _ in range(20):
        state = environment.step(np.uint32(8), state, jnp.int32(1), ()).state
    with pytest.raises(Exception, match="Error"):
        environment.step(np.uint32(8), state, jnp.int32(1), ())
    assert environment.problem().startswith(f"{what} of Own is ")
    assert environment.problem().endswith("at step 21 of an episode with seed 7: it must be finite")


def test_issue_a_first_observation_that_is_not_finite_is_named():
    def reset(self, *, seed=None, options=None):
        observation, info = Point.reset(self, seed=seed)
        return observation * np.float32(1 if seed == 0 else np.nan), info

    environment = live_gymnasium(with_reset(reset), time_limit=30).environment
    with pytest.raises(Exception, match="Error"):
        environment.reset(np.uint32(7), (), None)
    assert environment.problem() == "entry 0 of the observation of Own is nan at reset: it must be finite"


class Pushed(Point):
    """A point that is pushed by a number."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def step(self, action):
        return super().step(1 + float(action[0]))


class PushedHarder(Pushed):
    """The same with wider bounds."""

    action_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)


def test_issue_actions_that_are_numbers_may_be_a_live_environments_of_ones_own():
    small = SacSettings(units=4, layers=1)
    pushed = own_environment("pushed", live_gymnasium(Pushed, time_limit=20))
    suite = dataclasses.replace(SUITES["sac-pendulum"], environment=pushed, values=small)
    problem = build_problem(suite)
    assert (problem.facts.num_actions, problem.facts.numbers.shape) == (0, (1,))
    agent = build_agent(suite, next(iter(suite.agents.values())), problem)
    check_forms(agent, problem.facts.observation)


def test_issue_actions_with_other_bounds_are_refused_with_the_wrapper_that_scales_them():
    with pytest.raises(UserError, match=r"num_actions of environment e is 0: .*RescaleAction\(env, -1\.0, 1\.0\)"):
        own_environment("e", live_gymnasium(PushedHarder, time_limit=20))

    def scaled():
        return gymnasium.wrappers.RescaleAction(PushedHarder(), np.float32(-1), np.float32(1))

    assert own_environment("e", live_gymnasium(scaled, time_limit=20)).source.environment.num_actions == 0


def test_issue_the_limit_of_steps_of_a_live_environment_is_kept_with_a_result():
    simulator = live_gymnasium(Point, time_limit=20)
    assert own_environment("e", simulator).step_limit == 20
    assert own_environment("e", simulator, step_limit=20).step_limit == 20
    with pytest.raises(UserError, match="step_limit of environment e is 30, and its code truncates after 20 steps"):
        own_environment("e", simulator, step_limit=30)
