"""Learned models against books kept in plain Python, and against the truth after much experience."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jax import lax
from tests.models.books import Books, Event
from tests.quick import quick_jit

from mgsc import models
from mgsc.environments import TwoRoomsSettings, two_rooms
from mgsc.models import LearnedModel, learned_model, slots_of
from mgsc.noise import uniforms
from mgsc.types import Transition

NUM_STATES, NUM_ACTIONS = 3, 2
PLENTY = 2 * NUM_STATES
"""Slots that hold all there can be: each successor, and the end of the episode in it."""
LONGEST = 40
DISCOUNT = 0.9
STEP_SIZE = 0.3


EVENTS = st.lists(
    st.builds(
        Event,
        st.integers(0, NUM_STATES - 1),
        st.integers(0, NUM_ACTIONS - 1),
        st.sampled_from([-2.0, -0.5, 0.0, 0.1, 1.0]),
        st.integers(0, NUM_STATES - 1),
        st.booleans(),
    ),
    max_size=LONGEST,
)
IN_ONE_PAIR = st.lists(
    st.builds(Event, st.just(0), st.just(1), st.floats(-3, 3, width=16), st.integers(0, 2), st.booleans()),
    min_size=5,
    max_size=LONGEST,
)


def books(events, num_slots=PLENTY, step_size=None) -> Books:
    kept = Books(num_slots, step_size)
    for event in events:
        kept.hear(event)
    return kept


@functools.cache
def small(num_slots=PLENTY, *, recency=False, untried="stay", **options):
    """A model of three states, in which state 2 is terminal."""
    step_size = STEP_SIZE if recency else None
    options = {"is_terminal": np.array([False, False, True]), **options}
    return models.learned(NUM_STATES, NUM_ACTIONS, num_slots, DISCOUNT, step_size=step_size, untried=untried, **options)


def as_transition(event: Event) -> Transition:
    discount = 0.0 if event.ends else DISCOUNT
    numbers = jnp.float32(event.reward), jnp.float32(discount)
    return Transition(jnp.int32(event.state), jnp.int32(event.action), *numbers, jnp.int32(event.successor))


def stacked(events) -> Transition:
    """All of them with a leading axis, padded to one length."""
    padded = [*events, *[Event(0, 0, 0.0, 0, False)] * (LONGEST - len(events))]
    states, actions, rewards, successors, ends = (np.array(column) for column in zip(*padded))
    discounts = np.where(ends, 0.0, DISCOUNT)
    return as_experience(states, actions, rewards, discounts, successors)


def as_experience(states, actions, rewards, discounts, successors) -> Transition:
    """Arrays of the types that real transitions have."""
    columns = (states, np.int32), (actions, np.int32), (rewards, np.float32), (discounts, np.float32)
    return Transition(*(jnp.asarray(column, kind) for column, kind in (*columns, (successors, np.int32))))


@functools.cache
def _hearing(model):
    @quick_jit
    def hear(transitions, number):
        def body(index, state):
            return model.update((), state, jax.tree.map(lambda leaf: leaf[index], transitions))

        return lax.fori_loop(0, number, body, model.init(None))

    return hear


def heard(model, events):
    """The model's state after all of the events, by its compiled ``update``."""
    return _hearing(model)(stacked(events), len(events))


@functools.cache
def _expecting(model):
    return quick_jit(jax.vmap(jax.vmap(model.expect, (None, None, 0)), (None, 0, None)))


def expectations(model, state, num_states=NUM_STATES, num_actions=NUM_ACTIONS) -> list[np.ndarray]:
    """The columns of ``Successors``, each [S, A, M]."""
    return [np.asarray(column) for column in _expecting(model)(state, jnp.arange(num_states), jnp.arange(num_actions))]


def answers(model, state) -> dict[tuple[int, int], dict[tuple[int, bool], tuple[np.float32, np.float32]]]:
    """All expectations in the form of ``Books.answer``; an outcome named twice is a failure."""
    columns = expectations(model, state)
    found = {}
    for pair in np.ndindex(NUM_STATES, NUM_ACTIONS):
        probability, reward, discount, successor = (column[pair] for column in columns)
        assert np.isin(discount, np.float32([0, DISCOUNT])).all()
        assert (probability >= 0).all()
        np.testing.assert_allclose(probability.sum(), 1, atol=1e-6)
        assert ((successor >= 0) & (successor < NUM_STATES)).all(), "padding, too, must be a state"
        here = {}
        for slot in np.flatnonzero(probability):
            outcome = (int(successor[slot]), bool(discount[slot] == 0))
            assert outcome not in here
            here[outcome] = (probability[slot], reward[slot])
        found[pair] = here
    return found


