"""Strategies are told apart by what they query, not by reward."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats
from tests.quick import quick_jit, slow_but_for
from tests.search_control import strategies_table as table
from tests.search_control.strategies_table import BESIDE_A_GOAL, IS_TERMINAL, META_GRADIENT, VARIANTS

from mgsc.agent import parts_of as agent_parts
from mgsc.environments import from_map
from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.search_control import avoid_terminal, from_logits, meta_gradient, uniform, uniform_pairs
from mgsc.search_control.base import make_distribution, masked_softmax, sample_query
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Candidates, Params, Transition

ALLOWED = np.flatnonzero(~IS_TERMINAL)
EACH_META_GRADIENT = pytest.mark.parametrize(
    "name", slow_but_for(["meta_gradient", "meta_gradient, sgd", "meta_gradient, recent"], META_GRADIENT)
)


def queries(name: str, num_seeds: int = 8) -> np.ndarray:
    return np.concatenate([table.run(name, seed).query.ravel() for seed in range(num_seeds)])


def test_uniform_asks_everywhere_equally():
    counts = np.bincount(queries("uniform"), minlength=table.NUM_STATES)
    assert counts[IS_TERMINAL].sum() == 0
    # 8 seeds · 120 steps · 3 updates over 5 states: 576 each.
    assert stats.chisquare(counts[ALLOWED]).pvalue > 1e-3
    weights = table.run("uniform").weights
    np.testing.assert_allclose(weights[:, ALLOWED], 0.2, atol=1e-6)


def test_uniform_pairs_asks_of_every_action_equally():
    weights = uniform_pairs(3)(None).weights((), None, table.PROBLEM.listed)
    assert weights.shape == (table.NUM_STATES, 3)
    np.testing.assert_allclose(weights[np.array(ALLOWED)], 1 / 15, atol=1e-6)
    assert not weights[IS_TERMINAL].any()


def test_avoid_terminal_never_asks_beside_a_goal():
    counts = np.bincount(queries("avoid_terminal"), minlength=table.NUM_STATES)
    safe = [state for state in ALLOWED if state not in BESIDE_A_GOAL]
    assert counts.sum() == counts[safe].sum()
    assert stats.chisquare(counts[safe]).pvalue > 1e-3
    assert not table.run("avoid_terminal").weights[:, list(BESIDE_A_GOAL)].any()


def test_avoid_terminal_counts_transitions_of_every_phase():
    tables = table.PROBLEM.known.tables
    phase = np.arange(2)[:, None, None, None]
    # Now the right arm ends in the first phase only, and the left arm in the second only.
    ends = tables.terminates & (tables.successor == np.where(phase == 0, 4, 0))
    control = avoid_terminal(tables._replace(terminates=ends))(None)
    weights = control.weights((), None, table.PROBLEM.listed)
    np.testing.assert_allclose(weights, [0, 0, 1 / 3, 0, 0, 1 / 3, 1 / 3], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "goals", "message"),
    [("S..", {}, "continues for ever"), ("SA", {"A": (1.0,)}, "no state left")],
)
def test_avoid_terminal_refuses_mazes_without_a_state_to_avoid_or_to_ask(text, goals, message):
    with pytest.raises(UserError, match=message):
        avoid_terminal(from_map(text, goals).tables)


def test_replay_repeats_one_of_the_last_real_transitions():
    for seed in range(3):
        seen = table.run("replay", seed)
        real, planned = seen.transition, seen.planned
        ages = set()
        for step in range(table.NUM_STEPS):
            begin = max(0, step + 1 - table.WINDOW)
            window = np.stack([column[begin : step + 1] for column in real], axis=1)
            for number in range(table.BUDGET):
                outcome = np.array([column[step, number] for column in planned])
                same = np.flatnonzero((window == outcome).all(1))
                assert len(same), f"step {step} replays what is not among the last {table.WINDOW}"
                ages |= {len(window) - 1 - place for place in same}
        assert ages == set(range(table.WINDOW)), "the oldest and the newest are replayed, too"


def test_replay_reports_the_distribution_of_its_window():
    seen = table.run("replay")
    for step in (0, 3, table.WINDOW, 50, table.NUM_STEPS - 1):
        window = seen.transition.observation[max(0, step + 1 - table.WINDOW) : step + 1]
        visits = np.bincount(window, minlength=table.NUM_STATES)
        np.testing.assert_allclose(seen.weights[step], visits / visits.sum(), atol=1e-6)


@EACH_META_GRADIENT
def test_meta_gradient_moves_its_distribution(name):
    weights = table.run(name).weights
    assert np.abs(weights[-1] - weights[0])[ALLOWED].max() > 0.005
    assert (table.run(name).search["meta_loss"] >= 0).all()
    assert table.run(name).search["meta_loss"].any()


@EACH_META_GRADIENT
def test_variants_of_meta_gradient_differ(name):
    """An option that is read and forgotten would leave the run as it was."""
    base = table.run("meta_gradient").weights
    is_same = np.array_equal(table.run(name).weights, base)
    # A fixed model does not learn, so the order of learning cannot matter; one recent transition is the newest.
    assert is_same == (name in ("meta_gradient", "meta_gradient, model first", "meta_gradient, recent of one"))


def test_the_order_of_learning_matters_where_the_model_learns():
    first, later = (table.run(f"meta_gradient, learned model{order}") for order in (" first", ""))
    assert not np.array_equal(first.weights, later.weights)


@pytest.mark.parametrize(
    # Relative to step_size² · K · max|R|², here 0.5² · 3 · 1 = 0.75.
    ("unit", "known"),
    [("reward", 0.1), ("relative", 0.075)],
)
def test_the_entropy_bonus_has_a_unit(monkeypatch, unit, known):
    given = {}

    def strategy(optimizer, **choices):
        given.update(choices)

    monkeypatch.setattr("mgsc.search_control.meta_gradient_row.meta_gradient", strategy)
    settings = STRATEGIES["meta_gradient"].settings(entropy_bonus=0.1, entropy_unit=unit)
    STRATEGIES["meta_gradient"].build(settings, table.facts_of(table.PROBLEM))
    assert given["entropy_bonus"] == pytest.approx(known)


def test_a_large_entropy_bonus_keeps_d_uniform_and_none_lets_it_go():
    def spread(**changes: float) -> float:
        return float(np.ptp(table.run("meta_gradient", **changes).weights[-1][ALLOWED]))

    assert spread(entropy_bonus=1.0) < 0.25 * spread(entropy_bonus=0.0)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_d_is_the_softmax_of_logits_over_temperature(temperature):
    seen = table.run("meta_gradient", temperature=temperature)
    scores = np.exp(seen.state.search.inner.logits[-1] / temperature) * ~IS_TERMINAL
    np.testing.assert_allclose(seen.weights[-1], scores / scores.sum(), rtol=1e-5)


def test_one_meta_update_by_hand():
    """Plain SGD, one step, in closed form: g_s = −2 α² K δ̄ π(a|s) E_m[δ(s, a)]."""
    built = build_agent(table.SUITE, VARIANTS["uniform"].agent, table.PROBLEM)
    parts = agent_parts(built.values, built.policy, built.model)
    control = meta_gradient(optax.sgd(1.0), step_size=0.5, planning_updates=2)(parts)
    values = jnp.zeros((table.NUM_STATES, 4)).at[3, 3].set(0.5)
    # Beside the right goal (state 3), action right: the model expects reward 1 with probability
    # 0.925, and otherwise to bump (up, down: 0.05) or to go left (0.025) with nothing to gain but
    # its own value: E[δ] = 0.925·1 + 0.05·γ·0.5 − 0.5.
    gamma, epsilon = table.SUITE.discount, table.SUITE.epsilon
    expected_error = 0.925 + 0.05 * gamma * 0.5 - 0.5
    policy = 1 - epsilon + epsilon / 4
    weight = 1 / 5
    planned = 0.5 + 0.5 * 2 * weight * policy * expected_error
    td_error = -1.0 - planned  # the reward has been swapped
    slope = -2 * 0.5**2 * 2 * td_error * policy * expected_error
    # ∂L/∂η_i = w_i (g_i − Σ_j w_j g_j), and the optimiser goes down it.
    expected = [-weight * (slope * (s == 3) - weight * slope) for s in range(7)] * ~IS_TERMINAL

    @quick_jit
    def update():
        state = control.init(jax.random.key(0), Params(None, None), table.PROBLEM.listed)
        seen = Transition(jnp.int32(3), jnp.int32(3), jnp.float32(-1), jnp.float32(0), jnp.int32(4))
        return control.observe(state, Params(values, ()), table.PROBLEM.listed, seen)

    after, info = update()
    np.testing.assert_allclose(info["meta_loss"], (0.5 * td_error) ** 2, rtol=1e-5)
    np.testing.assert_allclose(after.logits, expected, rtol=1e-5, atol=1e-7)
    assert after.logits[3] < 0, "real experience points the other way: query less"
    scores = np.exp(expected) * ~IS_TERMINAL
    np.testing.assert_allclose(after.weights, scores / scores.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "form", "target"),
    [
        ("table", "unrolled", "planned"),
        ("table", "scaled", "current"),
        ("network", "unrolled", "planned"),
        ("network", "saturating", "planned"),
    ],
)
def test_meta_gradient_refuses_a_method_that_does_not_offer_the_form(method, form, target):
    with pytest.raises(ValueError, match=f'method "{method}" offers'):
        meta_gradient(
            optax.adam(0.1),
            step_size=0.5,
            planning_updates=1,
            form=form,
            target=target,
            method=method,
        )


def test_masked_softmax_gives_exactly_zero_to_what_is_not_allowed():
    allowed = jnp.array([True, False, True])
    weights = masked_softmax(jnp.array([0.0, 50.0, jnp.log(3.0)]), allowed)
    np.testing.assert_allclose(weights, [0.25, 0, 0.75], rtol=1e-6)
    assert weights[1] == 0
    joint = masked_softmax(jnp.zeros((3, 2)), allowed)
    np.testing.assert_allclose(joint, [[0.25, 0.25], [0, 0], [0.25, 0.25]], rtol=1e-6)
    pairs = masked_softmax(jnp.zeros((3, 2)), jnp.array([[True, False], [False, False], [True, True]]))
    np.testing.assert_allclose(pairs, [[1 / 3, 0], [0, 0], [1 / 3, 1 / 3]], rtol=1e-6)


def test_the_shared_sampler_draws_states_pairs_and_candidates_that_bring_their_action():
    names = jnp.array([10, 11, 12])
    candidates = Candidates(names * 2, names, jnp.ones(3, bool))
    states = make_distribution(jnp.array([0.25, 0.25, 0.5]))
    query = sample_query(jnp.float32(0.3), states, candidates)
    assert (int(query.index), int(query.observation), query.action) == (11, 22, None)
    pairs = make_distribution(jnp.array([[0.0, 0.25], [0.25, 0.0], [0.0, 0.5]]))
    for uniform_number, expected in ((0.0, (10, 1)), (0.3, (11, 0)), (0.6, (12, 1)), (0.99, (12, 1))):
        query = sample_query(jnp.float32(uniform_number), pairs, candidates)
        assert (int(query.index), int(query.action)) == expected
    own = candidates._replace(action=jnp.array([3, 2, 1]))
    assert int(sample_query(jnp.float32(0.3), states, own).action) == 2


def test_from_logits_makes_a_strategy_of_a_formula():
    def logits(state, params, candidates):
        return jnp.log(candidates.observation.astype(float) + 1)

    strategy = from_logits(logits)(None)
    weights = strategy.weights((), None, table.PROBLEM.listed)
    # States 1, 2, 3, 5, 6 are allowed: 2 + 3 + 4 + 6 + 7 = 22.
    np.testing.assert_allclose(weights, np.array([0, 2, 3, 4, 0, 6, 7]) / 22, rtol=1e-6)
    assert strategy.init(None, None, None) == ()
    assert uniform()(None).propose is None


def test_uniform_pairs_refuses_candidates_that_bring_their_actions():
    suite = change_suite(choose_agents(get_suite("net-cartpole"), ["uniform_pairs"]), {"candidates.actions": "stored"})
    with pytest.raises(UserError, match="uniform_pairs chooses actions, and these candidates bring their own"):
        build_agent(suite, suite.agents["uniform_pairs"], build_problem(suite))
