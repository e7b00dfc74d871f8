"""The yardstick against every policy there is, explicit recursion, and the figures of the definitions."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from scipy import optimize
from tests.dense import dense_outcomes
from tests.quick import compile_quickly

from mgsc.environments import TMazeSettings, TwoRoomsSettings, from_map, tmaze, two_rooms
from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running import optimal
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.optimal import optimal_rewards, optimal_values

TMAZE = tmaze(TMazeSettings()).tables
SWITCH_EVERY = 2500


def best_total(tables, *, num_steps, epsilon=0.0, switch_every=100, step_limit=0) -> float:
    rewards = optimal_rewards(
        tables,
        epsilon=epsilon,
        num_steps=num_steps,
        record_every=1,
        switch_every=switch_every,
        step_limit=step_limit,
    )
    assert rewards.shape == (num_steps,)
    return float(rewards.sum())


def moves_of(tables, phase, state, action):
    """(probability, reward, successor, whether the episode ends) of each possible slot."""
    place = (phase, state, action)
    columns = tables.probability, tables.reward, tables.successor, tables.terminates
    slots = zip(*(column[place].tolist() for column in columns))
    return [slot for slot in slots if slot[0] > 0]


def recursion(tables, *, num_steps, epsilon, switch_every, step_limit):
    """The best expected reward, by the definition."""
    start = int(np.argmax(tables.start))

    @functools.cache
    def worth(step, state, age):
        if step == num_steps:
            return 0.0
        phase = step // switch_every % tables.num_phases
        values = []
        for action in range(4):
            total = 0.0
            for probability, reward, successor, ends in moves_of(tables, phase, state, action):
                is_over = ends or age + 1 == step_limit
                after = (start, 0) if is_over else (successor, age + 1)
                total += probability * (reward + worth(step + 1, *after))
            values.append(total)
        return (1 - epsilon) * max(values) + epsilon * np.mean(values)

    return worth(0, start, 0)


@pytest.mark.parametrize("epsilon", [0.0, 0.4])
@pytest.mark.parametrize("step_limit", [0, 2, 3])
def test_it_equals_explicit_recursion(epsilon, step_limit):
    tables = from_map("AS.B", {"A": (0.5, -1.0), "B": (1.0, 0.25)}, slip=0.2).tables
    settings = {"num_steps": 40, "epsilon": epsilon, "switch_every": 7, "step_limit": step_limit}
    known = recursion(tables, **settings)
    assert best_total(tables, **settings) == pytest.approx(known, rel=1e-6)


def test_the_limits_of_an_episode_matter():
    """The test above would say little if they did not."""
    tables = from_map("AS.B", {"A": (0.5, -1.0), "B": (1.0, 0.25)}, slip=0.2).tables
    totals = [best_total(tables, num_steps=40, switch_every=7, step_limit=n) for n in (1, 2, 3, 0)]
    assert len(set(totals)) == 4


def test_no_policy_in_hindsight_does_better():
    """Every deterministic policy over (step, state) of a maze with two states to act in."""
    tables = from_map("S.A", {"A": (1.0, -2.0)}, slip=0.5).tables
    num_steps, switch_every = 3, 2
    totals = []
    for policy in itertools.product(range(4), repeat=2 * num_steps):
        occupied, total = {0: 1.0}, 0.0
        for step in range(num_steps):
            following: dict[int, float] = {}
            for state, mass in occupied.items():
                action = policy[2 * step + state]
                phase = step // switch_every % 2
                for probability, reward, successor, ends in moves_of(tables, phase, state, action):
                    total += mass * probability * reward
                    after = 0 if ends else successor
                    following[after] = following.get(after, 0.0) + mass * probability
            occupied = following
        totals.append(total)
    best = best_total(tables, num_steps=num_steps, switch_every=switch_every)
    assert best == pytest.approx(max(totals), rel=1e-6)
    assert min(totals) < best


def test_by_hand():
    # S A: every step ends with reward 1 if the move is right; ε = 0.2 leaves it with 0.8 + 0.05.
    tables = from_map("SA", {"A": (1.0,)}).tables
    assert best_total(tables, num_steps=10) == pytest.approx(10)
    assert best_total(tables, num_steps=10, epsilon=0.2) == pytest.approx(8.5)
    # S . A: two steps to the end. A limit of two steps cuts nothing, a limit of one everything.
    tables = from_map("S.A", {"A": (1.0,)}).tables
    assert best_total(tables, num_steps=11) == pytest.approx(5)
    assert best_total(tables, num_steps=11, step_limit=2) == pytest.approx(5)
    assert best_total(tables, num_steps=11, step_limit=1) == 0


def test_a_policy_that_knows_the_schedule_waits_for_the_better_phase():
    # Beside the goal, reward −1 now and 1 from step 1 on: bump once, then enter 4 times.
    tables = from_map("SA", {"A": (-1.0, 1.0)}).tables
    assert best_total(tables, num_steps=5, switch_every=1) == pytest.approx(2)
    rewards = optimal_rewards(tables, epsilon=0.0, num_steps=6, record_every=2, switch_every=3)
    np.testing.assert_allclose(rewards, [0, 1, 2])


def test_less_exploration_is_worth_more():
    totals = [
        best_total(TMAZE, num_steps=300, epsilon=epsilon, switch_every=100)
        for epsilon in (0.0, 0.05, 0.1, 0.3, 0.6, 1.0)
    ]
    assert (np.diff(totals) < 0).all()


def test_chunks_add_up_to_the_whole():
    arguments = {"epsilon": 0.1, "num_steps": 600, "switch_every": 200}
    fine = optimal_rewards(TMAZE, record_every=1, **arguments)
    coarse = optimal_rewards(TMAZE, record_every=100, **arguments)
    np.testing.assert_allclose(fine.reshape(-1, 100).sum(1), coarse)


@pytest.mark.parametrize(
    ("epsilon", "known"),
    # ``definitions.md``: about 4049 for the best ε-soft policy, 4499 unconstrained.
    [(0.1, 4049), (0.0, 4499)],
)
def test_the_figures_of_the_definitions(epsilon, known):
    rewards = optimal_rewards(TMAZE, epsilon=epsilon, num_steps=50_000, record_every=250, switch_every=SWITCH_EVERY)
    assert rewards.sum() == pytest.approx(known, abs=1)
    # Phases repeat; but for the first, which begins at the foot of the stem, and the last, after
    # which nothing is to be had, each is worth the same.
    phases = rewards.reshape(20, 10).sum(1)
    np.testing.assert_allclose(phases[1:-1], phases[1], rtol=1e-3)


# --- the optimal values of a phase ---------------------------------------------------------------


def by_linear_programming(tables, discount: float) -> np.ndarray:
    """[S, A] of one phase: the smallest v with v(s) ≥ r(s, a) + γ Σ p(s'|s, a) v(s') for all a."""
    probability, reward, ends = dense_outcomes(tables)
    num_states = len(probability)
    onward = discount * (probability - ends)
    bounds = onward - np.eye(num_states)[:, None]
    solved = optimize.linprog(
        np.ones(num_states),
        A_ub=bounds.reshape(-1, num_states),
        b_ub=-reward.sum(-1).reshape(-1),
        bounds=(None, None),
    )
    assert solved.status == 0, solved.message
    return reward.sum(-1) + onward @ solved.x


def with_ends_on_the_way(tables):
    """Going left from the last state before the right end ends the episode, in a state that is not terminal."""
    terminates = tables.terminates.copy()
    terminates[:, 2, 2] |= tables.successor[:, 2, 2] == 1
    return tables._replace(terminates=terminates)


CORRIDOR = from_map("AS.B", {"A": (0.5, -1.0), "B": (1.0, 0.25)}, slip=0.2).tables
VALUED = {
    "a corridor": CORRIDOR,
    "ends on the way": with_ends_on_the_way(CORRIDOR),
    "all goals cost": from_map("AS.B", {"A": (-0.5, -1.0), "B": (-1.0, -0.25)}, slip=0.2).tables,
    "no chance": from_map("A.S.B", {"A": (2.0, 0.0), "B": (1.0, 3.0)}).tables,
    "tmaze": TMAZE,
    "two rooms": two_rooms(TwoRoomsSettings()).tables,
}


@pytest.mark.parametrize("name", VALUED)
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95])
def test_optimal_values_are_those_of_linear_programming(name, discount):
    tables = VALUED[name]
    found = optimal_values(tables, discount)
    assert found.shape == tables.probability.shape[:3]
    assert found.dtype == np.float32
    for phase in range(tables.num_phases):
        known = by_linear_programming(tables.phase(phase), discount)
        np.testing.assert_allclose(found[phase], known, atol=2e-6)
    assert not found[:, tables.is_terminal].any()
    assert (found[0] != found[1]).any()


def test_optimal_values_by_hand():
    # S . A: from state 1 to the right 1; from state 0 to the right γ · 1; a bump costs one γ more.
    values = optimal_values(from_map("S.A", {"A": (1.0,)}).tables, 0.9)[0]
    np.testing.assert_allclose(values, [[0.81, 0.81, 0.81, 0.9], [0.9, 0.9, 0.81, 1.0], [0] * 4], rtol=1e-6)


def test_values_that_are_not_discounted_settle_where_episodes_end():
    tables = from_map("AS.B", {"A": (-3.0,), "B": (1.0,)}, slip=0.2).tables
    values = optimal_values(tables, 1.0)[0]
    # Beside the bad goal a slip of 0.05 costs 3 in place of what is to come; nothing else is lost on the way.
    best = values.max(-1)
    assert best[2] == pytest.approx(0.85 * 1 + 0.1 * best[2] + 0.05 * best[1], abs=1e-5)
    assert best[1] == pytest.approx(0.85 * best[2] + 0.1 * best[1] + 0.05 * -3, abs=1e-5)


def test_a_problem_has_the_optimal_values_of_its_discount():
    suite = get_suite("tworooms-learned")
    problem = build_problem(suite)
    np.testing.assert_array_equal(problem.known.optimal, optimal_values(problem.known.tables, suite.discount))
    # Twelve steps with slips from the start to the good corner: somewhat less than 0.95 ** 11 = 0.569.
    assert 0.45 < problem.known.optimal[0, 20].max() < 0.569


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_issue_an_optimum_is_remembered_with_the_options_it_was_compiled_with(order) -> None:
    """The quick programs of tests and those that users run differ in the last bits, whichever came first."""
    settings = TMazeSettings(stem=2, arm=2, switch_every=100)
    suite = dataclasses.replace(get_suite("tmaze-fixed"), environment=settings, steps=400, record_every=50)
    optimal._optimum_of.cache_clear()
    for is_quick in order:
        with pytest.MonkeyPatch.context() as patched:
            if is_quick:
                compile_quickly(patched)
            found = [optimal.optimum(suite) for _ in range(2)]
            known = optimal_rewards(
                build_problem(suite).known.tables,
                epsilon=suite.epsilon,
                num_steps=400,
                record_every=50,
                switch_every=100,
            )
        assert found[0] is found[1], "remembered"
        np.testing.assert_array_equal(found[0], known)
    assert optimal._optimum_of.cache_info().misses == 2