def assert_is(found, known, state):
    """An answer is that of the books, or to stay where nothing was tried."""
    known = known or {(state, False): (1.0, 0.0)}
    assert set(found) == set(known)
    for outcome in known:
        np.testing.assert_allclose(found[outcome], known[outcome], rtol=1e-5, atol=1e-5)


# --- against books -------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.one_of(EVENTS, IN_ONE_PAIR))
@example([])
def test_sample_averages_are_counts(events):
    model, kept = small(), books(events)
    state = heard(model, events)
    assert state.overflow == 0
    for (where, action), found in answers(model, state).items():
        assert_is(found, kept.answer(where, action), where)
        counts = kept.weight.get((where, action), {})
        # The counts themselves, in the order in which they were met; and their quotients, up to the last bits.
        slots = state.weight[where * NUM_ACTIONS + action]
        assert slots.tolist() == [*counts.values(), *[0] * (PLENTY - len(counts))]
        for outcome, count in counts.items():
            exact = np.float32(count) / np.float32(sum(counts.values()))
            np.testing.assert_array_max_ulp(found[outcome][0], exact, maxulp=2)


@settings(max_examples=60)
@given(st.one_of(EVENTS, IN_ONE_PAIR))
@example([Event(0, 1, 1.0, 1, False)] * 3 + [Event(0, 1, -2.0, 2, True)])
def test_recency_weighted_averages_are_those_of_the_books(events):
    model, kept = small(recency=True), books(events, step_size=STEP_SIZE)
    state = heard(model, events)
    assert state.overflow == 0
    for (where, action), found in answers(model, state).items():
        assert_is(found, kept.answer(where, action), where)


@settings(max_examples=40)
@given(st.one_of(EVENTS, IN_ONE_PAIR), st.booleans())
@example([Event(0, 1, 1.0, successor, ends) for successor in range(3) for ends in (False, True)], False)
def test_outcomes_that_find_no_slot_are_counted_and_change_nothing(events, recency):
    model, kept = small(2, recency=recency), books(events, 2, STEP_SIZE if recency else None)
    state = heard(model, events)
    assert state.overflow == kept.overflow
    for (where, action), found in answers(model, state).items():
        assert_is(found, kept.answer(where, action), where)


def test_recency_by_hand():
    """α = 0.3. First (1, goes on) with reward 1; then it ends there with −2; then goes on with 2."""
    model = small(recency=True)
    events = [Event(0, 0, 1.0, 1, False), Event(0, 0, -2.0, 1, True), Event(0, 0, 2.0, 1, False)]
    found = answers(model, heard(model, events))[0, 0]
    # Weights 1; 0.7 and 0.3; 0.49 + 0.3 and 0.21. Rewards 1 + 0.3 · (2 − 1) and −2.
    assert found == {(1, False): pytest.approx((0.79, 1.3)), (1, True): pytest.approx((0.21, -2.0))}


def test_counts_by_hand():
    model = small()
    events = [Event(1, 0, 1.0, 1, False), Event(1, 0, -2.0, 1, True), Event(1, 0, 2.0, 1, False)]
    found = answers(model, heard(model, events))[1, 0]
    assert found == {(1, False): pytest.approx((2 / 3, 1.5)), (1, True): pytest.approx((1 / 3, -2.0))}


def test_a_step_size_of_one_keeps_the_last_outcome_only():
    model = models.learned(NUM_STATES, NUM_ACTIONS, PLENTY, DISCOUNT, step_size=1.0)
    events = [Event(0, 0, 1.0, 1, False), Event(0, 0, -2.0, 2, True), Event(0, 0, 3.0, 1, False)]
    for length, known in ((1, {(1, False): (1, 1)}), (2, {(2, True): (1, -2)}), (3, {(1, False): (1, 3)})):
        assert answers(model, heard(model, events[:length]))[0, 0] == known


