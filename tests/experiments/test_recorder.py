"""What is recorded, against sums written out in NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.experiments import programs
from tests.experiments.programs import AGENTS, PLANNING
from tests.quick import quick_jit
from tests.search_control import strategies_table as table

from mgsc import dyna
from mgsc.dyna import StepInfo
from mgsc.experiments.recorder import make_recorder, measure_planning, reward_recorder
from mgsc.types import Transition

EPSILON, DISCOUNT = table.SUITE.epsilon, table.SUITE.discount
CANDIDATES = np.flatnonzero(~table.IS_TERMINAL)


@pytest.fixture(scope="module")
def agent():
    return table.build(table.VARIANTS["meta_gradient"], table.numbers_of_suite())


@pytest.fixture(scope="module")
def measure(agent):
    """(clock, values, d) -> the measures at that moment."""
    begun = dyna.init(agent, jax.random.key(0))

    def measure(clock, values, weights):
        state = begun._replace(
            values=values,
            environment=begun.environment._replace(clock=clock),
            search=begun.search._replace(weights=weights),
        )
        return measure_planning(agent, table.PROBLEM, state)

    measure = quick_jit(measure)
    return lambda *arguments: {k: float(v) for k, v in measure(*arguments).items()}


def by_hand(phase: int, q: np.ndarray, d: np.ndarray) -> dict[str, float]:
    """``definitions.md``, one state, action and outcome at a time."""
    true, believed = table.PROBLEM.tables.phase(phase), table.PROBLEM.tables.phase(0)
    names = ("error", "update", "redundant")
    sums = {f"{who} {name}": 0.0 for who in ("weighted", "uniform") for name in names}
    for state in CANDIDATES:
        is_greedy = q[state] == q[state].max()
        policy = EPSILON / 4 + (1 - EPSILON) * is_greedy / is_greedy.sum()
        error = update = 0.0
        is_wrong = False
        for action in range(4):
            targets = []
            for tables in (true, believed):
                place = (state, action)
                target = 0.0
                for slot in range(tables.probability.shape[-1]):
                    bootstrap = DISCOUNT * q[tables.successor[place][slot]].max()
                    if tables.terminates[place][slot]:
                        bootstrap = 0.0
                    reward = tables.reward[place][slot] + bootstrap
                    target += tables.probability[place][slot] * reward
                targets.append(target)
            error += policy[action] * abs(targets[0] - targets[1])
            update += policy[action] * abs(targets[1] - q[state, action])
            is_wrong |= targets[0] != targets[1]
        # The largest reward is 1, so an update below 0.01 is redundant, unless the model is wrong.
        redundant = float(update < 0.01 and not is_wrong)
        for name, value in zip(names, (error, update, redundant)):
            sums[f"weighted {name}"] += d[state] * value
            sums[f"uniform {name}"] += value / len(CANDIDATES)
    positive = d[d > 0]
    return {
        "entropy": -float((positive * np.log(positive)).sum()),
        "weighted_error": sums["weighted error"],
        "uniform_error": sums["uniform error"],
        "weighted_update": sums["weighted update"],
        "uniform_update": sums["uniform update"],
        "redundant_mass": sums["weighted redundant"],
        "uniform_redundant_mass": sums["uniform redundant"],
    }


def random_d(random) -> np.ndarray:
    d = np.where(table.IS_TERMINAL, 0, random.random(table.NUM_STATES) ** 3)
    return np.float32(d / d.sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 0.01, 0.0])
def test_measures_are_those_of_the_definitions(measure, seed, scale):
    random = np.random.default_rng(seed)
    q = np.float32(scale * random.normal(size=(table.NUM_STATES, 4)))
    d = random_d(random)
    # switch_every is 40: the step that ended at clock 40 was of phase 0, the next is of phase 1.
    for clock, phase in ((1, 0), (40, 0), (41, 1), (80, 1), (81, 0)):
        found = measure(jnp.int32(clock), jnp.asarray(q), jnp.asarray(d))
        assert found == pytest.approx(by_hand(phase, q, d), abs=1e-5)


def test_the_measures_tell_right_from_wrong(measure):
    """At q = 0 by hand: the right model errs nowhere; the stale one by 2 · P(enter) beside a goal."""
    q = jnp.zeros((table.NUM_STATES, 4))
    d = jnp.zeros(table.NUM_STATES).at[3].set(1.0)
    right = measure(jnp.int32(1), q, d)
    assert right["weighted_error"] == right["uniform_error"] == 0
    # Beside the goal the update is Σ_a 1/4 · P(enter | a) = 1/4 · (0.925 + 3 · 0.025) = 1/4.
    assert right["weighted_update"] == pytest.approx(0.25)
    # The 3 states from which nothing is gained are redundant, the two beside the goals are not.
    assert right["uniform_redundant_mass"] == pytest.approx(3 / 5)
    assert right["redundant_mass"] == 0
    assert right["entropy"] == 0
    wrong = measure(jnp.int32(41), q, d)
    assert wrong["weighted_error"] == pytest.approx(2 * 0.25)
    assert wrong["uniform_error"] == pytest.approx(2 * 0.5 / 5)


def test_a_wrong_state_is_never_redundant(measure):
    """q(3, ·) is just what the stale model expects, so its update is nil: but it is wrong."""
    states = np.arange(table.NUM_STATES)
    q = np.where((states == 3)[:, None], [0.025, 0.025, 0.025, 0.925], 0.0)
    believed = table.PROBLEM.tables.phase(0)
    for _ in range(200):  # the fixed point of state 3, its successors of value 0 aside
        best = np.where(states == 3, q.max(1), 0.0)
        goals = believed.reward + DISCOUNT * best[believed.successor] * ~believed.terminates
        q[3] = (believed.probability[3] * goals[3]).sum(-1)
    d = jnp.zeros(table.NUM_STATES).at[3].set(1.0)
    right = measure(jnp.int32(1), jnp.float32(q), d)
    assert right["weighted_update"] < 0.01
    assert right["redundant_mass"] == 1
    assert measure(jnp.int32(41), jnp.float32(q), d)["redundant_mass"] == 0


def test_a_record_holds_the_sum_of_rewards_and_means_of_the_rest(agent):
    recorder = make_recorder(agent, table.PROBLEM, num_steps=4, measure_every=2)
    random = np.random.default_rng(0)
    weights = [random_d(random) for _ in range(4)]
    zero = jnp.int32(0)
    state = dyna.init(agent, jax.random.key(0))
    # The step that has been made is number 1: the clock stands at 1.
    state = state._replace(environment=state.environment._replace(clock=jnp.int32(1)))

    @quick_jit
    def run():
        record = recorder.init()
        for number, d in enumerate(weights):
            transition = Transition(zero, zero, jnp.float32(number), jnp.float32(0), zero)
            info = StepInfo(transition, jnp.asarray(d), {"meta_loss": jnp.float32(2 * number)})
            record = recorder.step(record, info)
            if number % 2:
                record = recorder.measure(record, state)
        return record, measure_planning(agent, table.PROBLEM, state)

    record, known = run()
    # Rewards 0 + 1 + 2 + 3 = 6; meta-losses (0 + 2 + 4 + 6) / 4 = 3.
    assert record["reward"] == 6
    np.testing.assert_allclose(record["meta_loss"], 3)
    np.testing.assert_allclose(record["query_distribution"], np.mean(weights, axis=0), rtol=1e-5)
    # Measured twice in the same state, so the mean is the measure: d is uniform over 5 states.
    np.testing.assert_allclose(record["entropy"], np.log(5), rtol=1e-5)
    for name, value in known.items():
        np.testing.assert_allclose(record[name], value, rtol=1e-5)


def test_an_agent_that_does_not_plan_records_rewards_only():
    agent = table.build(table.VARIANTS["no_planning"], table.numbers_of_suite("no_planning"))
    for recorder in (make_recorder(agent, table.PROBLEM, 4, 2), reward_recorder()):
        assert set(recorder.init()) == {"reward"}
        state = dyna.init(agent, jax.random.key(0))
        assert recorder.measure(recorder.init(), state) == {"reward": 0}


@pytest.mark.parametrize("name", PLANNING)
def test_records_of_whole_runs_are_possible(name):
    record = programs.record(name)
    d = record["query_distribution"]
    assert d.shape == (4, programs.NUM_CHUNKS, 15)
    np.testing.assert_allclose(d.sum(-1), 1, atol=1e-5)
    assert (d >= 0).all()
    assert not d[..., ~programs.PROBLEM.is_candidate].any()
    assert (record["entropy"] <= np.log(13) + 1e-5).all()
    assert (record["redundant_mass"] <= 1 + 1e-5).all()
    for key in ("entropy", "weighted_error", "weighted_update", "redundant_mass"):
        assert (record[key] >= 0).all()
    # The first two chunks are of the first phase, in which the stale model is right.
    assert not record["weighted_error"][:, :2].any()
    assert not record["uniform_error"][:, :2].any()
    assert (record["uniform_error"][:, 2:] > 0).all()
    has_loss = np.isfinite(record["meta_loss"])
    assert has_loss.all() if name == "meta_gradient" else not has_loss.any()


def test_uniform_records_itself():
    record = programs.record("uniform")
    for name in ("error", "update", "redundant_mass"):
        key = name if name == "redundant_mass" else f"weighted_{name}"
        np.testing.assert_allclose(record[key], record[f"uniform_{name}"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(record["entropy"], np.log(13), rtol=1e-5)
    wrong = programs.PROBLEM.wrong[1]
    mass = record["query_distribution"][..., wrong].sum(-1)
    np.testing.assert_allclose(mass, 2 / 13, rtol=1e-5)  # 15.38 %


def test_avoid_terminal_has_no_mass_on_wrong_states():
    record = programs.record("avoid_terminal")
    assert not record["query_distribution"][..., programs.PROBLEM.wrong[1]].any()
    assert not record["weighted_error"].any()


def test_no_planning_is_the_only_agent_that_records_rewards_only():
    for name in AGENTS:
        assert (set(programs.record(name)) == {"reward"}) == (name == "no_planning")
