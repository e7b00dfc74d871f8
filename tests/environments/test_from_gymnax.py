"""gymnax's environments as ours: the same steps, and networks on the 400 numbers that MinAtar shows.

Most of it needs gymnax: `make test-gymnax` has it.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit

from mgsc.candidates import BufferSettings
from mgsc.dyna import Recorder, init, run_chunk
from mgsc.environments.from_gymnax import GymnaxSettings, from_gymnax
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.parts import build_source
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.models.mlp import MlpModel
from mgsc.search_control import MetaGradientSettings
from mgsc.values.mlp import MlpSettings

LIMIT, NUM_STEPS = 20, 60


@pytest.fixture(scope="module")
def gymnax():
    return pytest.importorskip("gymnax", reason="gymnax: `make test-gymnax` has it")


def test_without_gymnax_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    with pytest.raises(UserError, match=r"this needs gymnax 1\.0 or later"):
        build_source(GymnaxSettings())


def test_what_is_no_environment_of_gymnax_is_refused():
    with pytest.raises(UserError, match="int has no reset_env: it must be an environment of gymnax"):
        from_gymnax(3)


def test_an_unknown_game_is_refused_with_the_nearest(gymnax):
    with pytest.raises(UserError, match="did you mean 'Breakout-MinAtar'"):
        build_source(GymnaxSettings("Breakout-Minatar"))


def test_steps_are_gymnaxs(gymnax):
    simulator = build_source(GymnaxSettings("Breakout-MinAtar", time_limit=LIMIT))
    theirs, params = gymnax.make("Breakout-MinAtar")
    params = params.replace(max_steps_in_episode=LIMIT)
    environment = simulator.environment
    assert GymnaxSettings("Breakout-MinAtar").step_limit == 1000

    def both(key):
        observation, state = theirs.reset(key, params)
        ours, first = environment.reset(key, simulator.params, None)

        def step(carry, key):
            state, ours = carry
            key_action, key_step = jax.random.split(key)
            action = jax.random.randint(key_action, (), 0, environment.num_actions)
            # gymnax splits its key into those of the step and of the restart.
            key_theirs, key_restart = jax.random.split(key_step)
            _, state, *expected, info = theirs.step(key_step, state, action, params)
            made = environment.step(key_theirs, ours, action, simulator.params)
            begun, _ = environment.reset(key_restart, simulator.params, made.state)
            is_over = made.terminated | made.truncated
            ours = jax.tree.map(lambda new, old: jnp.where(is_over, new, old), begun, made.state)
            return (state, ours), (made.observation, info["final_observation"], made[2:5], tuple(expected))

        return (observation, first), jax.lax.scan(step, (state, ours), jax.random.split(key, NUM_STEPS))[1]

    begins, (seen, expected, ours, theirs_too) = jax.device_get(quick_jit(both)(jax.random.key(2)))
    np.testing.assert_array_equal(*begins)
    np.testing.assert_array_equal(seen, expected)
    reward, terminated, truncated = ours
    np.testing.assert_array_equal(reward, theirs_too[0])
    np.testing.assert_array_equal(terminated, theirs_too[1])
    np.testing.assert_array_equal(truncated, theirs_too[2] & ~theirs_too[1])
    assert terminated.any()
    assert simulator.observation.shape == (10, 10, 4)


def test_mgsc_runs_on_high_dimensional_input(gymnax):
    """Values, model and logits are networks of 400 inputs; all numbers stay finite and d is a distribution."""
    suite = Suite(
        "Breakout",
        GymnaxSettings(time_limit=LIMIT),
        MlpModel(units=8, layers=1, batch_size=4, capacity=50),
        steps=NUM_STEPS,
        discount=0.99,
        planning_updates=2,
        values=MlpSettings(units=8, layers=1),
        candidates=BufferSettings(num_candidates=4, capacity=50),
        agents={"mgsc": AgentSettings("meta_gradient", step_size=0.01, options=MetaGradientSettings(logits="network"))},
    )
    problem = build_problem(suite)
    assert problem.facts.num_inputs == 400
    agent = build_agent(suite, suite.agents["mgsc"], problem)
    keep = Recorder(init=lambda: jnp.zeros(4), step=lambda _, info: info.weights, measure=lambda record, _: record)

    def whole(key):
        return run_chunk(agent, init(agent, key), key, num_steps=NUM_STEPS, measure_every=NUM_STEPS, recorder=keep)

    state, weights = jax.device_get(quick_jit(whole)(jax.random.key(0)))
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    numbers = [leaf for leaf in jax.tree.leaves(state) if np.issubdtype(np.asarray(leaf).dtype, np.floating)]
    assert all(np.isfinite(leaf).all() for leaf in numbers)
