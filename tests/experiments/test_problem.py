"""A suite's problem: where the model is wrong, and agents built of a suite's settings."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from tests.dense import dense_outcomes

from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, get_suite
from mgsc.experiments.running.build import build_agent, build_problem, replace_numbers
from mgsc.experiments.running.truth import wrong_states
from mgsc.models import FixedModel, LearnedModel

STALE = get_suite("tmaze-fixed")
MEAN = get_suite("tmaze-fixed-mean")
BESIDE_THE_ENDS = [1, 7]
"""The bar is states 0..8, its ends are terminal."""


@pytest.fixture(scope="module")
def problem():
    return build_problem(STALE)


def test_the_stale_model_is_wrong_beside_the_ends_in_the_second_phase_only(problem):
    assert not problem.known.wrong[0].any()
    np.testing.assert_array_equal(np.flatnonzero(problem.known.wrong[1]), BESIDE_THE_ENDS)
    # 2 of the 13 states that are not terminal: uniform's mass on them is 15.38 %.
    assert problem.known.wrong[1].sum() / problem.known.is_candidate.sum() == pytest.approx(0.153846, abs=1e-6)


def test_the_mean_model_is_wrong_beside_the_ends_always():
    problem = build_problem(MEAN)
    for phase in range(2):
        np.testing.assert_array_equal(np.flatnonzero(problem.known.wrong[phase]), BESIDE_THE_ENDS)
    assert not problem.known.model_tables.reward.any()
    assert problem.known.model_tables.terminates.any(), "it knows that the ends are ends"


def test_what_leads_to_a_state_is_what_the_model_may_ever_say(problem):
    """A fixed model gives its tables; one that learns may meet any phase of the truth, or guess."""
    assert problem.known.links is problem.known.model_tables
    learning = build_problem(dataclasses.replace(STALE, model=LearnedModel()))
    assert learning.known.links is learning.known.tables
    np.testing.assert_array_equal(learning.known.predecessors, problem.known.predecessors)
    noisy = build_problem(dataclasses.replace(STALE, model=FixedModel(transition_noise=0.1)))
    assert noisy.known.predecessors.shape[1] > problem.known.predecessors.shape[1]
    guessing = build_problem(dataclasses.replace(STALE, model=LearnedModel(untried="uniform")))
    assert guessing.known.predecessors is None


def test_a_model_may_be_wrong_in_probabilities_or_ends_alone(problem):
    model = problem.known.tables.phase(0)
    assert not wrong_states(problem.known.tables, model)[0].any()
    slipping = dataclasses.replace(STALE, environment=dataclasses.replace(STALE.environment, slip=0.2))
    others = build_problem(slipping).known.tables.phase(0)
    assert wrong_states(problem.known.tables, others)[0].sum() == 13
    endless = model._replace(terminates=np.zeros_like(model.terminates))
    found = wrong_states(problem.known.tables, endless)
    np.testing.assert_array_equal(np.flatnonzero(found[0]), BESIDE_THE_ENDS)


def test_the_order_of_slots_and_their_padding_are_no_difference(problem):
    model = problem.known.tables.phase(0)
    flipped = model._replace(
        **{name: getattr(model, name)[..., ::-1] for name in ("probability", "reward", "successor", "terminates")}
    )
    assert not wrong_states(problem.known.tables, flipped)[0].any()
    junk = model.reward + 9 * (model.probability == 0)
    assert not wrong_states(problem.known.tables, model._replace(reward=np.float32(junk)))[0].any()


def test_dense_outcomes_add_up_slots_with_one_successor(problem):
    probability, reward, ends = dense_outcomes(problem.known.tables.phase(0))
    np.testing.assert_allclose(probability.sum(-1), 1, atol=1e-6)
    # Beside the right end, right: 0.925 · 1 there; the end is terminal.
    np.testing.assert_allclose(reward[7, 3, 8], 0.925, atol=1e-6)
    np.testing.assert_allclose(ends[7, 3, 8], 0.925, atol=1e-6)
    assert np.count_nonzero(ends) == 2 * 4, "two states, four actions that may slip there"


def test_candidates_are_the_states_that_are_not_terminal(problem):
    candidates = problem.listed
    np.testing.assert_array_equal(candidates.index, np.arange(15))
    np.testing.assert_array_equal(np.flatnonzero(~np.asarray(candidates.is_allowed)), [0, 8])
    np.testing.assert_array_equal(candidates.observation, candidates.index)
    assert problem.facts.reward_scale == 1.0


def test_the_schedule_and_the_step_limit_reach_the_environment(problem):
    assert problem.environment_params.switch_every == 2500
    assert problem.environment_params.step_limit == NO_LIMIT
    limited = build_problem(change_suite(STALE, {"environment.step_limit": 40}))
    assert limited.environment_params.step_limit == 40


def test_a_step_limit_below_the_way_to_the_goal_is_refused():
    # From the foot of the stem to the junction are 6 steps, to the end of an arm 4 more.
    build_problem(change_suite(STALE, {"environment.step_limit": 10}))
    with pytest.raises(UserError, match="step_limit is 9, but the nearest goal is 10 steps"):
        build_problem(change_suite(STALE, {"environment.step_limit": 9}))


@pytest.mark.parametrize(
    ("name", "changes", "updates"),
    [
        ("no_planning", {}, 0),
        ("uniform", {}, 5),
        ("uniform", {"planning_updates": 2}, 2),
        ("uniform_compute_matched", {}, 10),
        ("meta_gradient", {"step_size": 0.25, "initial_value": -1.0}, 5),
    ],
)
def test_agents_get_their_numbers(problem, name, changes, updates):
    agent = build_agent(STALE, dataclasses.replace(STALE.agents[name], **changes), problem)
    assert int(agent.planning_updates) == updates
    assert agent.max_planning_updates == updates
    assert agent.step_size == changes.get("step_size", 0.5)
    assert agent.discount == STALE.discount
    values, _ = agent.values.init(jax.random.key(0))
    np.testing.assert_array_equal(values, np.full((15, 4), changes.get("initial_value", 0.0)))
    np.testing.assert_allclose(agent.policy.probabilities(values[0]), 0.25)


def test_a_traced_number_of_updates_has_the_budget_as_its_bound(problem):
    def updates(number):
        agent = dataclasses.replace(STALE.agents["uniform"], planning_updates=number)
        built = build_agent(STALE, agent, problem)
        assert built.max_planning_updates == 5
        return built.planning_updates

    # 0 takes the whole budget.
    assert [int(jax.jit(updates)(number)) for number in (0, 1, 5)] == [5, 1, 5]


@pytest.mark.parametrize("order", ["meta_first", "model_first"])
def test_the_order_of_learning_is_a_setting(problem, order):
    suite = change_suite(STALE, {"meta_gradient.order": order})
    agent = build_agent(suite, suite.agents["meta_gradient"], problem)
    assert agent.learns_model_first == (order == "model_first")


def test_numbers_replace_settings_of_the_agent_and_of_its_strategy():
    agent = STALE.agents["meta_gradient"]
    changed = replace_numbers(agent, {"step_size": 0.1, "meta_step_size": 0.2})
    assert (changed.step_size, changed.options.meta_step_size) == (0.1, 0.2)
    assert changed.options.form == agent.options.form
    with pytest.raises(TypeError):
        replace_numbers(agent, {"no_such_number": 1.0})
