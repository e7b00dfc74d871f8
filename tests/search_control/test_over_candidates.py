"""Strategies over candidates that bring their transitions along: plain accounts of what they prefer and query."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.meta_gradient.problems import parts_of
from tests.quick import quick_jit

from mgsc.facts import Facts
from mgsc.search_control import Climb, curious_replay, disagreement, hill_climbing, prioritized_replay, stored_priority
from mgsc.search_control.base import make_distribution
from mgsc.search_control.candidate_signals import (
    candidate_features,
    choice_errors,
    compared,
    mean_variance,
    model_misses,
)
from mgsc.search_control.meta_gradient import propose_answered
from mgsc.types import ActionChoice, Backup, Candidates, Params, Successors, Transition, like

NUM_SLOTS = 10
PLACES = jnp.array([0.0, 1.0, 2.0, 3.0])
FACTS = Facts(like((1,), jnp.float32), 2, 0.5, reward_scale=2.0, switch_every=1, observation_scale=np.array([4.0]))


def answers(model, observation, action):
    """One step to the right, with reward ``action`` in the model, which never ends the episode."""
    del model
    return Successors(jnp.ones(1), jnp.float32(action)[None], jnp.full(1, 0.5), observation[None] + 1)


def always_first(q):
    return jnp.array([1.0, 0.0])


# q(x, a) = θ₀ x + θ₁ a; the policy takes action 0.
PARTS = parts_of(lambda theta, x: theta[0] * x[0] + theta[1] * jnp.arange(2.0), always_first, answers)._replace(
    disagreement=lambda model, observation, action: observation[0] + 10.0 * action
)
PARAMS = Params(jnp.array([0.0, 0.0]), ())


def candidates() -> Candidates:
    """Each took action 1 and came one step on; they were paid 0, 0, 1 and 3, and the last one's episode ended."""
    observation = PLACES[:, None]
    rewards, lasts = jnp.array([0.0, 0.0, 1.0, 3.0]), jnp.array([0.5, 0.5, 0.5, 0.0])
    own = Transition(observation, jnp.ones(4, jnp.int32), rewards, lasts, observation + 1)
    slots = jnp.array([2, 3, 4, 5], jnp.int32)
    return Candidates(observation, slots, jnp.ones(4, bool), experience=own, age=jnp.array([6, 5, 4, 3]))


def weights(strategy, state=None):
    control = strategy(PARTS)
    begun = control.init(jax.random.key(0), PARAMS, candidates()) if state is None else state
    return np.asarray(quick_jit(lambda: control.weights(begun, PARAMS, candidates()))())


