"""Anyone's environment in a suite: own mazes and worlds, Gymnasium's, and the example that shows it."""

from __future__ import annotations

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc.environments import GymnasiumSettings, from_map, from_tables
from mgsc.environments.foreign import NEVER
from mgsc.errors import UserError
from mgsc.experiments.design.own import OwnSettings, own_environment
from mgsc.experiments.design.parts import build_source
from mgsc.experiments.design.suites import Suite, change_suite, check_suite, choose_agents, get_suite, settings_as_dict
from mgsc.experiments.running.build import build_problem

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "own_environment.py"
AGENTS = choose_agents(get_suite("tmaze-fixed"), ["no_planning", "uniform"]).agents
SHORT = {"steps": 60, "record_every": 20, "measure_every": 20, "planning_updates": 1}


@pytest.fixture(autouse=True)
def _quick_programs(monkeypatch):
    compile_quickly(monkeypatch)
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 2)


def swap(**changes):
    maze = from_map("BSA", {"A": (1.0, -1.0), "B": (-1.0, 1.0)})
    return own_environment("swap", maze, **{"switch_every": 20, **changes})


def suite_of(environment) -> Suite:
    return Suite("own", environment, agents=AGENTS, **SHORT)


def test_a_maze_of_ones_own_runs_and_is_kept(tmp_path):
    suite = suite_of(swap())
    result = mgsc.run(suite, seeds=2, out=tmp_path / "result")
    assert dict(result.sizes) == {"agent": 2, "seed": 2, "chunk": 3, "state": 3, "phase": 2}
    assert (result.attrs["suite"], result.attrs["title"]) == ("own", "own")
    assert result.attrs["switch_steps"] == [20, 40]
    environment = json.loads(result.attrs["settings"])["environment"]
    assert environment == {"digest": suite.environment.digest, "name": "swap", "switch_every": 20, "step_limit": 0}
    # Every step may end an episode with the reward of the better goal.
    np.testing.assert_allclose(result.unconstrained_reward, 20)
    assert result.reward.notnull().all()
    other = own_environment("swap", from_map("BSA", {"A": (2.0, -1.0), "B": (-1.0, 2.0)}), switch_every=20)
    with pytest.raises(UserError, match=r"other settings: .*digest"):
        mgsc.run(suite_of(other), seeds=2, out=tmp_path / "result", resume=True)


def test_a_world_that_never_ends_runs():
    """Continuing problems are legal: two states in a ring, with a reward on the way back."""
    world = from_tables(
        np.ones((2, 2, 1)),
        [[[0.0], [0.0]], [[1.0], [0.0]]],
        [[[1], [0]], [[0], [1]]],
        np.zeros((2, 2, 1), bool),
        start=0,
    )
    result = mgsc.run(suite_of(own_environment("ring", world)), agents=["uniform"], seeds=1)
    assert result.attrs["switch_steps"] == []
    assert (result.state_row < 0).all(), "the states lie in no maze"
    # From state 0 a reward in every second step.
    np.testing.assert_allclose(result.unconstrained_reward, 10)


def test_changes_keep_the_environment_behind_the_settings():
    suite = change_suite(suite_of(swap()), {"environment.switch_every": "40", "environment.step_limit": 5})
    check_suite(suite)
    assert isinstance(suite.environment, OwnSettings)
    problem = build_problem(suite)
    assert (problem.environment_params.switch_every, problem.environment_params.step_limit) == (40, 5)
    assert problem.known.source is suite.environment.source
    assert "source" not in settings_as_dict(suite)["environment"]


def test_the_worlds_step_limit_is_taken_unless_another_is_named():
    arrays = from_map("S.A", {"A": (1.0,)}).tables
    world = from_tables(*(array[0] for array in arrays[:4]), start=arrays.start, step_limit=9)
    assert own_environment("limited", world).step_limit == 9
    assert own_environment("limited", world, step_limit=0).step_limit == 0
    assert own_environment("limited", world).switch_every == NEVER
    with pytest.raises(UserError, match="step_limit is 1, but the nearest goal is 2 steps"):
        build_problem(suite_of(own_environment("limited", world, step_limit=1)))


def test_equal_tables_are_equal_settings():
    assert swap() == swap()
    assert hash(swap()) == hash(swap())
    assert swap() != swap(switch_every=40)
    assert swap() != own_environment("swap", from_map("BSA", {"A": (1.0,), "B": (0.5,)}), switch_every=20)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: swap(switch_every=0), "environment.switch_every is 0: it must be"),
        (lambda: swap(step_limit=-1), "environment.step_limit is -1"),
        (lambda: own_environment("", from_map("S.", {})), "environment.name is ''"),
        (lambda: check_suite(suite_of(swap(switch_every=30))), r"record_every \(20\) must divide environment.switch"),
        (lambda: mgsc.run(suite_of(swap()), agents=["nobody"]), "unknown agent 'nobody'"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_suite_on_gymnasiums_tables():
    suite = suite_of(GymnasiumSettings("FrozenLake-v1"))
    check_suite(suite)
    problem = build_problem(suite)
    assert problem.environment_params.step_limit == 100
    assert problem.known.tables.probability.shape == (1, 16, 4, 3)
    assert not problem.known.wrong.any()
    assert settings_as_dict(suite)["environment"] == {"id": "FrozenLake-v1", "time_limit": 0}
    changed = change_suite(suite, {"environment.id": "CliffWalking-v1", "environment.time_limit": "50"})
    assert changed.environment == GymnasiumSettings("CliffWalking-v1", 50)
    assert build_source(changed.environment).tables.probability.shape[1] == 48
    check_suite(dataclasses.replace(suite, discount=1.0))
    with pytest.raises(UserError, match="episodes may never end"):
        check_suite(dataclasses.replace(suite_of(GymnasiumSettings("CliffWalking-v1")), discount=1.0))
    with pytest.raises(UserError, match=r"gymnasium.make\('Nothing-v0'\) failed"):
        build_source(GymnasiumSettings("Nothing-v0"))


def test_the_example_runs_in_at_most_twenty_lines(monkeypatch, capsys):
    body = EXAMPLE.read_text().split('"""', 2)[2].splitlines()
    assert len([line for line in body if line and not line.startswith(("import", "from"))]) <= 20
    run = mgsc.run

    def run_shortly(suite, seeds):
        return run(suite, seeds=1, settings={"steps": 500, "environment.switch_every": 250})

    monkeypatch.setattr(mgsc, "run", run_shortly)
    found = runpy.run_path(str(EXAMPLE))
    assert found["result"].agent.values.tolist() == ["uniform", "meta_gradient"]
    printed = capsys.readouterr().out
    assert "meta_gradient" in printed
    assert "uniform" in printed