def test_issue_an_outcome_whose_weight_has_faded_away_is_not_taken_for_new():
    """0.3 ** n is nothing in float32 after some 90 steps; the mean reward of the outcome is kept."""
    model = models.learned(NUM_STATES, NUM_ACTIONS, PLENTY, DISCOUNT, step_size=0.7)
    rare, common = Event(0, 0, 1.0, 2, False), Event(0, 0, 0.0, 1, False)
    update = quick_jit(model.update)
    state = update((), model.init(None), as_transition(rare))
    for _ in range(120):
        state = update((), state, as_transition(common))
    assert set(answers(model, state)[0, 0]) == {(1, False)}, "its weight is nothing by now"
    found = answers(model, update((), state, as_transition(rare._replace(reward=2.0))))[0, 0]
    # 1 + 0.7 · (2 − 1)
    assert found[2, False] == pytest.approx((0.7, 1.7))


# --- what was never tried ------------------------------------------------------------------------


def test_untried_pairs_stay():
    model = small(untried="stay")
    for (state, _), found in answers(model, model.init(None)).items():
        assert found == {(state, False): (1, 0)}


def test_untried_pairs_lead_to_any_state_that_is_not_terminal():
    model = small(untried="uniform")
    for found in answers(model, model.init(None)).values():
        assert found == {(state, False): (0.5, 0) for state in (0, 1)}
    everywhere = small(untried="uniform", is_terminal=None)
    for found in answers(everywhere, everywhere.init(None)).values():
        assert found == {(state, False): (pytest.approx(1 / 3), 0) for state in range(NUM_STATES)}


def test_untried_pairs_end_with_the_optimistic_reward():
    model = small(untried="optimistic", optimistic_reward=5.0)
    for (state, _), found in answers(model, model.init(None)).items():
        assert found == {(state, True): (1, 5)}


@pytest.mark.parametrize("untried", ["stay", "uniform", "optimistic"])
def test_what_was_tried_is_answered_from_experience(untried):
    """One pair was tried; its neighbours were not, and answer as before."""
    model = small(untried=untried, optimistic_reward=5.0)
    state = heard(model, [Event(1, 0, -1.0, 2, True)])
    before, after = answers(model, model.init(None)), answers(model, state)
    assert after.pop((1, 0)) == {(2, True): (1, -1)}
    assert before.pop((1, 0)) != {(2, True): (1, -1)}
    assert before == after


# --- samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("untried", ["stay", "uniform", "optimistic"])
@pytest.mark.parametrize("recency", [False, True])
def test_samples_are_as_frequent_as_expected_and_belong_together(recency, untried):
    random = np.random.default_rng(5)
    events = [
        Event(int(s), int(a), float(r), int(s2), bool(e))
        for s, a, r, s2, e in zip(*random.integers(0, [[2]] * 5, (5, LONGEST)))
        if (s, a) != (1, 1)
    ]
    model = small(recency=recency, untried=untried, optimistic_reward=5.0)
    state = heard(model, events)
    count = 1024
    noise = (jnp.arange(count, dtype=jnp.float32) + 0.5) / count
    ask = quick_jit(jax.vmap(model.sample, (0, None, None, None)))
    for (where, action), known in answers(model, state).items():
        drawn = jax.tree.map(np.asarray, ask(noise, state, jnp.int32(where), jnp.int32(action)))
        assert (drawn.observation == where).all()
        assert (drawn.action == action).all()
        seen = 0
        for (successor, ends), (probability, reward) in known.items():
            this = (drawn.successor == successor) & ((drawn.discount == 0) == ends)
            # Numbers spread evenly over [0, 1) fall to an outcome by its share, up to one at each end.
            assert abs(this.sum() - probability * count) <= 2
            assert (drawn.reward[this] == reward).all()
            seen += this.sum()
        assert seen == count, "nothing else is ever drawn"
    assert model.draw is uniforms


# --- compiled ------------------------------------------------------------------------------------


EXPERIENCE = [
    Event(int(s), int(a), float(r), int(s2), bool(e))
    for s, a, r, s2, e in zip(*np.random.default_rng(1).integers(0, [[3], [2], [4], [3], [2]], (5, LONGEST)))
]


def test_jit_equals_no_jit():
    model = small(recency=True)
    compiled = heard(model, EXPERIENCE)
    with jax.disable_jit():
        plain = model.init(None)
        for event in EXPERIENCE:
            plain = model.update((), plain, as_transition(event))
        one = model.expect(plain, jnp.int32(0), jnp.int32(1))
    for known, found in zip(plain, compiled):
        assert known.dtype == found.dtype
        np.testing.assert_allclose(known, found, rtol=1e-6)
    for known, found in zip(one, expectations(model, compiled)):
        np.testing.assert_allclose(known, found[0, 1], rtol=1e-6)


