"""The oracle of pictures asks about no state in which the model is wrong at the moment."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mgsc.benchmarks import picture_oracle
from mgsc.benchmarks.picture_oracle import avoid, compared
from mgsc.environments.images import TMazeImageSettings, maze_images, pictures_of
from mgsc.environments.tmaze import tmaze
from mgsc.types import Candidates

SWITCH_EVERY = 10
MAZE = tmaze(TMazeImageSettings(stem=2, arm=2))


def candidates(states: list[int]) -> Candidates:
    images = jnp.asarray(maze_images(MAZE)[states])
    return Candidates(images, jnp.arange(len(states)), jnp.ones(len(states), bool))


@pytest.mark.parametrize(
    ("count", "states", "expected"),
    [
        (0, [0, 1, 0, 2], [0.25, 0.25, 0.25, 0.25]),
        (SWITCH_EVERY, [0, 1, 0, 2], [0.25, 0.25, 0.25, 0.25]),
        (SWITCH_EVERY + 1, [0, 1, 0, 2], [0.0, 0.5, 0.0, 0.5]),
        (2 * SWITCH_EVERY + 1, [0, 1, 0, 2], [0.25, 0.25, 0.25, 0.25]),
        (SWITCH_EVERY + 1, [0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_wrong_states_have_no_weight_in_the_phases_in_which_they_are_wrong(count, states, expected) -> None:
    wrong = np.zeros((2, len(MAZE.row)), bool)
    wrong[1, 0] = True
    control = avoid(pictures_of(MAZE), wrong, SWITCH_EVERY)(None)
    np.testing.assert_allclose(control.weights(jnp.array(count), None, candidates(states)), expected)
    assert control.observe(jnp.array(count), None, candidates(states), None)[0] == count + 1


def test_both_agents_run_alike_with_each_step_size() -> None:
    suite = compared("net-tworooms", [0.1, 0.3], {"steps": "500", "agents.planning_updates": "2"})
    assert list(suite.agents) == ["uniform 0.1", "oracle 0.1", "uniform 0.3", "oracle 0.3"]
    assert [agent.step_size for agent in suite.agents.values()] == [0.1, 0.1, 0.3, 0.3]
    assert {agent.planning_updates for agent in suite.agents.values()} == {2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("environment.stam=3", "environment.stam"),
        ("uniform.step_size=0.1", "give --step-sizes"),
        ("model.rewards=current", "leave model out of --set"),
        ("model=learned", "leave model out of --set"),
    ],
)
def test_mistakes_are_refused(change, message, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["picture_oracle", "net-tmaze", "--set", change])
    with pytest.raises(SystemExit) as stopped:
        picture_oracle.in_words(picture_oracle.main)
    assert message in capsys.readouterr().err + str(stopped.value)
