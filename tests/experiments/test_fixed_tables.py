"""The tables of fixed models: rewards of one phase or of all, and noise where it is set."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from tests.dense import dense_outcomes

from mgsc.environments import TMazeSettings, TwoRoomsSettings, check_tables, from_map, tmaze, two_rooms
from mgsc.environments.tables import mean_of_phases, stack_phases
from mgsc.errors import UserError
from mgsc.experiments.design.parts import MODELS
from mgsc.experiments.design.suites import SUITES, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.truth import wrong_states
from mgsc.models import FixedModel, LearnedModel, learned_model, model_tables, slots_of
from mgsc.types import Transition

TMAZE = tmaze(TMazeSettings(reward=2.0, penalty=-0.5)).tables
ROOMS = two_rooms(TwoRoomsSettings()).tables
ARRAYS = ("probability", "reward", "successor", "terminates")
OPEN = np.flatnonzero(~ROOMS.is_terminal)

NOISY = FixedModel(reward_noise=0.3, transition_noise=0.2, corrupted_share=0.4, noise_seed=3)
EACH_NOISE = pytest.mark.parametrize(
    "settings",
    [
        FixedModel(reward_noise=0.5),
        FixedModel(transition_noise=0.25),
        FixedModel(transition_noise=1.0),
        FixedModel(corrupted_share=0.3),
        FixedModel(corrupted_share=1.0),
        NOISY,
        dataclasses.replace(NOISY, rewards="mean"),
    ],
)


def assert_same_tables(one, other):
    for name, mine, theirs in zip(one._fields, one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)
        assert mine.dtype == theirs.dtype, name


@pytest.mark.parametrize("noise_seed", [0, 9])
def test_without_noise_a_model_has_one_phase_or_the_mean(noise_seed):
    stale, mean = (FixedModel(rewards=rewards, noise_seed=noise_seed) for rewards in ("stale", "mean"))
    assert_same_tables(model_tables(stale, TMAZE), TMAZE.phase(0))
    assert_same_tables(model_tables(mean, TMAZE), mean_of_phases(TMAZE))
    # (2 − 0.5) / 2 at both ends.
    assert set(np.unique(model_tables(mean, TMAZE).reward)) == {0, 0.75}


@EACH_NOISE
def test_noise_leaves_tables_that_describe_a_decision_process(settings):
    model = model_tables(settings, ROOMS)
    check_tables(stack_phases([model]))
    np.testing.assert_allclose(model.probability.sum(-1), 1, atol=1e-6)
    for name in ARRAYS:
        assert getattr(model, name).dtype == getattr(ROOMS, name).dtype
    np.testing.assert_array_equal(model.is_terminal, ROOMS.is_terminal)


@EACH_NOISE
def test_noise_is_the_same_for_one_seed_and_another_for_another(settings):
    model = model_tables(settings, ROOMS)
    assert_same_tables(model, model_tables(settings, ROOMS))
    other = model_tables(dataclasses.replace(settings, noise_seed=settings.noise_seed + 1), ROOMS)
    assert any((getattr(model, name) != getattr(other, name)).any() for name in ARRAYS)


@EACH_NOISE
def test_the_truth_is_left_as_it_was(settings):
    before = [array.copy() for array in ROOMS]
    model_tables(settings, ROOMS)
    for array, known in zip(ROOMS, before):
        np.testing.assert_array_equal(array, known)


def test_reward_noise_is_normal_with_its_share_of_the_largest_reward():
    large = two_rooms(TwoRoomsSettings(width=20, height=21, reward=4.0)).tables
    model = model_tables(FixedModel(reward_noise=0.25), large)
    noise = (model.reward - large.reward[0])[large.probability[0] > 0]
    # 0.25 · 4 = 1; the mean and the deviation of n numbers err by 1/√n and 1/√(2n).
    n = noise.size
    assert n > 10_000
    assert abs(noise.mean()) < 4 / np.sqrt(n)
    assert abs(noise.std() - 1) < 4 / np.sqrt(2 * n)
    for name in ("probability", "successor", "terminates"):
        np.testing.assert_array_equal(getattr(model, name), getattr(large, name)[0])


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_transition_noise_gives_its_share_to_one_random_state(share):
    truth = ROOMS.phase(0)
    model = model_tables(FixedModel(transition_noise=share), ROOMS)
    assert model.probability.shape[-1] == truth.probability.shape[-1] + 1
    for name in ARRAYS[1:]:
        np.testing.assert_array_equal(getattr(model, name)[..., :-1], getattr(truth, name))
    np.testing.assert_allclose(model.probability[..., :-1], truth.probability * (1 - share), rtol=1e-6)
    extra = model.successor[..., -1]
    np.testing.assert_allclose(model.probability[..., -1], share, rtol=1e-6)
    assert np.isin(extra, OPEN).all(), "a random state is none at which episodes end"
    assert not model.reward[..., -1].any()
    assert not model.terminates[..., -1].any()
    # 204 draws of 49 states: nearly all are met, none of them very often.
    counts = np.bincount(extra.ravel(), minlength=51)
    assert (counts > 0).sum() > 40
    assert counts.max() < 20
    wrong = wrong_states(ROOMS, model)
    np.testing.assert_array_equal(wrong, np.broadcast_to(~ROOMS.is_terminal, wrong.shape))


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (0.01, 0), (0.1, 5), (0.4, 20), (1.0, 49)])
def test_a_share_of_the_states_is_corrupted(share, number):
    """0.1 · 49 = 4.9 and 0.4 · 49 = 19.6, rounded."""
    truth = ROOMS.phase(0)
    model = model_tables(FixedModel(corrupted_share=share), ROOMS)
    differs = [(mine != theirs).any((1, 2)) for mine, theirs in zip(dense_outcomes(model), dense_outcomes(truth))]
    corrupted = np.flatnonzero(np.any(differs, axis=0))
    assert len(corrupted) == number
    assert np.isin(corrupted, OPEN).all()
    probability, reward, ends = dense_outcomes(model)
    # Whatever is done there leads to one state, for no reward.
    assert (probability[corrupted].max(-1) == 1).all()
    goals = probability[corrupted].argmax(-1)
    assert (goals == goals[:, :1]).all()
    assert np.isin(goals, OPEN).all()
    assert not reward[corrupted].any()
    assert not ends[corrupted].any()
    assert len(set(goals[:, 0])) >= 0.3 * number, "each has a state of its own"
    np.testing.assert_array_equal(np.flatnonzero(wrong_states(ROOMS, model)[0]), corrupted)


def test_corrupted_states_are_the_same_ones_among_more():
    few, many = (model_tables(FixedModel(corrupted_share=share), ROOMS) for share in (0.1, 0.4))
    few, many = (wrong_states(ROOMS, model)[0] for model in (few, many))
    assert 0 < few.sum() < many.sum()
    assert not (few & ~many).any()


def test_all_kinds_of_noise_go_together():
    model = model_tables(NOISY, ROOMS)
    probability = model.probability
    np.testing.assert_allclose(probability[..., -1], 0.2, rtol=1e-6)
    # A corrupted state has but one slot beside the random one: 20 of 49.
    assert ((probability[..., :-1].max(-1) > 0.79).all(-1) & ~ROOMS.is_terminal).sum() == 20
    exact = model_tables(dataclasses.replace(NOISY, reward_noise=0.0), ROOMS)
    assert (model.reward != exact.reward).all()
    assert_same_tables(model._replace(reward=exact.reward), exact)


def test_a_problem_has_the_model_of_its_settings():
    suite = get_suite("tworooms-fixed")
    noisy = build_problem(dataclasses.replace(suite, model=NOISY))
    assert_same_tables(noisy.known.model_tables, model_tables(NOISY, ROOMS))
    assert not noisy.learns
    assert noisy.known.wrong[:, OPEN].all()
    answer = noisy.model.expect((), jnp.int32(20), jnp.int32(3))
    np.testing.assert_array_equal(answer.probability, noisy.known.model_tables.probability[20, 3])
    np.testing.assert_array_equal(answer.observation, noisy.known.model_tables.successor[20, 3])
    assert noisy.model.update is None


def test_a_problem_with_a_learned_model_knows_nothing_beforehand():
    problem = build_problem(get_suite("tworooms-learned"))
    assert problem.learns
    assert problem.known.model_tables is None
    assert not problem.known.wrong.any()
    state = problem.model.init(None)
    assert state.outcome.shape == (51 * 4, 4)
    answer = problem.model.expect(state, jnp.int32(20), jnp.int32(3))
    assert (answer.probability[0], answer.observation[0]) == (1, 20)


# --- learned models ------------------------------------------------------------------------------


def test_a_learned_model_has_as_many_slots_as_there_are_outcomes():
    # Four moves lead to four places at most; along a wall bumps share one.
    assert slots_of(LearnedModel(), TMAZE) == slots_of(LearnedModel(), ROOMS) == 4
    corridor = from_map("S.A", {"A": (1.0, -1.0)}, slip=0.1).tables
    assert slots_of(LearnedModel(), corridor) == 3
    assert slots_of(LearnedModel(), from_map("S.A", {"A": (1.0,)}).tables) == 1, "without slips each move has one"


def test_outcomes_of_all_phases_count_and_ends_are_outcomes_of_their_own():
    """To the right there is state 1 in the first phase, and state 1 with the end of the episode in the second."""
    tables = from_map("S.A", {"A": (1.0, -1.0)}).tables
    terminates = tables.terminates.copy()
    terminates[1, 0] |= tables.successor[1, 0] == 1
    assert slots_of(LearnedModel(), tables._replace(terminates=terminates)) == 2


def test_the_number_of_slots_may_be_larger_and_not_smaller():
    assert slots_of(LearnedModel(max_successors=4), TMAZE) == 4
    assert slots_of(LearnedModel(max_successors=9), TMAZE) == 9
    for few in (1, 3):
        with pytest.raises(UserError, match=f"^model.max_successors is {few}: this environment has up to 4$"):
            slots_of(LearnedModel(max_successors=few), TMAZE)


@pytest.mark.parametrize(
    ("settings", "probability", "mean"),
    # Rewards 1 on staying, then 4 on moving, then 2 on staying again.
    [
        (LearnedModel(average="sample", step_size=0.5), 2 / 3, 1.5),
        (LearnedModel(average="recency", step_size=0.5), 0.25 + 0.5, 1.5),
        (LearnedModel(average="recency", step_size=0.1), 0.81 + 0.1, 1.1),
    ],
)
def test_a_learned_model_averages_as_its_settings_say(settings, probability, mean):
    model = learned_model(settings, TMAZE, 0.9)
    state, here, up = model.init(None), jnp.int32(10), jnp.int32(0)
    for reward, successor in ((1.0, 10), (4.0, 9), (2.0, 10)):
        seen = Transition(here, up, jnp.float32(reward), jnp.float32(0.9), jnp.int32(successor))
        state = model.update((), state, seen)
    answer = model.expect(state, here, up)
    assert answer.probability.tolist() == pytest.approx([probability, 1 - probability, 0, 0])
    assert answer.reward[:2].tolist() == pytest.approx([mean, 4.0])
    assert answer.observation[:2].tolist() == [10, 9]


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        (LearnedModel(untried="stay"), {(10, False): (1, 0)}),
        (LearnedModel(untried="optimistic", optimistic_reward=3.0), {(10, True): (1, 3)}),
        (
            LearnedModel(untried="uniform"),
            {(state, False): (pytest.approx(1 / 13), 0) for state in range(15) if state not in (0, 8)},
        ),
    ],
)
def test_a_learned_model_answers_the_untried_as_its_settings_say(settings, known):
    model = learned_model(settings, TMAZE, 0.9)
    answer = model.expect(model.init(None), jnp.int32(10), jnp.int32(2))
    found = {
        (int(successor), bool(discount == 0)): (float(probability), float(reward))
        for probability, reward, discount, successor in zip(*answer)
        if probability > 0
    }
    assert found == known


def test_the_kinds_of_models_are_those_of_the_suites():
    assert {type(suite.model) for suite in SUITES.values()} == {row.settings for row in MODELS.values()}
