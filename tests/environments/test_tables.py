"""Tables that describe no decision process are refused, and the place of the mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

from mgsc.environments import check_tables, from_map
from mgsc.environments.tables import goal_rewards, mean_of_phases, reachable, stack_phases
from mgsc.errors import UserError


@pytest.fixture
def tables():
    """S . A with two phases: states 0, 1, 2; slots: bump or stay, and the neighbours."""
    tables = from_map("S.A", {"A": (1.0, -1.0)}, slip=0.2).tables
    return tables._replace(**{name: getattr(tables, name).copy() for name in tables._fields})


def test_sound_tables_pass(tables):
    check_tables(tables)


WRONG_ENTRIES = [
    ("probability", -0.1, "probability at phase 1, state 1, action 2, slot 0 is -0.1.*: it must be"),
    ("probability", np.nan, "probability at phase 1, state 1, action 2, slot 0 is nan"),
    ("probability", np.inf, "probability at phase 1, state 1, action 2, slot 0 is inf"),
    ("reward", np.inf, "reward at phase 1, state 1, action 2, slot 0 is inf: it must be finite"),
    ("reward", np.nan, "reward at phase 1, state 1, action 2, slot 0 is nan"),
    ("successor", 3, r"successor at phase 1, state 1, action 2, slot 0 is 3: .* in 0\.\.2"),
    ("successor", -1, "successor at phase 1, state 1, action 2, slot 0 is -1"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG_ENTRIES)
def test_one_wrong_entry_is_named(tables, name, value, message):
    getattr(tables, name)[1, 1, 2, 0] = value
    with pytest.raises(UserError, match=message):
        check_tables(tables)


def test_rows_must_sum_to_one(tables):
    tables.probability[0, 2, 3] *= 0.5
    with pytest.raises(UserError, match=r"sum of prob.* phase 0, state 2, action 3 is 0\.5"):
        check_tables(tables)


def test_float32_rounding_is_forgiven_and_mistakes_are_not(tables):
    tables.probability[0, 0, 0, 0] += 5e-7
    check_tables(tables)
    tables.probability[0, 0, 0, 0] += 5e-6
    with pytest.raises(UserError, match="sum of probabilities"):
        check_tables(tables)


def test_entering_a_terminal_state_must_terminate(tables):
    tables.terminates[0, 1] = False
    with pytest.raises(UserError, match=r"successor at phase 0, state 1, .* is 2: it is a terminal"):
        check_tables(tables)


def test_terminating_on_the_way_is_legal(tables):
    """Termination belongs to the transition."""
    tables.terminates[0, 0] = True
    check_tables(tables)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([0.5, 0, 0], "must be non-negative and sum to 1, not 0.5"),
        ([1.5, -0.5, 0], "must be non-negative"),
        ([np.nan, 0, 0], "must be non-negative and sum to 1"),
        ([0, 0, 1], "a terminal state cannot be a start state"),
    ],
)
def test_wrong_starts_are_refused(tables, start, message):
    with pytest.raises(UserError, match=message):
        check_tables(tables._replace(start=np.float32(start)))


def test_wrong_shapes_are_refused(tables):
    with pytest.raises(UserError, match=r"tables must have shape \[P, S, A, M\] with S = 3"):
        check_tables(tables.phase(0))
    with pytest.raises(UserError, match=r"tables must have shape .* with S = 2"):
        check_tables(tables._replace(start=tables.start[:2]))
    for name in ("reward", "successor", "terminates"):
        wrong = tables._replace(**{name: getattr(tables, name)[:1]})
        with pytest.raises(UserError, match=f"{name} has shape .* they must be equal"):
            check_tables(wrong)


def test_phases_are_stacked_and_taken_apart_again(tables):
    again = stack_phases([tables.phase(0), tables.phase(1)])
    for one, other in zip(again, tables):
        np.testing.assert_array_equal(one, other)
    assert tables.num_phases == 2


def test_the_running_sum_over_slots_ends_at_one(tables):
    np.testing.assert_allclose(tables.cumulative[..., -1], 1, atol=1e-6)
    np.testing.assert_allclose(np.diff(tables.cumulative), tables.probability[..., 1:], atol=1e-6)


def test_largest_reward_is_that_of_a_possible_transition(tables):
    tables.reward[tables.probability == 0] = 99.0
    assert tables.largest_reward == 1.0


def test_the_mean_needs_phases_that_differ_in_rewards_only(tables):
    np.testing.assert_array_equal(mean_of_phases(tables).reward, 0)
    np.testing.assert_array_equal(mean_of_phases(tables).probability, tables.probability[0])
    tables.probability[1] = tables.probability[1][:, ::-1]
    with pytest.raises(UserError, match="choose rewards 'stale'"):
        mean_of_phases(tables)


def test_reachable_follows_what_is_possible_in_any_phase(tables):
    np.testing.assert_array_equal(reachable(tables), [True, True, True])
    # In state 1 nothing leads on to state 2 any more, in either phase ...
    tables.successor[:, 1] = np.where(tables.successor[:, 1] == 2, 1, tables.successor[:, 1])
    np.testing.assert_array_equal(reachable(tables), [True, True, False])
    # ... and a transition of probability zero leads nowhere.
    tables.successor[:, 1][tables.probability[:, 1] == 0] = 2
    np.testing.assert_array_equal(reachable(tables), [True, True, False])


def test_goal_rewards_are_those_of_entering_and_of_no_other_state():
    tables = from_map("A.S.B", {"A": (0.5, -1.0), "B": (-2.0, 3.0)}, slip=0.1).tables
    nothing = np.nan
    np.testing.assert_array_equal(
        goal_rewards(tables), [[0.5, nothing, nothing, nothing, -2.0], [-1.0, nothing, nothing, nothing, 3.0]]
    )
    # Of several ways in the best counts, if it is possible at all and really enters.
    reward = tables.reward.copy()
    enters = tables.terminates & (tables.probability > 0) & (tables.successor == 4)
    reward[0][enters[0]] = np.linspace(-7, -3, enters[0].sum())
    reward[~enters] += 100 * ~tables.terminates[~enters]
    assert goal_rewards(tables._replace(reward=reward))[0, 4] == -3.0


def test_what_is_never_entered_has_no_goal_reward():
    tables = from_map("S.A", {"A": (1.0,)}).tables
    # Without slips only one action enters; what the others would get there does not count.
    reward = np.where(tables.terminates & (tables.probability == 0), 9.0, tables.reward)
    assert (reward == 9).any()
    assert goal_rewards(tables._replace(reward=reward))[0, 2] == 1.0
    impossible = tables._replace(successor=np.where(tables.successor == 2, 1, tables.successor))
    assert np.isnan(goal_rewards(impossible)).all()
    assert np.isnan(goal_rewards(from_map("S..", {}).tables)).all()
