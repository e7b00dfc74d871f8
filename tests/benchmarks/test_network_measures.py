"""What is measured of networks: costs in turn, and agreement of d from pictures with d from a table."""

from __future__ import annotations

import numpy as np
import pytest
from tests.quick import compile_quickly

from mgsc.benchmarks.greedy_returns import greedy_returns, main
from mgsc.benchmarks.network_steps import measure_steps
from mgsc.benchmarks.picture_weights import measure_agreement
from mgsc.benchmarks.plane_weights import SIDE, by_first_goal, draw_plane, weights_in_time
from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.figures.style import save_all

SMALL = {"environment.stem": "2", "environment.arm": "2", "environment.switch_every": "250", "values.units": "4"}


@pytest.mark.slow
def test_costs_are_of_each_agent_and_over_those_of_the_first(monkeypatch):
    compile_quickly(monkeypatch)
    first, other = measure_steps("net-tmaze", ["no_planning", "uniform"], {**SMALL, "lanes_per_block": "1"}, 250)
    assert (first.agent, first.ratio, other.agent) == ("no_planning", 1.0, "uniform")
    assert other.milliseconds > first.milliseconds > 0
    assert other.compile_seconds > 0


@pytest.mark.slow
def test_d_from_pictures_is_compared_with_d_from_a_table():
    found = measure_agreement("net-tmaze", range(2), SMALL, 500)
    assert len(found) == 2
    for agreement in found:
        assert -1 <= agreement.correlation <= 1
        assert 0 < agreement.wrong_mass < 1


def test_logits_of_features_cannot_be_asked_about_pictures():
    with pytest.raises(UserError, match="network on the observation"):
        measure_agreement("net-tmaze", range(2), {"meta_gradient.logits": "both"}, 500)


@pytest.mark.slow
def test_weights_over_the_plane_are_drawn(tmp_path):
    small = {"steps": 40, "environment.switch_every": 20, "values.units": 4, "batch_size": 2, "planning_updates": 2}
    suite = change_suite(get_suite("net-gridworld-stale"), {**small, "record_every": 20, "measure_every": 20})
    relative = weights_in_time(suite, range(2), panels=4)
    assert relative.shape == (2, 4, SIDE, SIDE)
    np.testing.assert_allclose(relative.mean((2, 3)), 1, rtol=1e-4)
    (file, *_) = save_all([("plane", draw_plane(suite, relative[0]))], tmp_path)
    assert file.stat().st_size > 1000


def test_only_a_plane_can_be_drawn():
    with pytest.raises(UserError, match="GridWorld only"):
        weights_in_time(get_suite("net-cartpole"), [0])


def test_weights_by_the_first_goal_are_those_of_the_upper_right_corner():
    relative = np.zeros((3, SIDE, SIDE))
    relative[1, 36:, 36:] = 2
    np.testing.assert_array_equal(by_first_goal(relative), [0, 2, 0])


@pytest.mark.slow
def test_greedy_episodes_are_played_after_the_run(monkeypatch, capsys):
    compile_quickly(monkeypatch)
    small = {
        "steps": 250,
        "values.units": 4,
        "batch_size": 2,
        "environment.step_limit": 30,
        "environment.walls": "grid",
    }
    suite = change_suite(choose_agents(get_suite("net-gridworld"), ["no_planning"]), small)
    returns = greedy_returns(suite, range(2), episodes=2)
    # Nothing is reached in so few steps: an episode pays -1 a step until it is cut short.
    np.testing.assert_array_equal(returns, [-30, -30])
    main(["net-gridworld", "no_planning", "--seeds", "2", *(f"--set={key}={value}" for key, value in small.items())])
    assert "-30.0 … -30.0, n = 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [("net-gridworld", {"steps": 300}, "a multiple of 250"), ("mbpo-pendulum", {}, "recorded by mgsc run")],
)
def test_only_values_of_numbered_actions_are_played_greedily(name, changes, words):
    suite = change_suite(get_suite(name), changes)
    agent = next(iter(suite.agents))
    with pytest.raises(UserError, match=words):
        greedy_returns(choose_agents(suite, [agent]), [0])
    with pytest.raises(UserError, match=r"epsilon is 2: it must be in \[0, 1\]"):
        greedy_returns(choose_agents(suite, [agent]), [0], epsilon=2)


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(UserError, match="write KEY=VALUE"):
        main(["net-gridworld", "no_planning", "--set=steps"])
