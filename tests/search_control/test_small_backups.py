"""Small backups: against a plain account, and what planning by them alone must come to."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tests.quick import quick_jit
from tests.search_control import plain
from tests.search_control import strategies_table as table
from tests.search_control.plain import DISCOUNT, MODEL, PAIRS, STEP_SIZE, steps

from mgsc.agent import parts_of as agent_parts
from mgsc.dyna import learn
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.optimal import optimal_values
from mgsc.models import FixedModel, LearnedModel
from mgsc.search_control import small_backups
from mgsc.search_control.base import make_distribution
from mgsc.search_control.small_backups import ROUNDING
from mgsc.types import Backup, Params, Transition


def slots_of(state, action):
    """(P, γ, successor) of all slots, also those that cannot happen."""
    for slot in range(MODEL.probability.shape[2]):
        ends = MODEL.terminates[state, action, slot]
        yield MODEL.probability[state, action, slot], 0.0 if ends else DISCOUNT, MODEL.successor[state, action, slot]


def test_small_backups_follow_the_successor_that_moved_most():
    """Every stored value is accounted for; where nothing is above the threshold nothing changes."""
    seen, threshold = table.run("small_backups"), 1e-3
    stored = {pair: [0.0] * MODEL.probability.shape[2] for pair in PAIRS}
    scale = np.zeros(seen.query.shape)

    def hear(pair, successor, worth):
        for slot, (_, _, other) in enumerate(slots_of(*pair)):
            stored[pair][slot] = worth if other == successor else stored[pair][slot]

    for step in steps(seen, scale):
        if step.real[3] > 0:
            hear(step.real[:2], step.real[4], step.at_first[step.real[4]].max())
        values = step.before[0]
        for k, query in enumerate(step.queries):
            changes = {
                (pair, s): sum(
                    p * g * (values[s].max() - u)
                    for (p, g, other), u in zip(slots_of(*pair), stored[pair], strict=True)
                    if other == s
                )
                for pair in PAIRS
                for _, _, s in slots_of(*pair)
            }
            most, pair = max(map(abs, changes.values())), query[:2]
            assert abs(most - threshold) > 1e-7, "too close to call"
            if most <= threshold:
                continue
            change = changes[pair, query[4]]
            assert abs(change) >= most - 1e-6
            assert query[2:4] == pytest.approx((values[pair] + change, 0.0), abs=1e-5)
            scale[step.number, k] = 1 / STEP_SIZE
            hear(pair, query[4], values[query[4]].max())
            values = values.copy()
            values[pair] += change
        found = seen.state.search.inner.stored[step.number].reshape(*values.shape, -1)
        for pair, expected in stored.items():
            np.testing.assert_allclose(found[pair], expected, atol=1e-5)
    assert 0.2 < (scale > 0).mean() < 1, "both happen"
    assert len({pair for pair in zip(*(part[scale > 0] for part in seen.planned[:2]), strict=True)}) > 5


def test_nothing_above_the_threshold_changes_nothing():
    seen = table.run("small_backups", threshold=100.0)
    assert seen.values.any()
    assert sum(1 for _ in steps(seen, np.zeros(seen.query.shape))) == table.NUM_STEPS
    assert np.ptp(seen.weights[:, plain.ALLOWED]) < 1e-7


def planner(suite, threshold=0.0, only_tried=False):
    """The problem, an agent to learn with, small backups, and its state before the first step."""
    problem = build_problem(suite)
    agent = build_agent(suite, table.VARIANTS["uniform"].agent, problem)
    parts = agent_parts(agent.values, agent.policy, agent.model)
    control = small_backups(4, threshold, step_size=0.3, only_tried=only_tried)(parts)
    begun = control.init(None, Params(agent.values.init(None)[0], agent.model.init(None)), agent.candidates.listed)
    return problem, agent, control, begun


def backup_at(state, action):
    """What the direct update at a pair tells: who asks about all pairs after it hears of them all."""
    real = Transition(jnp.int32(state), jnp.int32(action), jnp.float32(0), jnp.float32(0.9), jnp.int32(1))
    return Backup(jnp.int32(-1), real, jnp.float32(0))


def planned(agent, control, begun, values, num_updates):
    """Values and state after planning alone, and by how much the last updates have moved."""
    model = agent.model.init(None)
    begun = control.after_learning(begun, Params(values, model), backup_at(0, 0))

    def update(carry, noise):
        values, state = carry
        distribution = make_distribution(control.weights(state, Params(values, model), agent.candidates.listed))
        query = control.propose(noise, state, Params(values, model), distribution, agent.candidates.listed, None)
        after, _, backup = learn(agent, Params(values, ()), query.outcome, query.index, 0.3 * query.step_scale)
        return (after, control.after_backup(state, Params(after, model), backup)), jnp.abs(after - values).max()

    noise = jax.random.uniform(jax.random.key(0), (num_updates,))
    return quick_jit(lambda: lax.scan(update, (values, begun), noise))()


@pytest.mark.parametrize("corrupted_share", [0.0, 0.4])
def test_planning_alone_leads_to_the_optimal_values(corrupted_share):
    """From expected rewards and U = 0, q = R + Σ P γ U always: Bellman's equation, once no U is out of date."""
    suite = dataclasses.replace(
        table.SUITE,
        discount=DISCOUNT,
        model=FixedModel(transition_noise=0.2, reward_noise=0.3, corrupted_share=corrupted_share, noise_seed=3),
    )
    problem, agent, control, begun = planner(suite)
    model = problem.known.model_tables
    rewards = jnp.sum(model.probability * model.reward, -1)
    (values, _), moves = planned(agent, control, begun, rewards, 6000)
    assert moves[:20].min() > 0
    assert not moves[-20:].any(), "nothing is left to be done"
    one_phase = {name: getattr(model, name)[None] for name in model._fields[:4]}
    expected = optimal_values(model._replace(**one_phase), DISCOUNT)[0]
    # Each of five slots may be out of date by ROUNDING.
    tolerance = 5 * ROUNDING * np.abs(expected).max() / (1 - DISCOUNT)
    assert tolerance < 2e-3 < 0.3 < np.ptp(expected[plain.ALLOWED])
    np.testing.assert_allclose(values[plain.ALLOWED], expected[plain.ALLOWED], atol=tolerance)


