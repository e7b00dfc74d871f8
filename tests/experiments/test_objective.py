"""Tuning makes the return of an episode large where total reward says nothing."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from tests.quick import compile_quickly

from mgsc.cli import main
from mgsc.environments.maze import from_map
from mgsc.errors import UserError
from mgsc.experiments import own_environment
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.reading.episodes import ended_in
from mgsc.experiments.running.program import Program
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.tuning.chosen import load_sweep
from mgsc.experiments.tuning.file import tune_to_file, write_sweep
from mgsc.experiments.tuning.objective import objective_of, scores
from mgsc.experiments.tuning.search import Protocol, tune_suite
from mgsc.experiments.tuning.space import space_of
from mgsc.experiments.tuning.table import to_markdown
from mgsc.search_control.row import Range

PROTOCOL = Protocol(configurations=3, seeds=2, finalists=2, final_seeds=2, root=7)
SUITE = change_suite(choose_agents(get_suite("cartpole"), ["uniform"]), {"steps": 500, "record_every": 250})


@pytest.fixture(scope="module")
def sweep():
    with pytest.MonkeyPatch.context() as monkeypatch:
        compile_quickly(monkeypatch)
        return tune_suite("small", SUITE, PROTOCOL)


def test_a_tried_configuration_is_worth_its_reward_per_episode(sweep, monkeypatch):
    compile_quickly(monkeypatch)
    assert sweep["protocol"]["objective"] == "return"
    row = sweep["agents"]["uniform"]["configurations"][1]
    changes = {f"uniform.{key}": value for key, value in row["settings"].items()}
    run = run_suite("small", change_suite(SUITE, changes), PROTOCOL.tuning_seeds[0]).sel(agent="uniform")
    episodes = ended_in(run).sum(1)
    assert (episodes > 1).all()
    assert row["mean"] == pytest.approx((run.reward.sum("chunk").values / episodes).mean(), abs=0.01)


def test_configurations_are_told_apart_where_total_rewards_are_not(sweep):
    assert len({row["mean"] for row in sweep["agents"]["uniform"]["configurations"]}) == PROTOCOL.configurations
    assert "Mean: reward per ended episode of the chosen configuration" in to_markdown(sweep)


def test_a_table_says_of_whom_all_scores_are_alike(sweep, monkeypatch):
    compile_quickly(monkeypatch)
    alike = tune_suite("small", SUITE, PROTOCOL._replace(objective="reward"))
    said = "All configurations of uniform have the same total reward, and the first was taken: `--objective`"
    assert said in to_markdown(alike)
    assert "have the same" not in to_markdown(sweep)


def test_an_own_environment_is_judged_by_total_reward(monkeypatch):
    compile_quickly(monkeypatch)
    environment = own_environment("corridor", from_map("A..S..B", {"A": (1.0,), "B": (-1.0,)}))
    suite = dataclasses.replace(get_suite("tmaze-fixed"), environment=environment, steps=100, record_every=100)
    suite = choose_agents(dataclasses.replace(suite, measure_every=100), ["no_planning"])
    protocol = Protocol(configurations=1, seeds=1, finalists=1, final_seeds=1, root=7)
    assert tune_suite("corridor", suite, protocol)["protocol"] == protocol.numbers
    recorded = dataclasses.replace(suite, records_episodes=True)
    assert objective_of(recorded, None) == "reward"
    assert objective_of(recorded, "return") == "return"


def test_a_run_without_an_end_is_worth_its_total():
    record = {
        "reward": np.array([[3.0, 4.0], [1.0, 1.0]]),
        "episodes_terminated": np.array([[0.0, 0.0], [1.0, 2.0]]),
        "episodes_truncated": np.array([[0.0, 0.0], [0.0, 1.0]]),
    }
    assert scores(record, "return").tolist() == [7.0, 0.5]
    assert scores(record, "reward").tolist() == [7.0, 2.0]


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("tmaze-fixed", "reward"),
        ("net-tmaze", "reward"),
        ("net-gridworld-stale", "reward"),
        ("net-cartpole-small", "return"),
        ("net-acrobot", "return"),
        ("mbpo-invertedpendulum", "return"),
    ],
)
def test_each_environment_says_what_it_is_judged_by(name, objective):
    assert objective_of(get_suite(name), None) == objective


def test_total_reward_is_left_out_of_a_sweep_as_it_was_before_there_was_a_choice():
    suite = get_suite("tmaze-fixed")
    assert PROTOCOL.as_dict(suite) == PROTOCOL.numbers
    assert PROTOCOL._replace(objective="reward").as_dict(SUITE) == PROTOCOL.numbers


@pytest.mark.parametrize(
    ("changes", "objective", "message"),
    [
        ({}, "regret", r"objective of the protocol is 'regret': it must be reward or return"),
        ({}, ["return"], r"objective of the protocol is \['return'\]: it must be reward or return"),
        ({}, 3, "objective of the protocol is 3"),
        ({"records_episodes": False}, "return", "needs records_episodes=true"),
    ],
)
def test_impossible_objectives_are_refused_before_any_work(monkeypatch, changes, objective, message):
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))
    with pytest.raises(UserError, match=message):
        tune_suite("small", change_suite(SUITE, changes), PROTOCOL._replace(objective=objective))


def test_the_command_refuses_returns_that_are_not_recorded(tmp_path, capsys):
    out = tmp_path / "sweep.json"
    assert main(["tune", "tmaze-fixed", "--objective", "return", "--out", str(out)]) == 2
    assert "needs records_episodes=true" in capsys.readouterr().err
    assert not out.exists()


def test_a_sweep_of_an_unknown_objective_is_refused(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps({**sweep, "protocol": {**sweep["protocol"], "objective": "regret"}}))
    with pytest.raises(UserError, match="a sweep with the objective 'regret': known are reward, return"):
        load_sweep(str(path))


def test_a_sweep_of_another_objective_is_told_apart(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    write_sweep({**sweep, "protocol": PROTOCOL.numbers}, path)
    for asked in ({"resume": True}, {"into": True}):
        with pytest.raises(UserError, match=r"protocol\.objective: reward and return"):
            tune_to_file("small", SUITE, PROTOCOL, path, **asked)


def test_with_minibatches_ranges_are_others():
    suite, picture = get_suite("net-cartpole"), get_suite("net-tmaze")
    replayed = [space_of(one, one.agents["dqn_many_updates"])["window"] for one in (suite, picture)]
    assert [span.high for span in replayed] == [suite.steps, 2000]
    short = change_suite(suite, {"dqn.window": 20, "dqn.capacity": 30})
    assert space_of(short, short.agents["dqn"])["window"] == Range(30, 30, is_bounded=True)
    planned = [space_of(one, one.agents["meta_gradient"])["planned_step_size"] for one in (suite, picture)]
    assert [(span.low, span.high) for span in planned] == [(1e-4, 1e-2), (0.01, 0.3)]
