"""Every promise all strategies share, over every row of the table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import quick_jit, slow_but_for
from tests.search_control import strategies_table as table
from tests.search_control.strategies_table import IS_TERMINAL, PLANNING, VARIANTS

from mgsc import dyna
from mgsc.experiments.running.program import run_key


def over(names):
    """Parametrised over rows; those with other settings than a strategy's own are slow: programs to compile."""
    names = list(names)
    return pytest.mark.parametrize("name", slow_but_for([name for name in names if ", " not in name], names))


ALL = over(VARIANTS)
PROGRAMS = {variant.program: name for name, variant in reversed(VARIANTS.items())}.values()
EACH_PROGRAM = over(PROGRAMS)
EACH_PLANNING = over(PLANNING)


def assert_same(one, other):
    """Equal to the last bit, NaN like NaN."""
    jax.tree.map(np.testing.assert_array_equal, one, other)


def assert_close(one, other):
    """Equal to rounding; whole numbers equal."""
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    tolerance = 1e-6 if one.dtype.kind == "f" else 0
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@EACH_PROGRAM
def test_a_step_returns_the_kind_of_state_it_was_given(name):
    agent = table.build(VARIANTS[name], table.arrays_of(table.numbers_of(VARIANTS[name])))
    key = jax.random.key(0)

    def two_steps():
        noise = dyna.draw_noise(agent, key, jnp.arange(2))
        states = [dyna.init(agent, key)]
        for number in range(2):
            here = jax.tree.map(lambda leaf, number=number: leaf[number], noise)
            states.append(dyna.real_step(agent, states[-1], here)[0])
        return states

    before, after, later = jax.eval_shape(two_steps)
    assert before == after == later
    kinds = {leaf.dtype.name for leaf in jax.tree.leaves(before)}
    assert kinds <= {"int32", "float32"}, "no keys, no flags, nothing wider in a state"


@ALL
def test_everything_stays_finite(name):
    for leaf in jax.tree.leaves(table.run(name)):
        assert np.isfinite(leaf).all()


@EACH_PLANNING
def test_weights_are_a_distribution_and_masked_states_get_exactly_zero(name):
    weights = table.run(name).weights
    assert weights.shape[:2] == (table.NUM_STEPS, table.NUM_STATES)
    assert weights.shape[2:] in ((), (table.NUM_ACTIONS,)), "over states, or over states and actions"
    np.testing.assert_allclose(weights.reshape(table.NUM_STEPS, -1).sum(1), 1, atol=2e-6)
    assert (weights >= 0).all()
    assert (weights[:, IS_TERMINAL] == 0).all()


@EACH_PLANNING
def test_only_states_of_positive_weight_are_queried(name):
    seen = table.run(name)
    assert (seen.query >= 0).all(), "K queries in every step"
    np.testing.assert_array_equal(seen.query, seen.planned.observation)
    step = np.arange(table.NUM_STEPS)[:, None]
    asked = (step, seen.query) if seen.weights.ndim == 2 else (step, seen.query, seen.planned.action)
    assert (seen.weights[asked] > 0).all()
    assert not IS_TERMINAL[seen.query].any()


@pytest.mark.parametrize("name", slow_but_for(["uniform", "replay"], PROGRAMS))
def test_jit_equals_no_jit(name):
    """From the middle of a run, where nothing is zero any more."""
    seen, middle = table.run(name), table.NUM_STEPS // 2

    def at(number):
        return jax.tree.map(lambda leaf: jnp.asarray(leaf[number]), seen)

    with jax.disable_jit():
        agent = table.build(VARIANTS[name], table.arrays_of(table.numbers_of(VARIANTS[name])))
        _, plain = table.step_by_step(agent)(at(middle).state, at(middle + 1).noise)
    jax.tree.map(assert_close, plain, at(middle + 1))


@ALL
def test_a_sweep_of_numbers_traces_once(name):
    variant = VARIANTS[name]
    own = table.numbers_of(variant)
    for scale in (0.5, 0.25):
        changes = {key: own[key] * scale for key in own if isinstance(own[key], float)}
        table.run(name, seed=3, **changes)
    table.run(name, planning_updates=table.BUDGET - 1)
    assert table.TRACES[variant.program] == 1


