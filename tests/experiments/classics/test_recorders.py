"""The recorders of the classics on steps written by hand."""

from __future__ import annotations

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.dyna import StepInfo
from mgsc.environments.maze import from_map
from mgsc.experiments.classics.recorders import episode_lengths, first_solution, path_test, reward_through_time
from mgsc.types import Transition

UP, DOWN, LEFT, RIGHT = range(4)


def seen(reward: float, is_end: bool) -> StepInfo:
    zero = jnp.zeros((), jnp.int32)
    transition = Transition(zero, zero, jnp.asarray(reward), jnp.where(is_end, 0.0, 0.95), zero)
    no = jnp.asarray(False)
    return StepInfo(transition, None, {}, no, no, {})


def recorded(recording, steps):
    record = recording.init()
    for is_end in steps:
        # As in a run of chunks of one step each.
        recorder = recording.after(record)
        record = recorder.step(recorder.init(), seen(float(is_end), is_end))
    return record


def test_lengths_of_episodes():
    recording = episode_lengths(3)
    record = recorded(recording, [0, 0, 1, 1, 0, 1])
    assert record["length"][:3].tolist() == [3, 1, 2]
    assert recording.is_over(record)
    assert not recording.is_over(recorded(recording, [0, 0, 1, 1, 0]))


def test_what_comes_after_the_last_episode_changes_nothing():
    assert recorded(episode_lengths(2), [0, 1, 1, 0, 1, 1])["length"][:2].tolist() == [2, 1]


def test_reward_through_time():
    recording = reward_through_time(num_steps=4, record_every=2)
    assert recorded(recording, [1, 1, 0, 1])["reward"][:2].tolist() == [2, 1]
    assert recording.is_over(recorded(recording, [0, 0, 0, 0]))
    assert not recording.is_over(recorded(recording, [0, 0, 0]))
    assert recorded(recording, [0, 1, 0, 0, 1, 1])["reward"][:2].tolist() == [1, 0]


MAZE = from_map("S.\n.A", {"A": (1.0,)})
"""States 0 (start), 1, 2 and 3 (goal): two ways of two steps."""


def greedy(actions: dict[int, list[int]]) -> jnp.ndarray:
    q = np.zeros((4, 4), np.float32)
    for state, best in actions.items():
        q[state, best] = 1.0
    return jnp.asarray(q)


@pytest.mark.parametrize(
    ("actions", "longest", "expected"),
    [
        ({0: [RIGHT], 1: [DOWN], 2: [RIGHT]}, 2, True),
        ({0: [RIGHT], 1: [DOWN], 2: [RIGHT]}, 1, False),
        ({0: [RIGHT, DOWN], 1: [DOWN], 2: [RIGHT]}, 2, True),  # a tie of two short paths
        ({0: [RIGHT, DOWN], 1: [DOWN], 2: [UP]}, 50, False),  # a tie, one way of which goes round for ever
        ({0: [RIGHT], 1: [DOWN], 2: [UP]}, 2, True),  # what is not on the path does not matter
        ({0: [RIGHT, UP], 1: [DOWN]}, 50, False),  # bumping may go on for ever
        ({}, 50, False),
    ],
)
def test_greedy_paths(actions, longest, expected):
    test = path_test(MAZE.tables.phase(0), longest)
    assert bool(test(greedy(actions), jnp.asarray(True))) is expected
    assert not test(greedy(actions), jnp.asarray(False))


def test_tables_with_chance_are_refused():
    with pytest.raises(ValueError, match="deterministic"):
        path_test(from_map("S.A", {"A": (1.0,)}, slip=0.1).tables.phase(0), 5)


@pytest.mark.parametrize(("at_ends", "expected"), [(True, 3), (False, 2)])
def test_the_first_solution(at_ends, expected):
    """Solved from the second step on; the episode ends with the third."""
    recording = first_solution(MAZE.tables.phase(0), 2, lambda state, steps: 10 * steps, at_ends=at_ends)
    record = recording.init()
    solved = greedy({0: [RIGHT], 1: [DOWN]})
    for values, is_end in ((greedy({}), 0), (solved, 0), (solved, 1), (solved, 1)):
        assert not recording.is_over(record) or int(record["steps"]) == expected
        record = recording.measure(recording.step(record, seen(0.0, bool(is_end))), SimpleNamespace(values=values))
    assert recording.is_over(record)
    assert int(record["steps"]) == expected
    assert int(record["updates"]) == 10 * expected