def test_a_lane_with_a_traced_step_size_is_the_model_of_that_step_size():
    def hear(step_size, transitions):
        model = models.learned(NUM_STATES, NUM_ACTIONS, PLENTY, DISCOUNT, step_size=step_size)
        return lax.scan(lambda state, event: (model.update((), state, event), None), model.init(None), transitions)[0]

    sizes, transitions = jnp.float32([0.1, STEP_SIZE, 1.0]), stacked(EXPERIENCE)
    lanes = quick_jit(jax.vmap(hear, (0, None)))(sizes, transitions)
    known = heard(small(recency=True), EXPERIENCE)
    for name, all_lanes, one in zip(known._fields, lanes, known):
        np.testing.assert_allclose(all_lanes[1], one, rtol=1e-6, err_msg=name)
    assert (np.asarray(lanes.weight[0]) != np.asarray(lanes.weight[1])).any()


def test_lanes_with_their_own_experience_do_not_mix():
    model = small()
    other = EXPERIENCE[::-1][: LONGEST // 2]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), stacked(EXPERIENCE), stacked(other))
    lanes = quick_jit(jax.vmap(_hearing(model).__wrapped__))(both, jnp.array([LONGEST, len(other)]))
    for lane, events in enumerate((EXPERIENCE, other)):
        for found, known in zip(lanes, heard(model, events)):
            np.testing.assert_array_equal(found[lane], known)


# --- the truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("average", "step_size"), [("sample", 1.0), ("recency", 0.02)])
def test_after_much_experience_it_is_the_truth(average, step_size):
    """TwoRooms, 400 transitions of every state and action in random order."""
    tables = two_rooms(TwoRoomsSettings()).tables
    truth = tables.phase(1)
    chosen = LearnedModel(average=average, step_size=step_size)
    model = learned_model(chosen, tables, DISCOUNT)
    each, random = 400, np.random.default_rng(2)
    states, actions = np.divmod(random.permutation(np.repeat(np.arange(51 * 4), each)), 4)
    slots = (random.random((len(states), 1)) > truth.cumulative[states, actions]).sum(-1)
    places = states, actions, slots
    discount = np.where(truth.terminates[places], 0, np.float32(DISCOUNT))
    events = as_experience(states, actions, truth.reward[places], discount, truth.successor[places])

    @jax.jit
    def learn(events):
        return lax.scan(lambda state, event: (model.update((), state, event), None), model.init(None), events)[0]

    state = learn(events)
    assert state.overflow == 0
    assert state.outcome.shape == (51 * 4, slots_of(chosen, tables)) == (51 * 4, 4)
    found = expectations(model, state, 51, 4)

    # Dense [S, A, S'] probabilities; the variance of a mean of n is p (1 − p) / n, with recency α / (2 − α) for 1 / n.
    learned_shares, known = np.zeros((51, 4, 51)), np.zeros((51, 4, 51))
    everywhere = np.indices((51, 4, 4))
    np.add.at(learned_shares, (*everywhere[:2], found[3]), found[0])
    np.add.at(known, (*everywhere[:2], truth.successor), truth.probability)
    share = 1 / each if average == "sample" else step_size / (2 - step_size)
    spread = np.sqrt(known * (1 - known) * share)
    assert (learned_shares[known == 0] == 0).all(), "what cannot happen has no probability"
    is_open = spread > 1e-6
    assert (np.abs(learned_shares - known)[is_open] < 6 * spread[is_open]).all()
    np.testing.assert_allclose(learned_shares[~is_open], known[~is_open], atol=1e-6)
    assert np.abs(learned_shares - known).sum(-1).mean() / 2 < 0.03, "total variation"
    # Rewards and ends have no chance in them.
    possible = found[0] > 0
    enters = np.isin(found[3], np.flatnonzero(truth.is_terminal)) & ~truth.is_terminal[:, None, None]
    np.testing.assert_array_equal((found[2] == 0)[possible], enters[possible])
    reward = np.where(found[3] == 9, -1.0, 1.0) * enters
    np.testing.assert_allclose(found[1][possible], reward[possible], atol=1e-5)
