"""Models that answer with a simulator's own outcomes: true ones, and those of the start."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import compile_quickly, quick_jit

import mgsc
from mgsc.candidates import BufferSettings
from mgsc.environments.acrobot import AcrobotSettings
from mgsc.environments.goright import GoRightSettings
from mgsc.environments.gridworld import GridWorldSettings, gridworld
from mgsc.errors import UserError
from mgsc.experiments import choose_agents
from mgsc.experiments.design.suites import NETWORK_SUITES, Suite
from mgsc.experiments.running.build import build_problem
from mgsc.models.simulated import SimulatedModel, simulated
from mgsc.types import Transition
from mgsc.values.mlp import MlpSettings

EVERY, DISCOUNT = 4, 0.9
NOISY = np.array([0.3, 0.3], np.float32)


def answers(change: str, **choices: str):
    """Real transitions of four phases of a noise-free GridWorld, and the model's answers before each.

    The agent stands one move below the goal, or in the lower right corner, and always goes up.
    """
    settings = GridWorldSettings(noise=0.0, change=change, switch_every=EVERY)
    simulator = gridworld(settings)
    model = simulated(simulator.outcomes, DISCOUNT, num_phases=2, switch_every=EVERY, **choices)
    environment, params, up = simulator.environment, simulator.params, jnp.int32(0)

    def step(carry, _):
        state, model_state = carry
        here = jnp.array([0.97, 0.91])
        made = environment.step(jnp.zeros(()), state._replace(inner=here), up, params)
        answer = model.expect(model_state, here, up)
        real = Transition(here, up, made.reward, DISCOUNT * (1.0 - made.terminated), made.observation)
        if model.update is not None:
            model_state = model.update((), model_state, real)
        return (made.state, model_state), (real, jax.tree.map(lambda leaf: leaf[0], answer))

    def whole(key):
        state, _ = environment.reset(key, params, None)
        return jax.lax.scan(step, (state, model.init(key)), None, length=4 * EVERY)[1]

    return jax.device_get(quick_jit(whole)(jax.random.key(0)))


IS_LATER = np.arange(4 * EVERY) // EVERY % 2 == 1


def is_wrong(change: str, **choices: str) -> dict[str, np.ndarray]:
    """Whether the model is wrong in each step: of rewards or ends, and of successors."""
    real, answer = answers(change, **choices)
    task = (answer.reward != real.reward) | (answer.discount != real.discount)
    return {"task": task, "dynamics": np.abs(answer.observation - real.successor).max(-1) > 1e-6}


@pytest.mark.parametrize("rewards", ["stale", "current"])
def test_a_stale_task_is_wrong_in_later_phases_only(rewards):
    """The goal has moved away: what was the last step at 0 is a step at −1."""
    wrong = is_wrong("goal", rewards=rewards)
    np.testing.assert_array_equal(wrong["task"], IS_LATER if rewards == "stale" else False)
    assert not wrong["dynamics"].any()


@pytest.mark.parametrize("dynamics", ["stale", "current"])
def test_stale_dynamics_are_wrong_in_later_phases_only(dynamics):
    wrong = is_wrong("reversed", dynamics=dynamics)
    np.testing.assert_array_equal(wrong["dynamics"], IS_LATER if dynamics == "stale" else False)


def test_sample_draws_from_what_expect_gives_and_noise_has_its_moments():
    """Three points stand for the noise of a move: its mean, variance and kurtosis are the normal distribution's."""
    outcomes = gridworld(GridWorldSettings(noise=0.01)).outcomes
    model = simulated(outcomes, DISCOUNT, num_phases=1, switch_every=1)
    assert model.update is None
    assert model.init(jax.random.key(0)) == ()
    uniforms, right = jnp.linspace(0, 1, 1200, endpoint=False), jnp.int32(1)

    def both():
        drawn = jax.vmap(lambda noise: model.sample(noise, (), NOISY, right))(uniforms)
        return model.expect((), NOISY, right), drawn

    answer, drawn = jax.device_get(quick_jit(both)())
    moved = (np.asarray(answer.observation[:, 0], float) - 0.35) / 0.01
    np.testing.assert_allclose(answer.observation[:, 1], 0.3, rtol=1e-6)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        np.testing.assert_allclose(answer.probability @ moved**power, moment, atol=1e-3)
    shares = [(np.abs(drawn.successor[:, 0] - place) < 1e-6).mean() for place in answer.observation[:, 0]]
    np.testing.assert_allclose(shares, answer.probability, atol=2e-3)


def suite(environment, **more) -> Suite:
    return Suite(
        "any",
        environment,
        SimulatedModel(),
        steps=40,
        record_every=20,
        measure_every=20,
        values=MlpSettings(units=4, layers=1),
        candidates=BufferSettings(num_candidates=4, capacity=20),
        agents=choose_agents(NETWORK_SUITES["cartpole"], ["uniform"]).agents,
        **more,
    )


def test_a_continual_suite_with_a_stale_model_runs(monkeypatch):
    compile_quickly(monkeypatch)
    environment = AcrobotSettings(change="reversed", switch_every=20)
    result = mgsc.run(suite(environment, planning_updates=1), seeds=2)
    np.testing.assert_array_equal(result.reward.sum("chunk"), -40)


def test_hidden_states_and_tables_are_refused():
    with pytest.raises(UserError, match="model simulated needs a simulator whose observations tell its state"):
        build_problem(suite(GoRightSettings()))
    assert build_problem(suite(GoRightSettings(shows_previous=True))).facts.outcomes is not None
    with pytest.raises(UserError, match="for tables fixed"):
        build_problem(suite(mgsc.environments.TMazeSettings()))