def test_planning_leaves_what_is_not_owed_to_stored_values():
    """From any values and any U, q − Σ P γ U stays as it is."""
    problem, agent, control, begun = planner(table.SUITE, threshold=0.01)
    random, model = np.random.default_rng(1), problem.known.model_tables
    values = jnp.asarray(random.normal(size=(7, 4)), jnp.float32)
    # Slots of one successor share their U.
    drawn = random.normal(size=(28, 7))
    stored = np.take_along_axis(drawn, model.successor.reshape(28, -1), axis=1)
    begun = begun._replace(stored=jnp.asarray(stored, jnp.float32))
    onward = model.probability * ~model.terminates * table.SUITE.discount

    def own(values, state):
        return np.asarray(values - (onward * state.stored.reshape(7, 4, -1)).sum(-1))

    (after, state), moves = planned(agent, control, begun, values, 4000)
    np.testing.assert_allclose(own(after, state), own(values, begun), atol=1e-5)
    assert (np.asarray(after) != values)[plain.ALLOWED].mean() > 0.5
    assert moves[-1] == 0, "all that is left is below the threshold"
    best = np.asarray(after).max(-1)[model.successor]
    left = np.abs(onward * (best - np.asarray(state.stored).reshape(7, 4, -1)))
    assert left[plain.ALLOWED].max() <= 0.01 + 1e-6


@pytest.mark.slow
def test_the_initial_values_are_what_everything_was_worth_at_first():
    suite = dataclasses.replace(table.SUITE, agents={"small_backups": table.VARIANTS["small_backups"].agent})
    agent, optimism = build_agent(suite, suite.agents["small_backups"], table.PROBLEM), 2.0
    control, values = agent.search_control, jnp.full((7, 4), optimism)
    state = control.init(None, Params(values, ()), agent.candidates.listed)
    np.testing.assert_array_equal(state.stored, np.full_like(state.stored, optimism))
    (after, _), _ = planned(agent, control, state, values, 20)
    np.testing.assert_array_equal(after, values)
    real = Transition(jnp.int32(2), jnp.int32(1), jnp.float32(0), jnp.float32(0.9), jnp.int32(1))
    later, _ = control.observe(state, Params(values + 1, ()), agent.candidates.listed, real)
    answers = agent.model.expect((), 2, 1)
    np.testing.assert_allclose(later.stored[2 * 4 + 1], optimism + (answers.observation == 1))
    assert (np.asarray(later.stored) > optimism).sum() == (answers.observation == 1).sum()


def test_a_learned_outcome_begins_at_what_the_direct_update_used():
    """Without that a first direct update, of step size one, would be followed by the same change again."""
    suite = dataclasses.replace(table.SUITE, model=LearnedModel())
    _, agent, control, state = planner(suite, only_tried=True)
    values = jnp.zeros((7, 4)).at[3, 2].set(0.8)
    model = agent.model.init(None)

    def step(state, values, model, successor):
        real = Transition(jnp.int32(2), jnp.int32(1), jnp.float32(0), jnp.float32(0.9), successor)
        state, _ = control.observe(state, Params(values, model), agent.candidates.listed, real)
        values, *_ = learn(agent, Params(values, ()), real, -1, 1.0)
        model = agent.model.update((), model, real)
        state = control.after_learning(state, Params(values, model), Backup(jnp.int32(-1), real, jnp.float32(0)))
        query = control.propose(jnp.float32(0.5), state, Params(values, model), None, agent.candidates.listed, None)
        return state, values, model, agent.model.expect(model, 2, 1), query

    step = quick_jit(step)
    for successor in (3, 1, 3):
        worth = float(values[successor].max())
        state, values, model, answers, query = step(state, values, model, jnp.int32(successor))
        found = np.asarray(state.stored[2 * 4 + 1])[np.asarray(answers.observation) == successor]
        np.testing.assert_allclose(found[0], worth, atol=1e-6)
    np.testing.assert_array_equal(np.argwhere(state.tried), [[2, 1]])
    assert query.step_scale == 0, "nothing is owed to what the direct updates used, and other pairs were never tried"
