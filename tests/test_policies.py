"""ε-greedy: probabilities, ties, nothing but greedy actions without ε; and an ε that changes."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import mgsc
from mgsc import values
from mgsc.environments import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments import SUITES, choose_agents
from mgsc.experiments.design.suites import change_suite, check_suite
from mgsc.experiments.running.optimal import optimum
from mgsc.policies import (
    LinearEpsilonSettings,
    epsilon_at,
    epsilon_greedy,
    epsilon_greedy_probabilities,
    linear_epsilon,
)

UNIT = 2.0**-23
NUM_ACTIONS = 4


@pytest.fixture(scope="module")
def probabilities():
    return jax.jit(lambda epsilon, q: epsilon_greedy_probabilities(q, epsilon))


@pytest.fixture(scope="module")
def sample():
    """(ε, uniforms [D], q [A]) -> [D] actions."""

    def sample(epsilon, uniforms, q):
        policy = epsilon_greedy(epsilon)(values.table(1, NUM_ACTIONS))
        return jax.vmap(policy.sample, (0, None, None))(uniforms, q[None], 0)

    return jax.jit(sample)


VALUES = st.lists(st.sampled_from([-1e6, -1.0, 0.0, 1e-30, 1.0, 1e6]), min_size=NUM_ACTIONS, max_size=NUM_ACTIONS)


@settings(max_examples=40)
@given(VALUES, st.floats(0, 1, width=32))
def test_probabilities_sum_to_one_and_share_ties(probabilities, values, epsilon):
    found = np.asarray(probabilities(jnp.float32(epsilon), jnp.array(values)))
    is_greedy = np.array(values) == max(values)
    expected = epsilon / NUM_ACTIONS + (1 - epsilon) * is_greedy / is_greedy.sum()
    np.testing.assert_allclose(found.sum(), 1, atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if epsilon == 0:
        assert (found[~is_greedy] == 0).all()


def test_probabilities_by_hand(probabilities):
    # ε/A = 0.1/4 = 0.025 for all; the two greedy ones share 0.9: 0.025 + 0.45 = 0.475.
    found = probabilities(jnp.float32(0.1), jnp.array([1.0, 3.0, 3.0, 0.0]))
    np.testing.assert_allclose(found, [0.025, 0.475, 0.475, 0.025], rtol=1e-6)


def test_probabilities_of_a_batch_are_those_of_its_rows(probabilities):
    q = jnp.array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    batch = epsilon_greedy_probabilities(q, 0.1)
    rows = [probabilities(jnp.float32(0.1), row) for row in q]
    np.testing.assert_allclose(batch, rows, rtol=1e-6)


@settings(max_examples=40)
@given(VALUES)
def test_without_epsilon_only_greedy_actions_are_taken(sample, values):
    # Every place where one action's share of the line ends, and the two ends of the line.
    edges = np.array([n / d for d in (1, 2, 3, 4) for n in range(d + 1)])
    tried = np.floor(edges / UNIT)[:, None] * UNIT + np.array([-UNIT, 0, UNIT])
    tried = np.clip(tried, 0, 1 - UNIT).ravel()
    actions = np.asarray(sample(jnp.float32(0), jnp.float32(tried), jnp.array(values)))
    assert set(np.array(values)[actions]) == {max(values)}


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("values", [(0, 0, 0, 0), (1, 3, 3, 0), (0, 0, 0, 2)])
def test_actions_are_as_frequent_as_they_are_probable(probabilities, sample, epsilon, values):
    q, count = jnp.array(values, jnp.float32), 20_000
    uniforms = jnp.float32(np.random.default_rng(0).integers(0, 2**23, count) * UNIT)
    counts = np.bincount(sample(jnp.float32(epsilon), uniforms, q), minlength=NUM_ACTIONS)
    expected = np.asarray(probabilities(jnp.float32(epsilon), q), float)
    possible = expected > 0
    assert counts[~possible].sum() == 0
    if possible.sum() == 1:
        return
    expected = expected[possible] / expected[possible].sum() * count
    assert stats.chisquare(counts[possible], expected).pvalue > 1e-3


# --- a probability that changes with the real step -------------------------------------------------


def test_epsilon_goes_evenly_to_its_end_and_stays() -> None:
    # From 0.9 to 0.1 in 4 steps: 0.2 less each.
    steps = jnp.arange(7)
    np.testing.assert_allclose(epsilon_at(steps, 0.9, 0.1, 4), [0.9, 0.7, 0.5, 0.3, 0.1, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(epsilon_at(steps, 0.1, 0.9, 4), [0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.9], rtol=1e-6)


def test_real_steps_explore_by_their_number_and_planning_as_at_first() -> None:
    table, q = values.table(1, NUM_ACTIONS), jnp.array([[1.0, 3.0, 3.0, 0.0]])
    policy, number, noise = linear_epsilon(0.8, 0.0, 4)(table), jnp.int32(0), jnp.linspace(0, 0.999, 1001)

    def chosen(sample, *step):
        return jax.vmap(lambda one: sample(one, q, number, *step))(noise)

    for step, epsilon in enumerate((0.8, 0.6, 0.4, 0.2, 0.0, 0.0)):
        known = chosen(epsilon_greedy(epsilon)(table).sample)
        # Where a share ends, rounding decides.
        assert (chosen(policy.explore, jnp.int32(step)) != known).sum() <= 3
    np.testing.assert_array_equal(chosen(policy.sample), chosen(epsilon_greedy(0.8)(table).sample))
    np.testing.assert_array_equal(
        policy.actions(q, 0).probability, epsilon_greedy(0.8)(table).actions(q, 0).probability
    )


SUITE = dataclasses.replace(
    choose_agents(SUITES["tmaze-fixed"], ["uniform"]),
    environment=TMazeSettings(stem=2, arm=1, switch_every=200),
    steps=800,
    record_every=50,
)


def rewards_of(**changes) -> np.ndarray:
    return mgsc.run(dataclasses.replace(SUITE, **changes), seeds=20).reward.sel(agent="uniform").mean("seed").values


def test_a_run_explores_less_and_less() -> None:
    """With ε = 1 all actions are any; at the end, with 0, none is."""
    falls = LinearEpsilonSettings(final=0.0, over_steps=400)
    rewards, any_actions = rewards_of(epsilon=1.0, policy=falls), rewards_of(epsilon=1.0)
    gain = rewards - any_actions
    # The third phase, whose rewards the model has, and the first step to it.
    assert gain[8:12].mean() > 4 * gain[0] > 0, gain


def test_an_epsilon_that_does_not_change_is_epsilon_greedy() -> None:
    even = LinearEpsilonSettings(final=SUITE.epsilon, over_steps=1)
    np.testing.assert_array_equal(rewards_of(policy=even), rewards_of())


def test_the_best_policy_explores_as_the_suite_does() -> None:
    falls = dataclasses.replace(SUITE, policy=LinearEpsilonSettings(final=0.0, over_steps=400))
    fixed, found, free = optimum(SUITE), optimum(falls), optimum(falls, 0.0)
    np.testing.assert_allclose(found[0], fixed[0], rtol=0.02)
    assert (fixed[1:] < found[1:]).all()
    np.testing.assert_allclose(found[9:], free[9:], rtol=1e-3)
    assert found[1:7].sum() < free[1:7].sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy.final": "1.5"}, r"policy.final is 1\.5: it must be"),
        ({"policy.over_steps": "0"}, "policy.over_steps is 0: it must be a whole number in"),
    ],
)
def test_impossible_settings_are_refused(changes, message) -> None:
    with pytest.raises(UserError, match=message):
        check_suite(change_suite(dataclasses.replace(SUITE, policy=LinearEpsilonSettings()), changes))
