"""The ensemble of `uncertainty`: against a plain account, by hand, and how its disagreement falls."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.experiments import programs
from tests.quick import quick_jit
from tests.search_control import strategies_table as table
from tests.search_control.plain import steps
from tests.test_kernel import ON_CPU, is_one_kernel

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import SUITES
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.program import Lane, Program
from mgsc.search_control import Ensemble, uncertainty
from mgsc.search_control.ensemble import MOST_MEMBERS, coins, disagreement, is_tried, learn_from, new_ensemble
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Candidates, Params, Parts, Transition

OPTIONS = STRATEGIES["uncertainty"].settings(source="ensemble")
SEEN_NOTHING = 1.0
"""Disagreement of members that saw nothing of a pair."""


def account(learned: list[list[tuple[float, tuple[int, bool]]]]) -> float:
    """Disagreement on one pair, from each member's list of (reward, outcome); a guess is an entry of its own."""
    outcomes = sorted({outcome for own in learned for _, outcome in own})
    foretold = []
    for member, own in enumerate(learned):
        guess = [float(member == other and not own) for other in range(len(learned))]
        shares = [np.mean([outcome == it for _, it in own]) if own else 0.0 for outcome in outcomes]
        foretold.append([*shares, *guess, np.mean([reward for reward, _ in own]) if own else 0.0])
    return float(np.sqrt(np.var(foretold, axis=0, ddof=1).sum()))


def test_disagreement_step_by_step():
    """Coins are taken as they are thrown; all that follows from them is worked out anew."""
    seen = table.run("uncertainty, ensemble")
    words, members = jnp.asarray(seen.state.search.inner.words[0]), OPTIONS.members
    thrown = np.asarray(jax.vmap(lambda step: coins(words, step, members))(jnp.arange(table.NUM_STEPS)))
    learned, levels = {}, set()
    for step in steps(seen):
        state, action, reward, discount, successor = step.real
        own = learned.setdefault((state, action), [[] for _ in range(members)])
        for member in np.flatnonzero(thrown[step.number]):
            own[member].append((reward / table.PROBLEM.facts.reward_scale, (successor, discount == 0)))
        unsure = {pair: account(lists) for pair, lists in learned.items()}
        expected = np.zeros((table.NUM_STATES, table.NUM_ACTIONS))
        for pair, amount in unsure.items():
            expected[pair] = amount
        found = seen.state.search.inner.disagreement[step.number].reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        shares = np.zeros_like(expected)
        for pair, amount in unsure.items():
            shares[pair] = np.exp(-amount / OPTIONS.temperature)
        np.testing.assert_allclose(seen.weights[step.number], shares / shares.sum(), atol=1e-5)
        levels |= {round(amount, 3) for amount in unsure.values()}
    assert {0.0, SEEN_NOTHING} <= levels
    assert len(levels) > 20


@pytest.mark.parametrize(
    ("counts", "rewards", "expected"),
    [
        # Probabilities 1 and 1/2 of one outcome, 0 and 1/2 of the other: 1/8 each. Rewards 1 and 0: 1/2.
        ([[2, 1], [0, 1]], [1, 0], 0.75),
        # Three of four know it, and one has a guess of its own: (3/16 + 9/16) / 3, and 1/4 for the guess.
        ([[5, 1, 3, 0]], [0, 0, 0, 0], 0.5),
        # Rewards alone: 0, 1/2 and 1 around 1/2.
        ([[1, 2, 4]], [0, 0.5, 1], 0.25),
        ([[3, 1], [6, 2]], [0.5, 0.5], 0.0),
        ([[0, 0, 0], [0, 0, 0]], [0, 0, 0], SEEN_NOTHING),
    ],
)
def test_disagreement_by_hand(counts, rewards, expected):
    found = disagreement(jnp.asarray(counts, float), jnp.asarray(rewards, float))
    np.testing.assert_allclose(found**2, expected, rtol=1e-6)


def test_the_fewer_saw_a_pair_the_more_they_disagree():
    """However many there are, and whatever that pair leads to."""
    for members in (2, 5, 64):
        knows = jnp.arange(members) < jnp.arange(members + 1)[:, None]
        levels = quick_jit(jax.vmap(lambda row: disagreement(row[None] * 3.0, row * 0.0)))(knows)
        assert levels[0] == SEEN_NOTHING
        assert levels[-1] == 0
        assert (np.diff(levels) <= 1e-6).all()


