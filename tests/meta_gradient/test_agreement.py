"""Three implementations that share no code, and a slow reference, agree to rounding."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.meta_gradient.problems import (
    FORMS_OF,
    HIDDEN,
    NUM_ACTIONS,
    OBSERVATION,
    PROBLEMS,
    UNROLLED_UPDATES,
    all_automatic,
    answer,
    automatic,
    automatic_planned,
    compiled,
    epsilon_greedy,
    flat,
    network_answers,
    network_problem,
    network_way,
    parts_of,
    planned_way,
    questions,
    reference_directions,
    reference_held,
    reference_planned,
    reference_target,
    table_problem,
    table_way,
    unrolled,
)

from mgsc import meta_gradient
from mgsc.networks import apply_mlp, init_mlp
from mgsc.types import Params

ROUNDING = 1e-10
SEEDS = range(30)
ORIGINS = meta_gradient.ORIGINS
MODULES = (meta_gradient, meta_gradient.exact_network)

answer_of = compiled(answer)
answer_means = compiled(meta_gradient.exact_network.loss_and_weights_gradient)


def assert_equal_to_rounding(actual, expected):
    expected = np.asarray(expected)
    scale = max(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=ROUNDING, atol=ROUNDING * scale)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_network_way_equals_automatic_way(kind):
    for seed in SEEDS:
        assert_both_ways_agree(PROBLEMS[kind](seed), FORMS_OF[kind])


def assert_both_ways_agree(problem, forms):
    expected = automatic(*problem.arguments, forms=forms)
    actual = network_way(*problem.arguments)
    assert len(actual) == 4
    for choice, of_network in actual.items():
        for one, other in zip(of_network, expected[choice]):
            assert_equal_to_rounding(one, other)


@pytest.mark.parametrize("origin", ORIGINS)
def test_several_transitions_at_once_give_the_means_of_the_automatic_way(origin):
    problem, share = network_problem(0), jnp.array([0.5, 0.0, 0.2, 0.3])
    parts, params, candidates, weights, _, step_size, count = problem.arguments
    given = [network_problem(seed).arguments[4] for seed in range(len(share))]
    together = answer_means(
        parts,
        params,
        candidates,
        weights,
        jax.tree.map(lambda *leaf: jnp.stack(leaf), *given),
        step_size,
        count,
        origin=origin,
        share=share,
    )
    each = [
        automatic(parts, params, candidates, weights, real, step_size, count, forms=("scaled",))["scaled", origin]
        for real in given
    ]
    assert_equal_to_rounding(together[0], sum(part * one.loss for part, one in zip(share, each, strict=True)))
    assert_equal_to_rounding(together[1], sum(part * one.gradient for part, one in zip(share, each, strict=True)))
    assert len({float(one.loss) for one in each}) == len(each)


@pytest.mark.slow
def test_network_way_equals_automatic_way_with_fuzzy_tiles():
    parts = parts_of(
        lambda values, observation: apply_mlp(values, observation, tiles=5), epsilon_greedy, network_answers
    )
    for seed in SEEDS[:5]:
        given = network_problem(seed)
        layers = init_mlp(jax.random.key(seed), (OBSERVATION, HIDDEN, NUM_ACTIONS), tiles=5)
        moved = [leaf + jax.random.normal(jax.random.key(seed + 1), leaf.shape) for leaf in layers[-1]]
        values = jax.tree.map(jnp.float64, [*layers[:-1], tuple(moved)])
        problem = given._replace(parts=parts, params=Params(values, given.params.model))
        assert_both_ways_agree(problem, FORMS_OF["network"])


def test_table_way_equals_automatic_way():
    num_moving = 0
    for seed in SEEDS:
        problem = table_problem(seed)
        expected = automatic(*problem.arguments, forms=FORMS_OF["table"])
        actual = table_way(*problem.arguments)
        assert len(actual) == 3
        for form, visited in actual.items():
            loss, gradient, _ = expected[form, "planned"]
            spread = np.zeros(gradient.shape)
            spread[visited.state] = visited.gradient
            assert visited.state == problem.transition.observation
            assert_equal_to_rounding(spread, gradient)
            assert_equal_to_rounding(visited.meta_loss, loss)
            assert_equal_to_rounding(visited.meta_loss, (problem.step_size * visited.td_error) ** 2)
            assert_equal_to_rounding(
                meta_gradient.visited_logits_gradient(problem.weights, visited, 0.7),
                meta_gradient.logits_gradient(problem.weights, gradient, 0.7),
            )
            num_moving += abs(visited.gradient) > 1e-3
    assert num_moving > 3 * len(SEEDS) / 2


@compiled
def _towards(parts, params, candidates, weights, target, step_size, count):
    arguments = (parts, params, candidates, weights, None, step_size, count)
    return {
        form: [answer(module, *arguments, form=form, target=target) for module in MODULES]
        for form in ("scaled", "single")
    }


@pytest.mark.parametrize("kind", PROBLEMS)
def test_given_target(kind):
    problem = PROBLEMS[kind](7)
    parts, params, candidates, weights, _, step_size, count = problem.arguments
    target = jax.tree.map(lambda leaf: leaf + 0.5 * np.cos(leaf), params.values)
    answers = _towards(parts, params, candidates, weights, target, step_size, count)
    for form, both in answers.items():
        held = reference_held(problem, form)
        ahead = flat(target) - flat(reference_planned(problem, weights, form, held))
        aligned = reference_directions(problem, params.values) @ ahead
        rate = step_size * (count if form == "scaled" else 1)
        for found in both:
            assert_equal_to_rounding(found.loss, ahead @ ahead)
            assert_equal_to_rounding(found.gradient, -2 * rate * aligned)
            assert_equal_to_rounding(found.alignment, aligned)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_planned_loss_and_alignment_equal_the_slow_reference(kind):
    for seed in range(3):
        problem = PROBLEMS[kind](seed)
        values = problem.params.values
        planned = automatic_planned(*problem.arguments, forms=FORMS_OF[kind])
        planned |= unrolled(problem)[1]
        answers = all_automatic(kind, problem)
        directions = reference_directions(problem, values)
        for form, found in planned.items():
            held = reference_held(problem, form)
            expected = reference_planned(problem, problem.weights, form, held)
            assert jax.tree.structure(found) == jax.tree.structure(values)
            assert_equal_to_rounding(flat(found), flat(expected))
            for origin in ORIGINS:
                ahead = reference_target(problem, expected, origin) - flat(expected)
                assert_equal_to_rounding(answers[form, origin].loss, ahead @ ahead)
                assert_equal_to_rounding(answers[form, origin].alignment, directions @ ahead)


def _joint(problem):
    """The problem's weights with the policy's choice put into them, [N, A]."""
    return jnp.asarray(np.asarray(problem.weights)[:, None] * questions(problem)[0])


@pytest.mark.parametrize("kind", PROBLEMS)
def test_joint_weights_replace_the_policy(kind):
    problem = PROBLEMS[kind](3)
    parts, params, candidates, _, _, step_size, count = problem.arguments
    of_states = automatic_planned(*problem.arguments, forms=FORMS_OF[kind])
    of_pairs = planned_way(parts, params, candidates, _joint(problem), step_size, count, forms=FORMS_OF[kind])
    for form in FORMS_OF[kind]:
        assert_equal_to_rounding(flat(of_pairs[form]), flat(of_states[form]))


def test_joint_gradients_agree_and_pairs_can_be_ruled_out():
    for seed in range(5):
        problem = network_problem(seed)
        parts, params, candidates, _, *rest = problem.arguments
        joint = _joint(problem)
        is_allowed = np.random.default_rng(seed).random(joint.shape) < 0.7
        candidates = candidates._replace(is_allowed=jnp.asarray(is_allowed))
        expected, actual = (answer_of(module, parts, params, candidates, joint, *rest) for module in MODULES)
        for one, other in zip(actual, expected):
            assert_equal_to_rounding(one, other)
        assert actual.gradient.shape == joint.shape
        assert (np.asarray(actual.gradient)[~is_allowed] == 0).all()
        assert (np.asarray(actual.gradient)[is_allowed] != 0).all()


def test_candidates_with_their_own_actions_are_joint_weights_on_them():
    for seed in range(3):
        problem = network_problem(seed)
        parts, params, candidates, weights, *rest = problem.arguments
        action = np.arange(len(weights)) % NUM_ACTIONS
        is_own = action[:, None] == np.arange(NUM_ACTIONS)
        joint = jnp.asarray(np.where(is_own, weights[:, None], 0))
        pairs = candidates._replace(is_allowed=jnp.ones(is_own.shape, bool))
        expected = answer_of(MODULES[1], parts, params, pairs, joint, *rest)
        own = candidates._replace(action=jnp.asarray(action))
        for module in MODULES:
            loss, gradient, alignment = answer_of(module, parts, params, own, weights, *rest)
            assert_equal_to_rounding(loss, expected.loss)
            assert_equal_to_rounding(gradient, expected.gradient[is_own])
            assert_equal_to_rounding(alignment, expected.alignment[is_own])


@pytest.mark.parametrize("kind", PROBLEMS)
def test_one_planning_update_makes_the_forms_equal(kind):
    problem = PROBLEMS[kind](1)._replace(planning_updates=1)
    answers = automatic(*problem.arguments, forms=FORMS_OF[kind])
    answers |= unrolled(problem, num_updates=1)[0]
    for (_, origin), found in answers.items():
        for one, other in zip(found, answers["single", origin]):
            assert_equal_to_rounding(one, other)


def test_more_planning_updates_make_the_forms_differ():
    problem = table_problem(0)._replace(planning_updates=UNROLLED_UPDATES, step_size=0.5)
    answers = all_automatic("table", problem)
    losses = {round(float(answers[form, "planned"].loss), 6) for form in meta_gradient.FORMS}
    assert len(losses) == len(meta_gradient.FORMS)
