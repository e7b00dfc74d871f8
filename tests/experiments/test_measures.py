"""The measures of problems with tables, against the plain accounts of ``accounts``."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.experiments import accounts
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna
from mgsc.experiments.design.quantities import ALWAYS, MEASURES, SNAPSHOTS, STATE_MEASURES
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.measures import known_of, measure_planning, measure_states, measure_values, see
from mgsc.models import LearnedModel
from mgsc.models.learned import EMPTY, LearnedState

CANDIDATES = np.flatnonzero(~table.IS_TERMINAL)
LEARNING = dataclasses.replace(table.SUITE, model=LearnedModel())
LEARNING_PROBLEM = build_problem(LEARNING)
NUM_STATES, NUM_ACTIONS = table.NUM_STATES, 4
NUM_SLOTS = 4


def measuring(agent, problem):
    """(clock, values, d, the model's state) -> all measures, as NumPy."""
    begun, rate = dyna.init(agent, jax.random.key(0)), jnp.float32(agent.step_size * agent.planning_updates)
    known = known_of(problem)

    def measure(clock, values, weights, model):
        state = begun._replace(values=values, environment=begun.environment._replace(clock=clock), model=model)
        seen = see(agent, problem, state, weights)
        measurement = measure_states(known, agent.policy, seen)
        planning = measure_planning(
            known,
            weights,
            rate,
            measurement,
            reward_scale=problem.facts.reward_scale,
            learns=problem.known.model_tables is None,
        )
        return planning | {"useful_share": seen.useful_share}, *measure_values(known, measurement)

    measure = quick_jit(measure)

    def measured(clock, values, weights, model=()):
        arguments = jnp.int32(clock), jnp.float32(values), jnp.float32(weights), model
        planning, *rest = jax.tree.map(np.asarray, measure(*arguments))
        return {name: float(value) for name, value in planning.items()}, *rest

    return measured


@pytest.fixture(scope="module")
def agent():
    return table.build(table.VARIANTS["meta_gradient"], table.numbers_of_suite())


@pytest.fixture(scope="module")
def measure(agent):
    return measuring(agent, table.PROBLEM)


@pytest.fixture(scope="module")
def measure_learning():
    agent = build_agent(LEARNING, table.VARIANTS["meta_gradient"].agent, LEARNING_PROBLEM)
    return measuring(agent, LEARNING_PROBLEM)


def account(phase: int, q: np.ndarray, d: np.ndarray, model=None) -> accounts.Measurement:
    """The measurement for the plain account; of the stale model unless another one is given."""
    tables = table.PROBLEM.known.tables
    return accounts.Measurement(
        truth=accounts.outcomes_of(tables.phase(phase)),
        model=model or accounts.outcomes_of(tables.phase(0)),
        q=q,
        d=d,
        optimal=table.PROBLEM.known.optimal[phase],
        candidates=CANDIDATES,
        epsilon=table.SUITE.epsilon,
        discount=table.SUITE.discount,
        step_size=0.5,
        planning_updates=table.BUDGET,
        reward_scale=1.0,
        learns=model is not None,
    )


def random_d(random) -> np.ndarray:
    d = np.where(table.IS_TERMINAL, 0, random.random(NUM_STATES) ** 3)
    return np.float32(d / d.sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 0.01, 0.0])
def test_measures_are_those_of_the_definitions(measure, seed, scale):
    random = np.random.default_rng(seed)
    q = np.float32(scale * random.normal(size=(NUM_STATES, NUM_ACTIONS)))
    d = random_d(random)
    # switch_every is 40: the step that ended at clock 40 was of phase 0, the next is of phase 1.
    for clock, phase in ((1, 0), (40, 0), (41, 1), (80, 1), (81, 0)):
        found = measure(clock, q, d)[0]
        assert set(found) == set(MEASURES)
        assert found == pytest.approx(accounts.measures(account(phase, q, d)), abs=1e-5)