def streams(kinds, num_steps, members, seeds=1, dtype=np.float32):
    """Disagreement [seeds, num_steps] of the one pair that is tried, and the state at the end.

    ``kinds`` are the (reward, successor, discount) that follow, drawn equally often by chance, the same for all seeds.
    """
    drawn = np.random.default_rng(0).integers(len(kinds), size=num_steps)
    reward, successor, discount = (np.array(column)[drawn] for column in zip(*kinds, strict=True))
    ensemble = Ensemble(members, max_successors=3, reward_scale=2.0)

    def step(state, it):
        reward, discount, successor = it
        state = learn_from(
            ensemble, state, jnp.int32(1), Transition(jnp.int32(0), jnp.int32(1), reward, discount, successor)
        )
        return state, state.disagreement[1]

    def one(seed):
        begun = new_ensemble(jax.random.key(seed), 4, ensemble)
        return lax.scan(step, begun, (reward.astype(dtype), discount.astype(dtype), successor.astype(np.int32)))

    return jax.tree.map(np.asarray, quick_jit(jax.vmap(one))(jnp.arange(seeds)))[::-1]


def test_what_always_follows_is_soon_sure():
    """A pair is unsure at first, and as sure as can be once every member learned from it."""
    found, state = streams([(2.0, 3, 0.9)], 60, members=8, seeds=50)
    assert (np.diff(found, axis=1) <= 1e-6).all(), "it never grows"
    assert found[:, 0].mean() > 0.7
    assert found[:, -1].max() < 1e-6
    # After n steps a member knows nothing with probability 2^-n.
    assert (found[:, 2] > 1e-6).mean() == pytest.approx(1 - (1 - 2**-3) ** 8, abs=0.2)
    assert not state.disagreement[:, [0, 2, 3]].any()
    assert (np.asarray(jax.vmap(is_tried)(state)) == [False, True, False, False]).all()


@pytest.mark.parametrize(
    ("kinds", "variance"),
    [
        # Two outcomes of probability 1/2 each: 2 p (1 - p); rewards of 0 and 1 over the scale: 1/4.
        ([(0.0, 3, 0.9), (2.0, 2, 0.9)], 0.75),
        ([(1.0, 3, 0.9), (1.0, 3, 0.0)], 0.5),
        ([(0.0, 3, 0.9), (2.0, 3, 0.9)], 0.25),
    ],
)
def test_what_follows_by_chance_is_unsure_as_one_over_root_n(kinds, variance):
    """The bootstrap's variance of a mean of n is that of one over n; here measured over 200 ensembles of 16."""
    found, state = streams(kinds, 1600, members=16, seeds=200)
    for number in (100, 400, 1600):
        scaled = found[:, number - 1] ** 2 * number / variance
        error = scaled.std(ddof=1) / np.sqrt(len(scaled))
        assert abs(scaled.mean() - 1) < 4 * error
        assert error < 0.04
    assert state.count[:, 1].sum(1).mean() == pytest.approx(1600 / 2, rel=0.01), "each learned from half"


def test_outcomes_without_a_slot_are_ignored():
    found, state = streams([(float(number), number, 0.9) for number in range(5)], 200, members=4)
    assert np.isfinite(found).all()
    assert len(set(state.outcome[0, 1])) == 3
    drawn = np.random.default_rng(0).integers(5, size=200)
    kept = np.isin(2 * drawn, state.outcome[0, 1])
    words = jnp.asarray(state.words[0])
    thrown = np.asarray(jax.vmap(lambda step: coins(words, step, 4))(jnp.arange(200)))
    np.testing.assert_array_equal(state.count[0, 1].sum(0), thrown[kept].sum(0))
    means = [drawn[kept][own].mean() / 2 for own in thrown[kept].T]
    np.testing.assert_allclose(state.reward[0, 1], means, rtol=1e-4)


