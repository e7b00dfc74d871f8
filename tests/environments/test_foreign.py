"""Gymnasium's tables become ours, and Gymnasium's own steps agree with them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from mgsc.environments import from_gymnasium, tabular
from mgsc.environments.foreign import GymnasiumSettings
from mgsc.environments.tables import steps_to_goal
from mgsc.errors import UserError

IDS = {
    # id: states, actions, most outcomes, live states, step limit
    "FrozenLake-v1": (16, 4, 3, 11, 100),
    "CliffWalking-v1": (48, 4, 1, 37, 0),
    # 25 places of the taxi × (4 × 3 with a passenger waiting + 4 with one in it)
    "Taxi-v4": (500, 6, 1, 400, 200),
}


@pytest.mark.parametrize("name", IDS)
def test_tables_are_those_of_the_environment(name):
    world = from_gymnasium(name)
    num_states, num_actions, num_slots, num_live, step_limit = IDS[name]
    tables = world.tables
    assert tables.probability.shape == (1, num_states, num_actions, num_slots)
    assert ((~tables.is_terminal).sum(), world.step_limit) == (num_live, step_limit)
    inner = gymnasium.make(name).unwrapped
    np.testing.assert_allclose(tables.start, inner.initial_state_distrib, rtol=1e-6)
    for state in np.flatnonzero(~tables.is_terminal):
        for action in range(num_actions):
            known = outcomes(inner.P[state][action])
            place = (0, state, action)
            columns = (tables.probability, tables.successor, tables.reward, tables.terminates)
            found = outcomes(zip(*(array[place] for array in columns)))
            assert found == pytest.approx(known, rel=1e-6)


def outcomes(listed) -> dict[tuple[int, float, bool], float]:
    merged: dict[tuple[int, float, bool], float] = {}
    for probability, successor, reward, terminated in listed:
        if probability:
            key = (int(successor), float(reward), bool(terminated))
            merged[key] = merged.get(key, 0.0) + float(probability)
    return merged


def test_known_numbers_of_frozen_lake():
    world = from_gymnasium("FrozenLake-v1")
    # In the upper left corner "left" slips up or down: two of three ways stay.
    np.testing.assert_allclose(world.tables.probability[0, 0, 0], [2 / 3, 1 / 3, 0], rtol=1e-6)
    assert steps_to_goal(from_gymnasium("FrozenLake-v1", is_slippery=False).tables) == 2, "the first hole"
    assert tabular(world)[1].step_limit == 100


class Tabular(gymnasium.Env):
    """Two states; action 1 in state 0 ends the episode in state 1."""

    def __init__(self, table=None, start=True):
        self.observation_space, self.action_space = spaces.Discrete(2), spaces.Discrete(2)
        ends = [(1.0, 1, 1.0, True)]
        self.P = {0: {0: [(1.0, 0, 0.0, False)], 1: ends}, 1: {0: ends, 1: ends}} | (table or {})
        if start:
            self.start_state_index = 0
        self.state = 0

    def reset(self, *, seed=None, options=None):
        self.state = 0
        return 0, {}

    def step(self, action):
        return int(action), float(action), bool(action), False, {}


def test_an_environment_of_ones_own():
    world = from_gymnasium(Tabular())
    np.testing.assert_array_equal(world.tables.is_terminal, [False, True])
    assert world.step_limit == 0
    limited = gymnasium.wrappers.TimeLimit(gymnasium.wrappers.TimeLimit(Tabular(), 5), 8)
    assert from_gymnasium(limited).step_limit == 5, "the tightest limit counts"
    assert from_gymnasium(Tabular(start=False), start=0).tables.start.tolist() == [1, 0]


ROW = "P of Tabular at state 0, action 1"
LISTS = r"it must list \(probability, successor, reward, terminated\)"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([(0.9, 1, 1.0, True)], "sum of probabilities at phase 0, state 0, action 1 is 0.9"),
        ([], "sum of probabilities at phase 0, state 0, action 1 is 0.0"),
        ([(1.5, 1, 1.0, True), (-0.5, 1, 1.0, True)], "probability at phase 0, state 0, action 1, slot 1 is -0.5"),
        ([(1.0, 2, 1.0, True)], "successor at phase 0, state 0, action 1, slot 0 is 2"),
        ([(1.0, 0.5, 1.0, True)], f"{ROW} is .*0.5.*: {LISTS}"),
        ([(1.0, 1, "much", True)], f"{ROW} is .*: {LISTS}"),
        ([(1.0, 1, 1.0)], f"{ROW} is .*: {LISTS}"),
        (None, f"{ROW} is None: {LISTS}"),
        ([(1.0, 1, 2.0, True)], "Tabular went from state 0 by action 1 to state 1 with reward 1.0 .*no true table"),
        ([(1.0, 1, 1.0, False)], "by action 1 .*terminated: True.* no true table"),
    ],
)
def test_wrong_tables_are_refused_with_their_place(row, message):
    table = {0: {0: [(1.0, 0, 0.0, False)], 1: row}}
    with pytest.raises(UserError, match=message):
        from_gymnasium(Tabular(table))


def test_a_row_that_is_missing_is_named():
    with pytest.raises(UserError, match=f"{ROW} is missing: {LISTS}"):
        from_gymnasium(Tabular({0: {0: [(1.0, 0, 0.0, False)]}}))


class Elsewhere(Tabular):
    def reset(self, *, seed=None, options=None):
        return 1, {}


class WithoutTable(Tabular):
    def __init__(self):
        super().__init__()
        del self.P


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_gymnasium("Blackjack-v1"), "observation space of Blackjack-v1 is Tuple.*only Discrete"),
        (lambda: from_gymnasium("CartPole-v1"), "observation space of CartPole-v1 is Box.*only Discrete"),
        (lambda: from_gymnasium("NoSuchThing-v0"), r"gymnasium.make\('NoSuchThing-v0'\) failed: .*exist"),
        (lambda: from_gymnasium("FrozenLake-v1", holes=3), "gymnasium.make.* failed: .*holes"),
        (lambda: from_gymnasium("Taxi-v4", fickle_passenger=True), "Taxi-v4 with fickle_passenger does what"),
        (lambda: from_gymnasium(Tabular(), holes=3), "holes: an environment that is made already"),
        (lambda: from_gymnasium(Tabular(start=False)), "Tabular does not say where .*: pass start="),
        (lambda: from_gymnasium(Tabular(), start=2), r"start must be a state in 0\.\.1"),
        (lambda: from_gymnasium(Elsewhere()), "Elsewhere began in state 1, .*: pass start="),
        (lambda: from_gymnasium(WithoutTable()), "WithoutTable has no transition table P: give its tables to"),
        (
            lambda: from_gymnasium(gymnasium.wrappers.TransformReward(Tabular(), lambda r: 2 * r)),
            "Tabular is wrapped in TransformReward",
        ),
    ],
)
def test_what_has_no_exact_table_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_actions_must_be_discrete_and_begin_at_zero():
    for name in ("action", "observation"):
        env = Tabular()
        setattr(env, name + "_space", spaces.Discrete(2, start=1))
        with pytest.raises(UserError, match=f"{name} space of Tabular is .*begin at 0"):
            from_gymnasium(env)


def test_settings_know_the_step_limit():
    assert GymnasiumSettings("FrozenLake8x8-v1").step_limit == 200
    assert GymnasiumSettings("FrozenLake8x8-v1", time_limit=50).step_limit == 50
    assert GymnasiumSettings("CliffWalking-v1").step_limit == 0
    with pytest.raises(UserError, match=r"environment\.id is 'Nothing-v0'"):
        assert GymnasiumSettings("Nothing-v0").step_limit
