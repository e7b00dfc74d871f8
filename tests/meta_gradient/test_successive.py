"""A target from several real transitions in turn: against one, against central differences, and what is skipped."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.meta_gradient.problems import softmax, table_problem

from mgsc import meta_gradient

NUM_TRANSITIONS = 4
STEP = 1e-6


def stacked(problem, *others):
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), problem.transition, *others)


def several(seed: int):
    """A problem, and its transition followed by those of others over the same states."""
    problem = table_problem(seed)
    others = [table_problem(seed + 1 + number).transition for number in range(NUM_TRANSITIONS - 1)]
    return problem, stacked(problem, *others)


def ask(problem, transitions, is_real, **more):
    *parts, _, step_size, planning_updates = problem.arguments
    return meta_gradient.successive_loss_and_weights_gradient(
        *parts, transitions, step_size, planning_updates, is_real=jnp.asarray(is_real), **more
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["scaled", "single"])
def test_one_transition_is_the_method(seed, form):
    problem = table_problem(seed)
    loss, gradient = ask(problem, stacked(problem), [True], form=form)
    known = meta_gradient.visited_gradient(
        problem.parts, problem.params, problem.weights, *problem.arguments[4:], form=form
    )
    np.testing.assert_allclose(loss, known.meta_loss, rtol=1e-12)
    expected = np.zeros(len(problem.weights))
    expected[known.state] = known.gradient
    is_asked = np.asarray(problem.weights) > 0
    np.testing.assert_allclose(np.asarray(gradient)[is_asked], expected[is_asked], rtol=1e-10, atol=1e-14)


def by_hand(problem, transitions, form):
    """θ̄ as a function of the weights, and θ̂ − θ̄ at the problem's own, in plain NumPy."""
    table, model = np.asarray(problem.params.values), [np.asarray(part) for part in problem.params.model]
    probability, reward, discount, successor = model
    errors = (probability * (reward + discount * table.max(-1)[successor])).sum(-1) - table
    policy = np.array([problem.parts.policy(row) for row in jnp.asarray(table)])
    rate = problem.step_size * (problem.planning_updates if form == "scaled" else 1)

    def planned(weights):
        return table + rate * weights[:, None] * policy * errors

    target = planned(np.asarray(problem.weights))
    for number in range(NUM_TRANSITIONS):
        state, action, reward, gamma, after = (np.asarray(part)[number] for part in transitions)
        target[state, action] += problem.step_size * (reward + gamma * target[after].max() - target[state, action])
    return planned, target


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["scaled", "single"])
def test_the_gradient_is_that_of_the_distance_to_a_target_held_fixed(seed, form):
    problem, transitions = several(seed)
    planned, target = by_hand(problem, transitions, form)
    loss, slope = ask(problem, transitions, [True] * NUM_TRANSITIONS, form=form)
    gradient = np.asarray(meta_gradient.logits_gradient(problem.weights, slope))

    def distance(logits):
        return ((target - planned(softmax(logits))) ** 2).sum()

    np.testing.assert_allclose(loss, distance(problem.logits), rtol=1e-10)
    is_allowed = np.asarray(problem.candidates.is_allowed)
    steps = STEP * np.eye(len(is_allowed))[is_allowed]
    differences = [(distance(problem.logits + step) - distance(problem.logits - step)) / (2 * STEP) for step in steps]
    assert np.abs(differences).max() > 1e-3
    np.testing.assert_allclose(gradient[is_allowed], differences, rtol=1e-5, atol=1e-8)
    assert (gradient[~is_allowed] == 0).all()


def test_transitions_that_are_not_there_change_nothing():
    problem, transitions = several(0)
    shortened = ask(problem, jax.tree.map(lambda column: column[:2], transitions), [True, True])
    skipped = ask(problem, transitions, [True, True, False, False])
    for short, skip in zip(shortened, skipped, strict=True):
        np.testing.assert_array_equal(short, skip)
    assert ask(problem, transitions, [True] * NUM_TRANSITIONS)[0] != skipped[0]


def test_value_reaches_the_states_before_the_last():
    """A way of two steps whose end has just paid: the first state is credited, too, which one transition cannot do."""
    problem, transitions = several(0)
    first, second, end = 0, 1, 5
    values = jnp.zeros_like(problem.params.values)
    way = transitions._replace(
        observation=jnp.array([second, first, second, first]),
        action=jnp.zeros(4, int),
        reward=jnp.array([1.0, 0.0, 1.0, 0.0]),
        discount=jnp.array([0.0, 0.9, 0.0, 0.9]),
        successor=jnp.array([end, second, end, second]),
    )
    problem = problem._replace(params=problem.params._replace(values=values))
    newest_only = ask(problem, way, [False, False, False, True])[1]
    in_turn = ask(problem, way, [True] * 4)[1]
    assert (np.asarray(in_turn)[[first, second]] != 0).sum() > (np.asarray(newest_only)[[first, second]] != 0).sum()


def test_other_forms_are_refused():
    problem, transitions = several(0)
    with pytest.raises(ValueError, match="form"):
        ask(problem, transitions, [True] * NUM_TRANSITIONS, form="saturating")