def test_coins_are_fair_and_each_its_own():
    """4,000 throws of 64: every coin, every two coins, and every coin at two steps in turn."""
    throws = 4000
    words = new_ensemble(jax.random.key(3), 1, Ensemble(2, 1, 1.0)).words
    thrown = np.asarray(jax.vmap(lambda step: coins(words, step, MOST_MEMBERS))(jnp.arange(throws)))
    assert thrown.shape == (throws, 64)
    signs = 2.0 * thrown - 1
    limit = 5 / np.sqrt(throws)
    assert np.abs(signs.mean(0)).max() < limit
    assert np.abs(signs.T @ signs / throws - np.eye(64)).max() < limit
    assert np.abs((signs[1:] * signs[:-1]).mean(0)).max() < limit
    few = np.asarray(jax.vmap(lambda step: coins(words, step, 5))(jnp.arange(throws)))
    np.testing.assert_array_equal(few, thrown[:, :5])
    other = new_ensemble(jax.random.key(4), 1, Ensemble(2, 1, 1.0)).words
    other = np.asarray(jax.vmap(lambda step: coins(other, step, 64))(jnp.arange(throws)))
    assert (other != thrown).mean() == pytest.approx(0.5, abs=0.02)


def test_seeds_throw_other_coins():
    first, second = table.run("uncertainty, ensemble", seed=1), table.run("uncertainty, ensemble", seed=2)
    assert (first.state.search.inner.words[0] != second.state.search.inner.words[0]).all()
    assert (first.state.search.inner.words == first.state.search.inner.words[0]).all(), "they stay"


@pytest.mark.parametrize("members", [1, 65])
def test_too_few_or_too_many_members_are_refused(members):
    with pytest.raises(ValueError, match=f"2 to 64 members, not {members}"):
        new_ensemble(jax.random.key(0), 4, Ensemble(members, 2, 1.0))


def test_pairs_never_tried_have_no_weight_whoever_learned():
    index = jnp.arange(3)
    control = uncertainty(2, 0.3, Ensemble(4, 2, 1.0))(Parts(*[None] * 6))
    candidates = Candidates(index, index, jnp.ones(3, bool))
    it = Transition(jnp.int32(1), jnp.int32(0), jnp.float32(0), jnp.float32(0.9), jnp.int32(2))

    def after_one(seed):
        state = control.init(jax.random.key(seed), Params(None, None), candidates)
        state, _ = control.observe(state, Params(None, None), candidates, it)
        return control.weights(state, Params(None, None), candidates), state.count.sum()

    weights, learned = quick_jit(jax.vmap(after_one))(jnp.arange(100))
    np.testing.assert_array_equal(weights, [[[0, 0], [1, 0], [0, 0]]] * 100)
    assert set(np.asarray(learned).tolist()) == {0, 1, 2, 3, 4}


def test_in_float64_it_is_the_same_but_for_rounding():
    kinds = [(0.0, 3, 0.9), (2.0, 2, 0.9), (1.0, 2, 0.0)]
    single, _ = streams(kinds, 300, members=5, seeds=3)
    with jax.enable_x64(True):
        double, state = streams(kinds, 300, members=5, seeds=3, dtype=np.float64)
    assert {leaf.dtype.name for leaf in state} == {"int32", "float64"}
    np.testing.assert_allclose(double, single, atol=2e-6)
    assert double.dtype == np.float64


@pytest.fixture(scope="module")
def made():
    return programs.compiled(
        Program(programs.SUITE, AgentSettings("uncertainty", options=OPTIONS), programs.PROBLEM, programs.ROOT_SEED)
    )


@ON_CPU
def test_it_runs_in_one_kernel(made):
    assert is_one_kernel(made.functions(jax.local_devices()[0]).call)


def test_a_seed_alone_equals_the_same_seed_in_any_batch(made):
    alone = programs.run(made, [Lane(3, {})])
    for others in ([Lane(9, {"temperature": 2.0}), Lane(4, {})], [Lane(100, {"step_size": 0.1})]):
        for place in range(len(others) + 1):
            block = programs.run(made, [*others[:place], Lane(3, {}), *others[place:]])
            for key in block:
                np.testing.assert_array_equal(block[key][place], alone[key][0], err_msg=key)
            assert len(np.unique(block["reward"], axis=0)) == len(others) + 1


def test_members_have_slots_for_the_outcomes_of_all_phases():
    """Where walls change a pair leads elsewhere in another phase, which a stale model does not know of."""
    problem = build_problem(SUITES["compare-blocking"])
    options = dataclasses.replace(OPTIONS, members=3)
    control = STRATEGIES["uncertainty"].build(options, table.facts_of(problem))(Parts(*[None] * 6))
    state = jax.eval_shape(control.init, jax.random.key(0), Params((), ()), problem.listed)
    tables = problem.known.tables
    is_possible = tables.probability > 0
    assert is_possible.sum(-1).max() == 1, "each phase is deterministic"
    assert state.count.shape == (len(problem.listed.index) * 4, 2, 3)
