"""Anyone's tables become ours, exactly; what is wrong with them is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import dense_outcomes

from mgsc.environments import World, check_tables, from_dense, from_map, from_tables, tabular
from mgsc.environments.tabular import NO_LIMIT
from mgsc.errors import UserError

GOAL = 2


def corridor():
    """0 – 1 – 2, where 2 ends the episode; action 1 goes right with 3/4, given as two equal outcomes."""
    probability = np.array([[[1.0, 0, 0], [0.25, 0.5, 0.25]]] * 3)
    successor = np.array([[[max(s - 1, 0)] * 3, [max(s - 1, 0), min(s + 1, 2), min(s + 1, 2)]] for s in range(3)])
    reward = np.where(successor == GOAL, 5.0, -1.0)
    return {"probability": probability, "reward": reward, "successor": successor, "terminates": successor == GOAL}


def test_equal_outcomes_are_merged_and_slots_are_as_few_as_can_be():
    world = from_tables(**corridor(), start=0, step_limit=7)
    tables = world.tables
    assert tables.probability.shape == (1, 3, 2, 2)
    np.testing.assert_array_equal(tables.probability[0, 1], [[1, 0], [0.25, 0.75]])
    np.testing.assert_array_equal(tables.successor[0, 1], [[0, 1], [0, 2]])
    np.testing.assert_array_equal(tables.reward[0, 1, 1], [-1, 5])
    np.testing.assert_array_equal(tables.terminates[0, 1, 1], [False, True])
    np.testing.assert_array_equal(tables.is_terminal, [False, False, True])
    np.testing.assert_array_equal(tables.start, [1, 0, 0])
    assert world.step_limit == 7


def test_outcomes_that_differ_in_reward_or_termination_stay_apart():
    arrays = {
        "probability": [[[0.5, 0.25, 0.25]]],
        "successor": [[[0, 0, 0]]],
        "reward": [[[1.0, 2.0, 1.0]]],
        "terminates": [[[False, False, True]]],
    }
    tables = from_tables(**arrays, start=[1.0]).tables
    np.testing.assert_array_equal(tables.probability, [[[[0.5, 0.25, 0.25]]]])
    assert not tables.is_terminal.any(), "termination belongs to the transition"


def test_states_in_which_no_episode_goes_on_are_left_alone():
    """As in Gymnasium's tables, a state beyond the goal and one that nothing leads to have rows of their own."""
    arrays = corridor()
    tables = from_tables(**arrays, start=1).tables
    np.testing.assert_array_equal(tables.is_terminal, [False, False, True])
    np.testing.assert_array_equal(tables.probability[0, GOAL, :, 0], 1)
    np.testing.assert_array_equal(tables.successor[0, GOAL], GOAL)
    assert not tables.reward[0, GOAL].any()
    arrays["successor"][0, :] = 0
    tables = from_tables(**arrays, start=1).tables
    np.testing.assert_array_equal(tables.is_terminal, [False, False, True])


WRONG = [
    ("probability", (1, 1, 0), -0.25, "probability at phase 0, state 1, action 1, slot 0 is -0.25: it must be finite"),
    ("probability", (1, 1, 0), 0.5, "sum of probabilities at phase 0, state 1, action 1 is 1.25: it must be 1"),
    ("probability", (1, 1, 0), np.nan, "probability at phase 0, state 1, action 1, slot 0 is nan"),
    ("reward", (0, 1, 2), np.inf, "reward at phase 0, state 0, action 1, slot 2 is inf: it must be finite"),
    ("reward", (0, 1, 2), 1e300, "reward at phase 0, state 0, action 1, slot 2 is inf: it must be finite"),
    ("successor", (2, 0, 1), 3, r"successor at phase 0, state 2, action 0, slot 1 is 3: it must be a state in 0\.\.2"),
    ("successor", (2, 0, 1), -1, "successor at phase 0, state 2, action 0, slot 1 is -1"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), WRONG)
def test_a_wrong_number_is_named_with_its_state_and_action(name, place, value, message):
    arrays = corridor()
    arrays[name][place] = value
    with pytest.raises(UserError, match=message):
        from_tables(**arrays, start=0)


def test_a_negative_probability_does_not_hide_behind_an_equal_outcome():
    arrays = corridor()
    arrays["probability"][1, 1] = [0.25, 1.0, -0.25]
    with pytest.raises(UserError, match=r"state 1, action 1, slot 2 is -0.25"):
        from_tables(**arrays, start=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": 3}, r"start must be a state in 0\.\.2, or 3 probabilities, not 3"),
        ({"start": [0.5, 0.5]}, "start must be a state"),
        ({"start": "0"}, "start must be a state"),
        ({"start": [0.5, 0, 0]}, "start probabilities must be non-negative and sum to 1, not 0.5"),
        ({"step_limit": -1}, "step_limit is -1"),
        ({"probability": [[1.0]]}, r"probability must have shape \[S, A, M\] or \[P, S, A, M\]"),
        ({"probability": [[[1.0], [0.5, 0.5]]]}, "probability must be an array of numbers, all rows of one length"),
        ({"reward": np.zeros((3, 2))}, "reward has shape .* they must be equal"),
        ({"successor": np.zeros((3, 2, 3))}, "successor must hold whole numbers, not float64"),
        ({"terminates": np.zeros((3, 2, 3))}, "terminates must hold true and false, not float64"),
    ],
)
def test_what_cannot_be_tables_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        from_tables(**{**corridor(), "start": 0, **changes})


