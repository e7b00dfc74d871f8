"""Actions that are numbers: which agents and parts are refused in words, and a small run like any other."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.quick import compile_quickly, quick_jit

import mgsc
from mgsc import UserError, dyna
from mgsc.candidates import BufferSettings
from mgsc.environments import CartPoleSettings, PendulumSettings
from mgsc.experiments import AgentSettings, Suite, own_policy, own_strategy
from mgsc.experiments.design.suites import change_suite, check_suite, get_suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.trial import check_own_parts, check_own_strategy
from mgsc.experiments.tuning.space import space_of
from mgsc.models.mlp_ensemble import MlpEnsemble
from mgsc.policies import ActorSettings, EpsilonGreedySettings, actor
from mgsc.replay_buffer import ReplayBufferSettings
from mgsc.rollouts import RolloutSettings
from mgsc.search_control import SearchControl, meta_gradient, network_logits
from mgsc.search_control.base import no_state, uniform_weights
from mgsc.search_control.replay import ReplaySettings
from mgsc.search_control.table import STRATEGIES
from mgsc.types import ActionChoice
from mgsc.values.mlp import MlpSettings
from mgsc.values.sac import SacSettings

STEPS, WARM_UP = 24, 10
PROPOSES = ("curious_replay",)
"""Strategies that need nothing which is not there, but make or count each query by themselves."""

SMALL = Suite(
    "a small pendulum",
    PendulumSettings(step_limit=9),
    MlpEnsemble(members=3, elites=2, units=4, layers=1, batch_size=4, capacity=16),
    steps=STEPS,
    record_every=12,
    measure_every=12,
    discount=0.9,
    planning_updates=2,
    batch_size=8,
    lanes_per_block=1,
    warm_up_steps=WARM_UP,
    agents={
        "sac": AgentSettings("replay", step_size=0.01, options=ReplaySettings(window=16, capacity=16)),
        "mbpo": AgentSettings("uniform", step_size=0.01),
    },
    rollouts=RolloutSettings(starts=3, first_length=2, last_length=2, capacity=20, real_share=0.25),
    values=SacSettings(units=8, layers=1),
    candidates=ReplayBufferSettings(num_candidates=4, capacity=16),
    policy=ActorSettings(),
    records_episodes=True,
)


def build(strategy: str, suite: Suite = SMALL, **options: object) -> dyna.Dyna:
    agent = AgentSettings(strategy, options=STRATEGIES[strategy].settings(**options))
    suite = dataclasses.replace(suite, agents={strategy: agent})
    check_suite(suite)
    return build_agent(suite, agent, build_problem(suite))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_is_refused_in_words_or_makes_a_real_step(name: str) -> None:
    row = STRATEGIES[name]
    if name in PROPOSES:
        with pytest.raises(UserError, match=rf"strategy {name} chooses or counts each query.*rollouts.starts"):
            build(name)
        return
    if set(row.needs(row.settings())) - {"stored transitions", "an ensemble"}:
        with pytest.raises(UserError, match=rf"strategy {name} needs .*, which this suite has not: choose another"):
            build(name)
        return
    agent = build(name)

    def step(key):
        state = dyna.init(agent, key)
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, state.step[None]))
        return dyna.real_step(agent, state, noise)

    _, info = jax.eval_shape(step, jax.random.key(0))
    assert info.transition.action.shape == (1,)
    assert (agent.rollouts is not None) == (row.plans and row.queries_model)


@pytest.mark.parametrize("logits", ["network", "linear", "features", "both"])
def test_d_over_pairs_begins_with_the_actors_actions(logits: str) -> None:
    """Of one number: 2/3 in the middle, 1/6 on either side, at each of four candidates; the uniform share likewise."""
    agent = build("meta_gradient", logits=logits, over="pairs", mixture=0.25, meta_step_size=0.1)

    def begin(key):
        state = dyna.init(agent, key)
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, state.step[None]))
        candidates = agent.candidates.candidates(noise.candidates, state.candidates)
        return agent.search_control.weights(state.search, state.params, candidates)

    begun = quick_jit(begin)(jax.random.key(0))
    np.testing.assert_allclose(begun, np.tile([2 / 3, 1 / 6, 1 / 6], (4, 1)) / 4, rtol=1e-5)


def test_d_over_pairs_of_numbers_is_no_table() -> None:
    with pytest.raises(UserError, match=r"needs listed states, which.*logits=network"):
        build("meta_gradient", over="pairs")


def anywhere(settings, facts):
    return lambda parts: SearchControl(init=no_state, weights=uniform_weights)


def over_pairs(settings, facts):
    logits = network_logits((3,), facts.problem.facts.num_choices)
    return meta_gradient(
        optax.sgd(0.1), step_size=0.1, planning_updates=2, logits=logits, is_listed=False, prior="policy"
    )


@pytest.mark.parametrize("build", [anywhere, over_pairs])
def test_issue_a_strategy_of_ones_own_chooses_where_rollouts_begin(build) -> None:
    """What the loop reports of their starts was asked of the strategy, and pairs of numbers were refused."""
    suite = dataclasses.replace(SMALL, agents={"mine": own_strategy("mine", build)})
    check_own_strategy("mine", suite, suite.agents["mine"], build_problem(suite))


def test_a_strategy_of_ones_own_reports_nothing_that_the_loop_does() -> None:
    def aged(settings, facts):
        def observe(state, params, candidates, transition):
            return state, {"start_age": 0.0}

        return lambda parts: SearchControl(no_state, uniform_weights, observe=observe, reports=("start_age",))

    suite = dataclasses.replace(SMALL, agents={"mine": own_strategy("mine", aged)})
    with pytest.raises(UserError, match=r"mine reports 'start_age': .* no measure's name"):
        check_own_strategy("mine", suite, suite.agents["mine"], build_problem(suite))


@pytest.mark.parametrize("logits", ["network", "features"])
def test_issue_a_policy_of_ones_own_has_the_actions_that_pairs_are_over(logits: str) -> None:
    def of_five(settings, epsilon):
        def build(values):
            made = actor()(values)
            return made._replace(actions=lambda theta, seen: ActionChoice(jnp.zeros((5, 1)), jnp.full(5, 0.2)))

        return build

    options = STRATEGIES["meta_gradient"].settings(logits=logits, over="pairs")
    suite = dataclasses.replace(
        SMALL,
        policy=own_policy("five", of_five),
        agents={"pairs": AgentSettings("meta_gradient", step_size=0.01, options=options)},
    )
    with pytest.raises(UserError, match="over 3 actions of a state, and actions of the policy gives 5"):
        check_own_parts("pairs", suite, suite.agents["pairs"], build_problem(suite))


@pytest.mark.parametrize("name", ["uniform", "meta_gradient_pairs"])
def test_rollouts_may_begin_where_actions_are_numbered(name: str) -> None:
    suite = change_suite(get_suite("net-cartpole"), {"rollouts.starts": 4, "rollouts.last_length": 2})
    agent = build_agent(suite, suite.agents[name], build_problem(suite))
    heard = agent.search_control._replace(after_learning=lambda state, params, backup: (state, backup.td_error))

    def step(key):
        state = dyna.init(agent, key)
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, state.step[None]))
        return dyna.real_step(agent._replace(search_control=heard._replace(weights=weights)), state, noise)

    def weights(state, params, candidates):
        search, error = state  # what after_learning has left
        return agent.search_control.weights(search, params, candidates) + 0.0 * error

    state, _ = jax.eval_shape(step, jax.random.key(0))
    assert state.imagined.ring.action.dtype == np.int32
    assert state.imagined.ring.reward.shape == (suite.rollouts.capacity + 1,)


def test_tuning_searches_step_sizes_of_critics() -> None:
    suite = get_suite("mbpo-pendulum")
    space = space_of(suite, suite.agents["mbpo_meta_gradient"])
    assert space["step_size"][:2] == (1e-4, 3e-3)
    assert space["planned_step_size"][:2] == (1e-5, 1e-3)
    assert "planned_step_size" not in space_of(suite, suite.agents["mbpo"])


def test_parts_for_other_actions_are_refused_in_words() -> None:
    with pytest.raises(UserError, match=r"values mlp are of numbered actions.*allowed are sac"):
        build_problem(dataclasses.replace(SMALL, values=MlpSettings()))
    with pytest.raises(UserError, match=r"values sac are of actions that are numbers.*allowed are mlp, and own_values"):
        build_problem(dataclasses.replace(SMALL, environment=CartPoleSettings()))
    with pytest.raises(UserError, match="where actions are numbers, policy actor is allowed"):
        build("uniform", dataclasses.replace(SMALL, policy=EpsilonGreedySettings()))
    cartpole = dataclasses.replace(get_suite("cartpole"), policy=ActorSettings())
    with pytest.raises(UserError, match="policy actor is learned with the values, and these have none"):
        build("uniform", cartpole)
    listed = dataclasses.replace(SMALL, candidates=BufferSettings())
    with pytest.raises(UserError, match=r"rollouts.real_share is above 0 and these candidates store no real"):
        build("uniform", listed)
    with pytest.raises(UserError, match="window is 17 and capacity is 16"):
        build("replay", window=17, capacity=16)


@pytest.mark.slow
def test_a_run_is_recorded_goes_on_bit_for_bit_and_begins_after_its_warm_up(tmp_path, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    result = mgsc.run(SMALL, seeds=2, out=tmp_path / "run")
    assert np.isfinite(result.evaluation_return).all()
    # Nine steps, each of a cost below π² + 0.1 · 64 + 0.004.
    assert ((result.evaluation_return < 0) & (result.evaluation_return > -9 * 16.3)).all()
    assert result.episodes_truncated.sum("chunk").values.tolist() == [[2, 2], [2, 2]]
    assert np.isnan(result.start_model_error.sel(agent="sac")).all()
    uniform = result.sel(agent="mbpo")
    np.testing.assert_allclose(uniform.start_model_error, uniform.candidate_model_error, rtol=1e-5)
    problem = build_problem(SMALL)
    agent = build_agent(SMALL, SMALL.agents["mbpo"], problem)
    key = jax.random.key(3)
    chunk = quick_jit(
        lambda state: dyna.run_chunk(
            agent, state, key, num_steps=WARM_UP, measure_every=WARM_UP, recorder=dyna.total_reward()
        )[0]
    )
    begun = quick_jit(lambda key: dyna.init(agent, key))(key)
    warm = chunk(begun)
    assert int(warm.imagined.count) == 0
    jax.tree.map(np.testing.assert_array_equal, warm.values, begun.values)
    mgsc.save_state(warm, tmp_path / "state.npz")
    restored = mgsc.load_state(tmp_path / "state.npz", like=begun)
    one, other = chunk(warm), chunk(restored)
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(one), jax.tree.leaves(other))
    assert WARM_UP * 3 <= int(one.imagined.count) <= WARM_UP * 3 * 2
    assert not np.array_equal(one.values.log_temperature, begun.values.log_temperature)
