"""Garnets: sparse, random, repeatable, and different where they shall be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgsc.environments import GarnetSettings, check_tables, garnet
from mgsc.errors import UserError


@settings(deadline=None, max_examples=25)
@given(
    states=st.integers(2, 30),
    actions=st.integers(1, 4),
    branching=st.integers(1, 30),
    share=st.floats(0.01, 1.0),
    phases=st.integers(1, 3),
    draw=st.integers(0, 1000),
)
def test_any_garnet_is_a_process_with_as_many_successors_as_asked(states, actions, branching, share, phases, draw):
    chosen = GarnetSettings(states, actions, branching, share, phases, draw)
    if branching > states:
        with pytest.raises(UserError, match=f"branching is {branching}: there are only {states} states"):
            garnet(chosen)
        return
    world = garnet(chosen)
    tables = world.tables
    check_tables(tables)
    assert tables.probability.shape == (phases, states, actions, branching)
    assert not tables.terminates.any()
    live = ~tables.is_terminal
    successors = np.sort(tables.successor[0][live], -1)
    assert (np.diff(successors, axis=-1) > 0).all(), "successors of a pair are different states"
    np.testing.assert_array_equal(tables.probability, tables.probability[:1].repeat(phases, 0))


def test_rewards_belong_to_states_and_change_with_the_phase():
    tables = garnet(GarnetSettings(states=40, reward_share=0.25)).tables
    for phase in range(2):
        by_state = [set(tables.reward[phase][tables.successor[phase] == state].tolist()) for state in range(40)]
        assert all(len(rewards) <= 1 for rewards in by_state)
        assert sum(rewards not in ({0.0}, set()) for rewards in by_state) == 10
    assert (tables.reward[0] != tables.reward[1]).any()


def test_a_draw_is_repeatable_and_another_one_is_another():
    first, again, other = (garnet(GarnetSettings(draw=draw)).tables for draw in (3, 3, 4))
    np.testing.assert_array_equal(first.probability, again.probability)
    assert (first.successor != other.successor).any()