def random_model(random) -> tuple[LearnedState, accounts.Outcomes]:
    """What a model might have learned: the truth of the first phase, in some pairs more or less off, or nothing."""
    truth = accounts.outcomes_of(table.PROBLEM.known.tables.phase(0))
    shape = (NUM_STATES * NUM_ACTIONS, NUM_SLOTS)
    outcome, weight, reward = np.full(shape, EMPTY), np.zeros(shape), np.zeros(shape)
    outcomes: accounts.Outcomes = {}
    for (state, action), known in truth.items():
        if random.random() < 0.2:
            outcomes[state, action] = [accounts.Outcome(1.0, 0.0, state, False)]  # never tried: it stays
            continue
        off = random.choice([0.0, 0.02, 0.5])
        counts = np.array([one.probability for one in known]) * np.exp(off * random.normal(size=len(known)))
        pair = state * NUM_ACTIONS + action
        slots = random.permutation(NUM_SLOTS)[: len(known)]
        outcome[pair, slots] = [2 * one.successor + one.ends for one in known]
        weight[pair, slots] = counts
        reward[pair, slots] = [one.reward + off * random.normal() for one in known]
        outcomes[state, action] = [
            one._replace(probability=share, reward=mean)
            for one, share, mean in zip(known, counts / counts.sum(), reward[pair, slots].tolist())
        ]
    learned = LearnedState(jnp.int32(outcome), jnp.float32(weight), jnp.float32(reward), jnp.int32(0))
    return learned, outcomes


@pytest.mark.parametrize("seed", range(6))
def test_a_learned_models_measures_are_those_of_the_definitions(measure_learning, seed):
    random = np.random.default_rng(seed)
    learned, outcomes = random_model(random)
    q = np.float32(random.normal(size=(NUM_STATES, NUM_ACTIONS)) * random.choice([0.01, 1.0]))
    d = random_d(random)
    for clock, phase in ((1, 0), (41, 1)):
        measurement = account(phase, q, d, outcomes)
        found, _, of_states, _ = measure_learning(clock, q, d, learned)
        assert found == pytest.approx(accounts.measures(measurement), abs=1e-5)
        errors = [measurement.error(state) for state in CANDIDATES]
        np.testing.assert_allclose(of_states["model_error"][CANDIDATES], errors, atol=1e-5)


def test_a_learned_model_is_wrong_above_a_twentieth_of_the_largest_reward(measure_learning):
    """It knows all transitions, and thinks that entering the right goal gives 1 − off.

    From state 3, P(enter) averaged over actions is 1/4, so e(3) = off / 4: wrong from off = 0.2 on.
    """
    truth = table.PROBLEM.known.tables.phase(0)
    shape = (NUM_STATES * NUM_ACTIONS, -1)
    outcome = np.where(truth.probability > 0, 2 * truth.successor + truth.terminates, EMPTY).reshape(shape)
    enters_right = (truth.successor == 4) & truth.terminates
    d = np.eye(NUM_STATES)[3]
    for off, is_wrong in ((0.0, 0), (0.19, 0), (0.21, 1)):
        reward = np.where(enters_right, 1 - off, truth.reward).reshape(shape)
        weight = truth.probability.reshape(shape)
        learned = LearnedState(jnp.int32(outcome), jnp.float32(weight), jnp.float32(reward), jnp.int32(0))
        found = measure_learning(1, np.zeros((NUM_STATES, NUM_ACTIONS)), d, learned)[0]
        assert found["weighted_error"] == pytest.approx(off / 4, abs=1e-6)
        assert found["wrong_mass"] == is_wrong
        assert found["uniform_wrong_mass"] == pytest.approx(is_wrong / 5)


def test_the_measures_tell_right_from_wrong(measure):
    """At q = 0 by hand: the right model errs nowhere; the stale one by 2 · P(enter) beside a goal."""
    q, d = np.zeros((NUM_STATES, NUM_ACTIONS)), np.eye(NUM_STATES)[3]
    right = measure(1, q, d)[0]
    assert right["weighted_error"] == right["uniform_error"] == 0
    assert right["wrong_mass"] == right["uniform_wrong_mass"] == 0
    # Beside the goal the update is Σ_a 1/4 · P(enter | a) = 1/4 · (0.925 + 3 · 0.025) = 1/4.
    assert right["weighted_update"] == pytest.approx(0.25)
    # The 3 states from which nothing is gained are redundant, the two beside the goals are not.
    assert right["uniform_redundant_mass"] == pytest.approx(3 / 5)
    assert right["redundant_mass"] == 0
    assert right["entropy"] == 0
    assert right["alignment"] == pytest.approx(1)
    # The largest α K d π: 0.5 · 3 · 1 · 1/4.
    assert right["overshoot"] == pytest.approx(0.375)
    wrong = measure(41, q, d)[0]
    assert wrong["weighted_error"] == pytest.approx(2 * 0.25)
    assert wrong["uniform_error"] == pytest.approx(2 * 0.5 / 5)
    assert wrong["wrong_mass"] == 1
    assert wrong["uniform_wrong_mass"] == pytest.approx(2 / 5)
    # Planning goes for a reward of 1 where there is −1: just the other way.
    assert wrong["alignment"] == pytest.approx(-1)