def test_candidates_on_which_members_agree_are_preferred():
    """By hand: of action 0 the members are 0, 1, 2, 3 apart; squares 0, 1, 4, 9 over their mean 3.5."""
    powers = np.exp(-np.array([0, 1, 4, 9]) / 3.5 / 0.5)
    np.testing.assert_allclose(weights(disagreement(2, temperature=0.5)), powers / powers.sum(), rtol=1e-5)
    np.testing.assert_allclose(weights(disagreement(2, "mask", kept=0.5)), [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(weights(disagreement(2, "mask", kept=0.01)), [1, 0, 0, 0])


def test_errors_of_the_model_are_those_about_the_stored_transitions():
    """The model says 1 of every reward: 1/2, 1/2, 0, 1 over the scale; it misses the last one's end, which is 1."""
    np.testing.assert_allclose(model_misses(FACTS)(PARTS, PARAMS, candidates()), [0.5, 0.5, 0, 2], atol=1e-6)


def test_curious_replay_adds_novelty_and_error():
    strategy = curious_replay(model_misses(FACTS), NUM_SLOTS, bonus=8.0, decay=0.5, exponent=2.0, floor=0.5)
    control = strategy(PARTS)
    counts = control.init(jax.random.key(0), PARAMS, candidates())
    nobody = candidates().experience
    for index in (2, 2, 3, -1):  # the last is of no candidate
        counts = control.after_backup(counts, PARAMS, Backup(jnp.int32(index), nobody, jnp.zeros(())))
    # 8 · ½^{2, 1, 0, 0} + {1, 1, ½, 2½}²
    expected = np.array([2 + 1, 4 + 1, 8 + 0.25, 8 + 6.25])
    np.testing.assert_allclose(weights(strategy, counts), expected / expected.sum(), rtol=1e-5)
    # Slot 8 = 2 + 6 holds the newest transition.
    counts, _ = control.observe(counts.at[8].set(7.0), PARAMS, candidates(), None)
    np.testing.assert_array_equal(counts, [0, 0, 2, 1, 0, 0, 0, 0, 0, 0])


def test_prioritized_replay_brings_back_what_surprised():
    """All values are 0: the errors are the rewards 0, 0, 1, 3."""
    strategy = prioritized_replay(exponent=2.0, floor=1.0, correction=0.5)
    found = weights(strategy)
    np.testing.assert_allclose(found, np.array([1, 1, 4, 16]) / 22, rtol=1e-5)
    control, distribution = strategy(PARTS), make_distribution(jnp.asarray(found))
    query = control.propose(jnp.float32(0.99), (), PARAMS, distribution, candidates(), None)
    assert (query.index, query.action, query.outcome.reward) == (5, 1, 3)
    np.testing.assert_allclose(query.step_scale, 0.25)  # (1/16)^½


@pytest.mark.parametrize(
    ("columns", "column", "action", "is_stored"),
    [(2, 0, None, False), (2, 1, None, True), (3, 1, 1, False), (3, 2, 1, True)],
)
def test_mgsc_may_choose_the_stored_transition_in_place_of_the_models_answer(columns, column, action, is_stored):
    """All weight is on one entry of the last candidate."""
    weights = jnp.zeros((4, columns)).at[3, column].set(1.0)
    query = propose_answered(jnp.float32(0.5), (), PARAMS, make_distribution(weights), candidates(), None)
    assert (query.index, query.outcome.reward, bool(query.is_stored)) == (5, 3, is_stored)
    assert (query.action is None) == (action is None)
    if not is_stored and action is not None:
        assert query.action == action


def test_stored_states_are_preferred_by_their_errors_or_by_their_age():
    """Errors are the rewards 0, 0, 1, 3; ages 6, 5, 4, 3."""
    by_error = weights(stored_priority(exponent=2.0, floor=1.0))
    np.testing.assert_allclose(by_error, np.array([1, 1, 4, 16]) / 22, rtol=1e-5)
    powers = np.exp(-np.array([6, 5, 4, 3]) / 2)
    np.testing.assert_allclose(weights(stored_priority("recency", horizon=2.0)), powers / powers.sum(), rtol=1e-5)


def test_signals_of_what_the_policy_may_choose_are_means_over_its_actions():
    """The policy takes either action: E δ is 0 of the first and 1 of the second, the members 0..3 and 10..13 apart."""
    either = parts_of(lambda theta, x: theta[0] * x[0] + jnp.zeros(2), lambda q: jnp.full(2, 0.5), answers)
    parts = either._replace(disagreement=PARTS.disagreement)
    choice = jax.vmap(parts.actions, (None, 0))(PARAMS.values, candidates().observation)
    errors, variances = quick_jit(
        lambda: (choice_errors(parts, PARAMS, candidates(), choice), mean_variance(parts, PARAMS, candidates()))
    )()
    np.testing.assert_allclose(errors, [[0, 1]] * 4)
    np.testing.assert_allclose(variances, (np.arange(4) ** 2 + np.arange(10, 14) ** 2) / 2)
    two_heads = parts._replace(heads=lambda theta, x, a: jnp.stack([parts.q(theta, x, a) + 2, parts.q(theta, x, a)]))
    # The first head's errors are −2 and −1.
    of_heads = choice_errors(two_heads, PARAMS, candidates(), choice)
    np.testing.assert_allclose(of_heads, [[(2 + 0) / 2, (1 + 1) / 2]] * 4)


def test_features_of_pairs_where_actions_are_numbers_are_those_of_the_actions_that_stand_for_the_policy() -> None:
    """0, 1 and −1 stand for it: errors are 2, 3 and 1, and the members of candidate n are n + 1, n + 2 and n apart."""
    nothing, share = jnp.zeros(()), jnp.array([0.5, 0.25, 0.25])
    parts = PARTS._replace(
        is_discrete=False,
        actions=lambda theta, observation: ActionChoice(jnp.array([[0.0], [1.0], [-1.0]]), share),
        expect=lambda model, observation, action: answers(model, observation, 2.0 + action[0]),
        q=lambda *_: nothing,
        bootstrap=lambda *_: nothing,
        disagreement=lambda model, observation, action: observation[0] + 1 + action[0],
    )
    facts = FACTS._replace(num_actions=0, numbers=like((1,), jnp.float32))
    own = candidates()
    own = own._replace(experience=own.experience._replace(action=jnp.ones((4, 1))))
    errors, spread = np.array([[2.0, 3.0, 1.0]] * 4), np.arange(4)[:, None] + np.array([1.0, 2.0, 0.0])
    of_pairs = candidate_features(facts, per_action=True)(parts, PARAMS, own)
    of_states = candidate_features(facts, per_action=False)(parts, PARAMS, own)
    assert of_pairs.shape == (4, facts.num_choices, 4)
    np.testing.assert_allclose(of_pairs[..., 0], compared(errors), atol=1e-5)
    np.testing.assert_allclose(of_pairs[..., 1], compared(spread), rtol=1e-5, atol=1e-6)
    for place in (2, 3):
        np.testing.assert_allclose(of_pairs[:, :, place].std(1), 0, atol=1e-6)
    np.testing.assert_allclose(of_states[:, 0], compared(errors @ share), atol=1e-5)
    np.testing.assert_allclose(of_states[:, 1], compared(np.sqrt(spread**2 @ share)), rtol=1e-5, atol=1e-6)


def test_features_compare_candidates():
    numbers = jnp.array([1.0, 10.0, 100.0])
    logarithms = np.log(np.asarray(numbers) + 1e-3 * 37)
    expected = (logarithms - logarithms.mean()) / (logarithms.std() + 1e-2)
    np.testing.assert_allclose(compared(numbers), expected, rtol=1e-4, atol=1e-6)
    for equal in (0.0, 0.3):
        np.testing.assert_allclose(compared(jnp.full(5, equal)), 0, atol=1e-4)


def test_features_are_of_states_or_of_pairs():
    states, pairs = quick_jit(
        lambda: [candidate_features(FACTS, per_action=each)(PARTS, PARAMS, candidates()) for each in (False, True)]
    )()
    assert (states.shape, pairs.shape) == ((4, 4), (4, 2, 4))
    # Action 0, the policy's, pays nothing in the model: no errors; disagreement is the place, plus 10 of action 1.
    np.testing.assert_allclose(states[:, 0], 0, atol=1e-4)
    np.testing.assert_allclose(states[:, 1], compared(PLACES), atol=1e-6)
    apart = (PLACES[:, None] + jnp.array([0.0, 10.0])).reshape(-1)
    np.testing.assert_allclose(pairs[..., 1].reshape(-1), compared(apart), atol=1e-5)
    np.testing.assert_allclose(states[:, 2], compared(jnp.array([0.5, 0.5, 0.0, 2.0])), atol=1e-5)
    np.testing.assert_allclose(pairs[:, 1, 3], states[:, 3], atol=1e-6)
    np.testing.assert_allclose(states[:, 3], compared(jnp.array([7.0, 6.0, 5.0, 4.0])), atol=1e-5)


@pytest.mark.parametrize("per_action", [False, True])
def test_features_of_stored_transitions_are_compared_with_those_of_answers(per_action):
    """Stored transitions have the errors that are their own, and nobody disagrees about them."""
    own = candidates()
    kinds = [candidate_features(FACTS, per_action=per_action, has_stored=each) for each in (False, True)]
    plain, found = quick_jit(lambda: [features(PARTS, PARAMS, own) for features in kinds])()
    errors = np.array([0.0, 0.0, 1.0, 3.0])  # values are 0, so they are the rewards that were paid
    columns = 2 if per_action else 1
    assert found.shape == (4, columns + 1, 4)
    answers = np.array([0.0, 1.0])[:columns]  # action 1 pays 1 in the model
    apart = PLACES[:, None] + np.array([0.0, 10.0])[:columns]
    for place, numbers, of_stored in ((0, np.tile(answers, (4, 1)), errors), (1, apart, np.zeros(4))):
        wanted = compared(jnp.concatenate([numbers, of_stored[:, None]], 1))
        np.testing.assert_allclose(found[..., place], wanted, atol=1e-5)
    for place in (2, 3):
        of_states = plain[:, 0, place] if per_action else plain[:, place]
        np.testing.assert_allclose(found[..., place], np.tile(of_states[:, None], columns + 1), atol=1e-6)


def test_features_of_tried_pairs_are_of_their_own_actions():
    """Action 1 pays 1 in the model, and members are 10 more apart on it."""
    tried = candidates()._replace(action=jnp.array([1, 0, 0, 1]))
    found = quick_jit(lambda: candidate_features(FACTS, per_action=False)(PARTS, PARAMS, tried))()
    np.testing.assert_allclose(found[:, 0], compared(jnp.array([1.0, 0.0, 0.0, 1.0])), atol=1e-5)
    np.testing.assert_allclose(found[:, 1], compared(jnp.array([10.0, 1.0, 2.0, 13.0])), atol=1e-5)


HILL = jnp.array([0.3, -0.2])


def hilly(theta, x):
    """Highest at ``HILL``; along the first entry, it bends twice as much beyond 0.5."""
    away = (x - HILL) ** 2
    return jnp.stack([-away.sum(), -1.0 - away.sum()]) + theta


@pytest.mark.parametrize("kind", ["value", pytest.param("frequency", marks=pytest.mark.slow)])
def test_climbs_lead_uphill_within_what_was_met(kind):
    def expect(model, observation, action):
        del model
        return Successors(jnp.ones(1), jnp.float32(10 + action)[None], jnp.full(1, 0.9), observation[None])

    parts = parts_of(hilly, always_first, expect)
    control = hill_climbing(kind, Climb(15, 0.1, 1e-4), capacity=40, real_share=0.5, shape=(2,))(parts)
    corner = jnp.array([1.0, 1.0])
    own = Transition(corner, jnp.int32(1), jnp.float32(5.0), jnp.float32(0.9), corner)
    batch = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (3, *leaf.shape)), own)
    given = Candidates(batch.observation, jnp.arange(3), jnp.ones(3, bool), experience=batch, age=jnp.zeros(3, int))
    params = Params(jnp.zeros(2), ())

    def whole(key):
        state = control.init(key, params, given)
        keys = jax.random.split(key, 30)
        for number in range(30):
            here = jax.random.uniform(keys[number], (2,), minval=-1.0)
            state, _ = observe(state, Transition(here, jnp.int32(0), 0.0, 0.9, here + 0.02))
        return state

    observe = quick_jit(lambda state, seen: control.observe(state, params, given, seen))
    state = whole(jax.random.key(0))
    assert state.count > 40, "the queue has gone round"
    queue = np.asarray(state.queue)
    assert (np.abs(queue) <= 1).all()
    if kind == "value":
        assert (np.linalg.norm(queue - HILL, axis=1) < np.linalg.norm(corner - HILL)).mean() > 0.9
        assert np.linalg.norm(queue - HILL, axis=1).min() < 0.15
    propose = quick_jit(lambda noise: control.propose(noise, state, params, None, given, None))
    climbed, stored = (propose(tuple(jnp.float32(part) for part in (mixed, 0.4, 0.0))) for mixed in (0.7, 0.3))
    assert (climbed.index, climbed.action, climbed.outcome.reward) == (-1, 0, 10), "greedy, and the model's answer"
    assert (stored.index, stored.action, stored.outcome.reward) == (1, 1, 5)
    np.testing.assert_array_equal(climbed.observation, queue[16])
