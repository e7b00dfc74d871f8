"""What is recorded of a chunk: sums, means and snapshots; and what whole runs record."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.experiments import programs
from tests.experiments.programs import AGENTS, IN_SHORT, PLANNING
from tests.quick import quick_jit, slow_but_for
from tests.search_control import strategies_table as table

from mgsc import dyna
from mgsc.dyna import StepInfo
from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SNAPSHOTS, STATE_MEASURES
from mgsc.experiments.running.measures import Seen
from mgsc.experiments.running.measuring import Measuring
from mgsc.experiments.running.recorder import make_recorder, reward_recorder
from mgsc.types import Transition

VALUES = {*ALWAYS, *STATE_MEASURES, *SNAPSHOTS}
"""What every agent records beside its reward."""


@pytest.fixture(scope="module")
def agent():
    return table.build(table.VARIANTS["meta_gradient"], table.numbers_of_suite())


def random_d(random) -> np.ndarray:
    d = np.where(table.IS_TERMINAL, 0, random.random(table.NUM_STATES) ** 3)
    return np.float32(d / d.sum())


def test_a_record_holds_the_sum_of_rewards_means_of_the_rest_and_the_last_snapshot(agent):
    recorder = make_recorder(agent, table.PROBLEM, num_steps=4, measure_every=2)
    random = np.random.default_rng(0)
    weights = [random_d(random) for _ in range(4)]
    zero = jnp.int32(0)
    begun = dyna.init(agent, jax.random.key(0))
    # The step that has been made is number 1: the clock stands at 1. At the second measurement it stands in
    # the second phase, and the values are others.
    states = [
        begun._replace(environment=begun.environment._replace(clock=jnp.int32(clock)), values=jnp.asarray(values))
        for clock, values in ((1, begun.values), (41, np.float32(random.normal(size=begun.values.shape))))
    ]

    @quick_jit
    def run():
        record, kept = recorder.init(), []
        for number, d in enumerate(weights):
            transition = Transition(zero, zero, jnp.float32(number), jnp.float32(0), zero)
            report = {"meta_loss": jnp.float32(2 * number)}
            info = StepInfo(transition, jnp.asarray(d), report, zero > 0, zero > 0, {})
            record = recorder.step(record, info)
            if number % 2:
                record = recorder.measure(record, states[number // 2])
                kept.append(recorder.keep(states[number // 2]))
        return record, kept

    record, kept = run()
    # One lane, one chunk, two measurements; then each of these alone.
    measuring, rate = Measuring(table.PROBLEM, agent.policy), jnp.float32([agent.step_size * agent.planning_updates])

    def measured(*kept: Seen):
        seen = jax.tree.map(lambda *leaves: jnp.stack(leaves)[None, None], *kept)
        return {name: value[0, 0] for name, value in measuring.ready(jax.devices()[0], seen, rate)(seen, rate).items()}

    one, other = (measured(seen) for seen in kept)
    record |= measured(*kept)
    assert set(record) == {"reward", "query_distribution", *REPORTED, *MEASURES, *VALUES}
    # Rewards 0 + 1 + 2 + 3 = 6; meta-losses (0 + 2 + 4 + 6) / 4 = 3; nobody told of a norm.
    assert record["reward"] == 6
    np.testing.assert_allclose(record["meta_loss"], 3)
    assert np.isnan(record["meta_gradient_norm"])
    np.testing.assert_allclose(record["query_distribution"], np.mean(weights, axis=0), rtol=1e-5)
    # Measured twice, with the d of the state, which is uniform over 5 states.
    np.testing.assert_allclose(record["entropy"], np.log(5), rtol=1e-5)
    for name in (*MEASURES, *ALWAYS, *STATE_MEASURES):
        np.testing.assert_allclose(record[name], (one[name] + other[name]) / 2, rtol=1e-5, atol=1e-7)
    assert (record["model_error"] > 0).any(), "only the second measurement is of a phase in which the model is wrong"
    for name in SNAPSHOTS:
        np.testing.assert_array_equal(record[name], other[name])
        assert (one[name] != other[name]).any()


def test_an_agent_that_does_not_plan_records_rewards_and_values_only():
    agent = table.build(table.VARIANTS["no_planning"], table.numbers_of_suite("no_planning"))
    state = dyna.init(agent, jax.random.key(0))
    recorder = make_recorder(agent, table.PROBLEM, 4, 2)
    record = jax.eval_shape(lambda: recorder.measure(recorder.init(), state))
    assert set(recorder.init()) == set(record) == {"reward"}
    assert recorder.keep(state).weights is None


def test_the_recorder_of_tuning_records_rewards_only(agent):
    recorder = reward_recorder()
    assert set(recorder.init()) == {"reward"}
    assert recorder.keep is None
    assert recorder.measure(recorder.init(), dyna.init(agent, jax.random.key(0))) == {"reward": 0}


@pytest.mark.parametrize("name", slow_but_for(IN_SHORT[1:], PLANNING))
def test_records_of_whole_runs_are_possible(name):
    record = programs.record(name)
    d = record["query_distribution"]
    assert d.shape == (4, programs.NUM_CHUNKS, 15)
    np.testing.assert_allclose(d.sum(-1), 1, atol=1e-5)
    assert (d >= 0).all()
    assert not d[..., ~programs.PROBLEM.known.is_candidate].any()
    assert (record["entropy"] <= np.log(13) + 1e-5).all()
    assert (record["redundant_mass"] <= 1 + 1e-5).all()
    for key in ("entropy", "weighted_error", "weighted_update", "redundant_mass"):
        assert (record[key] >= 0).all()
    # The first two chunks are of the first phase, in which the stale model is right.
    assert not record["weighted_error"][:, :2].any()
    assert not record["uniform_error"][:, :2].any()
    assert (record["uniform_error"][:, 2:] > 0).all()
    for key in REPORTED:
        is_told = np.isfinite(record[key])
        assert is_told.all() if name == "meta_gradient" else not is_told.any()


def test_uniform_records_itself():
    record = programs.record("uniform")
    for name in ("error", "update", "redundant_mass"):
        key = name if name == "redundant_mass" else f"weighted_{name}"
        np.testing.assert_allclose(record[key], record[f"uniform_{name}"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(record["entropy"], np.log(13), rtol=1e-5)
    wrong = programs.PROBLEM.known.wrong[1]
    mass = record["query_distribution"][..., wrong].sum(-1)
    np.testing.assert_allclose(mass, 2 / 13, rtol=1e-5)  # 15.38 %


def test_avoid_terminal_has_no_mass_on_wrong_states():
    record = programs.record("avoid_terminal")
    assert not record["query_distribution"][..., programs.PROBLEM.known.wrong[1]].any()
    assert not record["weighted_error"].any()


@pytest.mark.parametrize("name", slow_but_for(IN_SHORT, AGENTS))
def test_no_planning_is_the_only_agent_that_records_rewards_and_values_only(name):
    everything = {"reward", "query_distribution", *REPORTED, *MEASURES, *VALUES}
    assert set(programs.record(name)) == ({"reward", *VALUES} if name == "no_planning" else everything)


@pytest.mark.parametrize("name", slow_but_for(IN_SHORT, AGENTS))
def test_values_and_snapshots_of_whole_runs_are_possible(name):
    record, problem = programs.record(name), programs.PROBLEM
    # The mean over actions of |q − q*|, over the states that may be queried.
    mean = record["state_value_error"][..., problem.known.is_candidate].mean(-1)
    np.testing.assert_allclose(record["value_error"], mean, rtol=1e-4)
    assert (record["value_error"] > 0).all()
    assert np.isin(record["greedy_action"], [-1, 0, 1, 2, 3]).all()
    assert (record["greedy_action"][..., ~problem.known.is_candidate] == -1).all(), "nothing is ever learned there"
    assert (np.abs(record["state_value"]) <= 1).all(), "rewards are −1, 0 and 1, and an episode has one of them"
    assert len(np.unique(record["greedy_action"][:, -1])) > 2
    # The first two chunks are of the first phase, in which the stale model is right.
    assert not record["model_error"][:, :2].any()
    wrong = (record["model_error"][:, 2:] > 0).all((0, 1))
    np.testing.assert_array_equal(wrong, problem.known.wrong[1])
