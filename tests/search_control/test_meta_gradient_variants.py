"""What the variants of MGSC do differently, and where they must not differ."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.meta_gradient.problems import parts_of
from tests.search_control.strategies_table import (
    IS_TERMINAL,
    NUM_STEPS,
    PROBLEM,
    SUITE,
    VARIANTS,
    build,
    numbers_of,
    run,
)

from mgsc import dyna
from mgsc.agent import parts_of as parts_of_agent
from mgsc.errors import UserError
from mgsc.policies import epsilon_greedy_probabilities
from mgsc.search_control import meta_gradient, network_logits, table_logits
from mgsc.types import Candidates, Params


@pytest.mark.parametrize("name", ["recent of one", "successive of one"])
def test_several_transitions_that_are_one_are_the_method(name):
    np.testing.assert_allclose(run(f"meta_gradient, {name}").weights, run("meta_gradient").weights, atol=1e-5)


def test_several_transitions_change_what_is_learned():
    one = run("meta_gradient").weights
    for name in ("recent", "successive"):
        assert np.abs(run(f"meta_gradient, {name}").weights - one).max() > 1e-3


def test_recent_transitions_are_looked_at_until_they_are_forgotten():
    """Weight moves at a state also in steps after it was visited, which the method alone never does in ∂L/∂w."""
    seen = run("meta_gradient, recent").state.search.inner.recent
    visited = run("meta_gradient, recent").transition.observation
    for step in range(5, NUM_STEPS):
        # The ring of three holds the last three transitions, in whatever order.
        np.testing.assert_array_equal(np.sort(seen.ring.observation[step]), np.sort(visited[step - 2 : step + 1]))
        assert seen.count[step] == step + 1


def test_a_share_of_the_queries_stays_uniform():
    weights = run("meta_gradient, mixture").weights
    allowed = ~IS_TERMINAL
    assert (weights[:, allowed] >= 0.3 / allowed.sum() - 1e-6).all()
    assert (weights[:, ~allowed] == 0).all()
    assert np.ptp(weights[:, allowed]) > 1e-3


def test_the_optimiser_starts_anew_at_every_switch():
    counts = run("meta_gradient, resets").state.search.inner.optimizer[0].count
    expected = np.arange(NUM_STEPS) % SUITE.environment.switch_every + 1
    np.testing.assert_array_equal(counts, expected)


def test_a_meta_update_is_made_every_third_step():
    seen = run("meta_gradient, every third step")
    logits, report = seen.state.search.inner.logits, seen.search["meta_loss"]
    moved = np.abs(np.diff(logits, axis=0)).max(1) > 0
    # Entry t of the difference is what real step t + 2 has changed.
    np.testing.assert_array_equal(np.flatnonzero(moved), np.arange(1, NUM_STEPS - 1, 3))
    assert not logits[:2].any()
    np.testing.assert_array_equal(seen.state.search.inner.optimizer[0].count, (np.arange(NUM_STEPS) + 1) // 3)
    # In the steps between the last report stands.
    assert not report[:2].any()
    np.testing.assert_array_equal(report[3::3], report[2:-1:3])


@pytest.mark.parametrize("experience", ["one", "recent"])
def test_a_meta_update_that_is_due_is_that_of_every_step(experience):
    """From the same state, and of the same transition."""
    seen = run("meta_gradient")
    values, transition = jax.tree.map(lambda leaf: jnp.asarray(leaf[20]), (seen.values, seen.transition))
    agent = build(VARIANTS["meta_gradient"], numbers_of(VARIANTS["meta_gradient"]))
    params = Params(values, agent.model.init(jax.random.key(0)))
    parts = parts_of_agent(agent.values, agent.policy, agent.model)
    given = {"step_size": 0.5, "planning_updates": 3, "experience": experience, "experience_length": 2}

    def after(update_every, steps_before):
        control = meta_gradient(optax.adam(0.1), update_every=update_every, **given)(parts)
        begun = control.init(jax.random.key(0), params, PROBLEM.listed)
        if begun.count is not None:
            begun = begun._replace(count=begun.count + steps_before)
        return control.observe(begun, params, PROBLEM.listed, transition)

    (always, report), (due, same), (waiting, nothing) = after(1, 0), after(3, 2), after(3, 0)
    np.testing.assert_array_equal(due.logits, always.logits)
    np.testing.assert_array_equal(due.weights, always.weights)
    assert same == report
    assert not waiting.logits.any()
    assert not nothing["meta_loss"]


def test_between_meta_updates_no_lane_pays_for_one():
    """In all lanes at once the branch stays a branch, where each lane's own would become a choice between results."""

    def branches(name):
        agent = build(VARIANTS[name], numbers_of(VARIANTS[name]))
        keys = jax.random.split(jax.random.key(0), 2)
        noise = jax.vmap(lambda key: dyna.draw_noise(agent, key, jnp.arange(1)))(keys)
        noise = jax.tree.map(lambda leaf: leaf[:, 0], noise)
        states = jax.vmap(functools.partial(dyna.init, agent))(keys)
        return str(jax.make_jaxpr(jax.vmap(functools.partial(dyna.real_step, agent)))(states, noise)).count(" cond[")

    assert branches("meta_gradient, every third step") == branches("meta_gradient, recent") + 1


def test_meta_updates_that_never_come_are_refused():
    with pytest.raises(ValueError, match="update_every must be 1 or more, not 0"):
        meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, update_every=0)


@pytest.mark.parametrize("logits", [table_logits(2), network_logits((3,), 2)])
def test_a_prior_of_the_policy_follows_the_values(logits):
    """Nothing is learned: d is the policy's, 0.95 and 0.05 at each of two states, also once values have changed."""

    policy = functools.partial(epsilon_greedy_probabilities, epsilon=0.1)
    parts = parts_of(lambda values, state: values[state], policy, None)._replace(is_table=True)
    states = Candidates(jnp.arange(2), jnp.arange(2), jnp.ones(2, bool))
    control = meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, logits=logits, prior="policy")(parts)
    q = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    begun = control.init(jax.random.key(0), Params(q, ()), states)
    for values in (q, 1 - q):
        found = control.weights(begun, Params(values, ()), states)
        np.testing.assert_allclose(found, np.where(values == 1, 0.95, 0.05) / 2, rtol=1e-5)


def test_a_prior_is_of_pairs_alone():
    with pytest.raises(ValueError, match='with replays take "uniform"'):
        meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, replays=True, prior="policy")
    with pytest.raises(UserError, match="prior"):
        meta_gradient(optax.sgd(0.1), step_size=0.5, planning_updates=1, prior="mine")