@ALL
def test_different_seeds_differ_and_the_same_seed_does_not(name):
    table._run.cache_clear()
    first = table.run(name, seed=1)
    table._run.cache_clear()
    assert_same(first, table.run(name, seed=1))
    other = table.run(name, seed=2)
    assert (first.transition.action != other.transition.action).mean() > 0.2
    if VARIANTS[name].plans:
        assert (first.query != other.query).mean() > 0.2


@ALL
def test_zero_errors_change_nothing(name):
    """Without rewards every TD error and every gradient is exactly zero: d stays where it began."""
    no_bonus = {"bonus": 0.0} if "bonus" in table.numbers_of(VARIANTS[name]) else {}
    seen = table.run(name, reward_scale=0.0, **no_bonus)
    assert not seen.values.any()
    for leaf in jax.tree.leaves(seen):
        assert np.isfinite(leaf).all()
    if VARIANTS[name].strategy == "meta_gradient":
        allowed = ~IS_TERMINAL
        of_states = seen.weights.reshape(*seen.weights.shape[:2], -1).sum(-1)
        np.testing.assert_allclose(of_states, [allowed / allowed.sum()] * table.NUM_STEPS, atol=1e-7)
        assert not seen.search["meta_loss"].any()


@ALL
def test_all_agents_meet_the_same_chance(name):
    """Who only explores walks the same path, whatever is planned beside it."""
    seen, other = table.run(name, epsilon=1.0), table.run("no_planning", epsilon=1.0)
    assert_same(seen.transition, other.transition)
    np.testing.assert_array_equal(seen.state.environment.clock, 1 + np.arange(table.NUM_STEPS))
    assert len(set(seen.transition.observation.tolist())) == table.NUM_STATES - IS_TERMINAL.sum()


@EACH_PLANNING
def test_planning_changes_the_values(name):
    """The test above would pass for agents that never plan."""
    seen, other = table.run(name, epsilon=1.0), table.run("no_planning", epsilon=1.0)
    assert not np.array_equal(seen.values, other.values)


@over(name for name in PLANNING if "unrolled" not in name)
def test_updates_beyond_k_do_nothing(name):
    fewer = table.run(name, planning_updates=1)
    assert (fewer.query[:, 0] >= 0).all()
    assert (fewer.query[:, 1:] == -1).all()


@pytest.mark.parametrize("name", ["replay", "meta_gradient"])
def test_chunks_of_any_length_make_the_same_run(name):
    whole = table.run(name)
    agent = table.build(VARIANTS[name], table.numbers_of(VARIANTS[name]))
    key = run_key(0, table.SEED)

    def third(state):
        recorder = dyna.total_reward()
        return dyna.run_chunk(agent, state, key, num_steps=40, measure_every=8, recorder=recorder)

    third = quick_jit(third)
    state, rewards = dyna.init(agent, key), []
    for _ in range(3):
        state, reward = third(state)
        rewards.append(float(reward))
    np.testing.assert_array_equal(rewards, whole.transition.reward.reshape(3, 40).sum(1))
    np.testing.assert_array_equal(state.values, whole.values[-1])


@pytest.mark.parametrize("name", ["uniform", "meta_gradient"])
def test_fewer_updates_in_a_larger_budget_equal_a_budget_of_their_number(name):
    variant = VARIANTS[name]
    numbers = table.arrays_of(table.numbers_of(variant))

    def static(number):
        agent = table.build(variant, numbers | {"planning_updates": jnp.int32(number)})
        return agent._replace(max_planning_updates=number, planning_updates=number)

    two = quick_jit(lambda: table.trajectory(static(2), jnp.uint32(table.SEED), table.NUM_STEPS))()
    within = table.run(name, planning_updates=2)
    assert_same(two.transition, within.transition)
    assert_same(two.query, within.query)
    np.testing.assert_allclose(two.values, within.values, rtol=1e-5, atol=1e-7)