def test_useful_updates_by_hand(measure):
    """From q = 0 beside the right goal the only change is entering: 0 → α · 1 = 0.5.

    That is closer to q* than 0 where q* > 0.25: in the first phase for all actions, in the second, when
    entering costs 1, not for going right, which is what enters most.
    """
    q, d = np.zeros((NUM_STATES, NUM_ACTIONS)), np.eye(NUM_STATES)[3]
    first, second = table.PROBLEM.known.optimal[:, 3]
    assert (first > 0.25).all()
    assert measure(1, q, d)[0]["useful_share"] == pytest.approx(1)
    closer = second > 0.25  # |0.5 − q*| < |q*|
    enters = np.array([0.025, 0.025, 0.025, 0.925])
    assert closer.tolist() == [True, True, True, False]
    # Of all that enters, 3 · 0.025 + 0.925 = 1.
    assert measure(41, q, d)[0]["useful_share"] == pytest.approx(enters[:3].sum())


def test_where_nothing_would_change_no_share_and_no_direction_exists(measure):
    q, d = np.zeros((NUM_STATES, NUM_ACTIONS)), np.eye(NUM_STATES)[6]
    found = measure(1, q, d)[0]
    assert np.isnan([found["useful_share"], found["alignment"]]).all()
    assert found["weighted_update"] == 0


def test_a_wrong_state_is_never_redundant(measure):
    """q(3, ·) is just what the stale model expects, so its update is nil: but it is wrong."""
    states = np.arange(NUM_STATES)
    q = np.where((states == 3)[:, None], [0.025, 0.025, 0.025, 0.925], 0.0)
    model = table.PROBLEM.known.tables.phase(0)
    for _ in range(200):  # the fixed point of state 3, its successors of value 0 aside
        best = np.where(states == 3, q.max(1), 0.0)
        goals = model.reward + table.SUITE.discount * best[model.successor] * ~model.terminates
        q[3] = (model.probability[3] * goals[3]).sum(-1)
    d = np.eye(NUM_STATES)[3]
    right = measure(1, q, d)[0]
    assert right["weighted_update"] < 0.01
    assert right["redundant_mass"] == 1
    assert measure(41, q, d)[0]["redundant_mass"] == 0


@pytest.mark.parametrize(("clock", "phase"), [(1, 0), (41, 1)])
def test_the_distance_of_values_from_the_optimum(measure, clock, phase):
    optimal = table.PROBLEM.known.optimal[phase]
    d = random_d(np.random.default_rng(0))
    _, always, of_states, _ = measure(clock, optimal, d)
    assert set(always) == set(ALWAYS)
    assert set(of_states) == set(STATE_MEASURES)
    assert always["value_error"] == 0
    assert not of_states["state_value_error"].any()
    # One entry is off by 2, one of a terminal state by 9: the mean over 5 · 4 entries that count is 0.1.
    off = optimal.copy()
    off[3, 1] += 2
    off[0, 0] += 9
    _, always, of_states, _ = measure(clock, off, d)
    assert always["value_error"] == pytest.approx(2 / 20)
    np.testing.assert_allclose(of_states["state_value_error"][CANDIDATES], [0, 0, 0.5, 0, 0], atol=1e-6)


def test_the_error_of_each_state_is_the_errors_of_the_definitions(measure):
    random = np.random.default_rng(3)
    q, d = np.float32(random.normal(size=(NUM_STATES, NUM_ACTIONS))), random_d(random)
    for clock, phase in ((1, 0), (41, 1)):
        found = measure(clock, q, d)[2]["model_error"]
        known = [account(phase, q, d).error(state) for state in CANDIDATES]
        np.testing.assert_allclose(found[CANDIDATES], known, atol=1e-5)
        assert not found[table.IS_TERMINAL].any()


def test_snapshots_show_the_best_value_and_its_action(measure):
    q = np.zeros((NUM_STATES, NUM_ACTIONS))
    q[1], q[2], q[5] = [0, 3, 1, 2], [-1, -1, -1, -2], [-4, -4, -4, -4]
    snapshots = measure(1, q, random_d(np.random.default_rng(0)))[3]
    assert set(snapshots) == set(SNAPSHOTS)
    np.testing.assert_array_equal(snapshots["state_value"], [0, 3, -1, 0, 0, -4, 0])
    # All equal is −1; of several best the first.
    np.testing.assert_array_equal(snapshots["greedy_action"], [-1, 1, 0, -1, -1, -1, -1])