def test_a_goal_that_no_episode_comes_to_is_refused_and_none_at_all_is_legal():
    arrays = corridor()
    arrays["probability"][1, 1] = [1.0, 0, 0]
    with pytest.raises(UserError, match=r"no goal can be reached from the start: action 1 ends .* state 2"):
        from_tables(**arrays, start=0)
    arrays["terminates"][:] = False
    world = from_tables(**arrays, start=0)
    assert not world.tables.terminates.any()


def test_dense_tables_are_the_same_environment():
    transition = np.zeros((3, 2, 3))
    transition[:2, 0, 0] = 1
    transition[0, 1, [0, 1]] = transition[1, 1, [0, 2]] = 0.25, 0.75
    transition[2, :, 2] = 1
    reward = np.broadcast_to([-1.0, -1.0, 5.0], (3, 2, 3))
    terminal = [False, False, True]
    for one, other in zip(
        from_dense(transition, reward, terminal, 0).tables, from_tables(**corridor(), start=0).tables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    by_action = from_dense(transition, [[1.0, 2.0]] * 3, terminal, start=[0.5, 0.5, 0], step_limit=3)
    np.testing.assert_array_equal(by_action.tables.reward[0, 0], [[1, 0], [2, 2]])
    assert by_action.step_limit == 3


@pytest.mark.parametrize(
    ("place", "arguments", "message"),
    [
        ((1, 1, 0), {}, "sum of probabilities at phase 0, state 1, action 1 is 1.9"),
        (None, {"reward": np.zeros(3)}, r"reward must have shape \(3, 2, 3\) or \(3, 2\).*not \(3,\)"),
        (None, {"terminal": [0, 0, 1]}, r"terminal must be \[3\] true or false, not int64"),
        (None, {"terminal": [True]}, r"terminal must be \[3\] true or false"),
        (None, {"terminal": [[True] * 3] * 2}, r"goals that move are terminates \[P, S, A, M\] of from_tables"),
        (None, {"transition": np.ones((3, 2, 2))}, r"transition must have shape \[S, A, S\]"),
    ],
)
def test_wrong_dense_tables_are_refused(place, arguments, message):
    transition = np.zeros((3, 2, 3))
    transition[:, 0, 0] = transition[:, 1, 2] = 1
    transition[2] = [0, 0, 1]
    if place is not None:
        transition[place] = 0.9
    given_arguments = {
        "transition": transition,
        "reward": np.zeros((3, 2)),
        "terminal": [False, False, True],
        "start": 0,
        **arguments,
    }
    with pytest.raises(UserError, match=message):
        from_dense(**given_arguments)


def test_phases_follow_in_a_circle_and_the_worlds_limit_is_the_environments():
    phases = from_map("S.A", {"A": (1.0, -1.0)}).tables
    arrays = {name: getattr(phases, name) for name in ("probability", "reward", "successor", "terminates")}
    world = from_tables(**arrays, start=phases.start, step_limit=9)
    for phase in range(2):
        for mine, theirs in zip(dense_outcomes(world.tables.phase(phase)), dense_outcomes(phases.phase(phase))):
            np.testing.assert_array_equal(mine, theirs)
    assert tabular(world)[1].step_limit == 9
    assert tabular(world, step_limit=3)[1].step_limit == 3
    assert tabular(World(world.tables))[1].step_limit == NO_LIMIT
    np.testing.assert_array_equal(tabular(world)[1].reward, tabular(world.tables)[1].reward)
    assert (world.row < 0).all()
    assert world.column.shape == (3,)


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_merging_changes_no_transition(num_states, num_actions, num_slots, seed):
    random = np.random.default_rng(seed)
    shape = (num_states, num_actions, num_slots)
    weights = random.integers(0, 4, shape) + (np.arange(num_slots) == 0)
    arrays = {
        "probability": weights / weights.sum(-1, keepdims=True),
        "reward": random.integers(-1, 2, shape),
        "successor": random.integers(0, num_states, shape),
        "terminates": np.zeros(shape, bool),
    }
    tables = from_tables(**arrays, start=0).tables
    check_tables(tables)
    expected = np.zeros((2, num_states, num_actions, num_states))
    for (state, action, slot), share in np.ndenumerate(arrays["probability"]):
        place = state, action, arrays["successor"][state, action, slot]
        expected[0][place] += share
        expected[1][place] += share * arrays["reward"][state, action, slot]
    live = ~tables.is_terminal
    for found, known in zip(dense_outcomes(tables.phase(0))[:2], expected, strict=True):
        np.testing.assert_allclose(found[live], known[live], atol=1e-6)
    rows = tables.probability.reshape(-1, tables.probability.shape[-1])
    assert (rows > 0).sum(1).max() == rows.shape[1], "M is the most outcomes there are"
