"""Tuning: as many tries for every agent, on seeds of their own, and no luck in the choice."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from tests.experiments.test_run import SUITE as SMALL
from tests.quick import compile_quickly

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import (
    SUITES,
    change_suite,
    choose_agents,
    get_suite,
)
from mgsc.experiments.running.program import Program
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.tuning.search import Protocol, tune_suite
from mgsc.experiments.tuning.space import draw_configurations, is_at_edge, space_of
from mgsc.search_control.row import Range
from mgsc.search_control.table import STRATEGIES

PROTOCOL = Protocol(configurations=4, seeds=2, finalists=2, final_seeds=3, root=7)
AGENTS = ["no_planning", "uniform", "meta_gradient"]
SUITE = change_suite(
    choose_agents(get_suite("tmaze-fixed"), AGENTS),
    {
        "environment.stem": 2,
        "environment.arm": 2,
        "environment.switch_every": 100,
        "steps": 200,
        "record_every": 50,
        "measure_every": 25,
        "planning_updates": 3,
    },
)


@pytest.fixture(scope="module")
def sweep():
    with pytest.MonkeyPatch.context() as monkeypatch:
        compile_quickly(monkeypatch)
        return tune_suite("small", SUITE, PROTOCOL)


def test_every_agent_gets_as_many_tries(sweep):
    assert list(sweep["agents"]) == AGENTS
    for agent, result in sweep["agents"].items():
        assert len(result["configurations"]) == PROTOCOL.configurations
        assert len(result["finalists"]) == PROTOCOL.finalists
        assert {row["n"] for row in result["configurations"]} == {PROTOCOL.seeds}
        assert {row["n"] for row in result["finalists"]} == {PROTOCOL.final_seeds}
        space = space_of(SUITE, SUITE.agents[agent])
        assert set(result["space"]) == set(space)
        for row in result["configurations"]:
            assert set(row["settings"]) == set(space)
            assert row["low"] <= row["mean"] <= row["high"]


def test_the_best_are_tried_again_and_the_best_of_those_is_chosen(sweep):
    for agent, result in sweep["agents"].items():
        ranked = sorted((row["mean"] for row in result["configurations"]), reverse=True)
        tried = {json.dumps(row["settings"]): row["mean"] for row in result["configurations"]}
        finalists = [tried[json.dumps(row["settings"])] for row in result["finalists"]]
        assert finalists == ranked[: PROTOCOL.finalists]
        best = max(result["finalists"], key=lambda row: row["mean"])
        assert sweep["chosen"][agent] == result["chosen"] == best["settings"]


def test_a_tried_configuration_is_what_reporting_it_would_give(sweep, monkeypatch):
    """The numbers of a sweep are runs of the suite with these settings, on the tuning seeds."""
    compile_quickly(monkeypatch)
    row = sweep["agents"]["uniform"]["configurations"][1]
    changes = {f"uniform.{key}": value for key, value in row["settings"].items()}
    suite = change_suite(choose_agents(SUITE, ["uniform"]), changes)
    first, second = PROTOCOL.tuning_seeds
    known = run_suite("small", suite, first).reward.sum("chunk").mean().item()
    assert row["mean"] == pytest.approx(known, abs=0.01)
    assert (first, second) == (Seeds(2, root=7), Seeds(3, root=7, first=2))


def test_a_sweep_explains_itself(sweep):
    assert json.loads(json.dumps(sweep)) == sweep
    assert sweep["suite"] == "small"
    assert sweep["protocol"] == PROTOCOL.numbers
    assert sweep["tuning_seeds"] == [
        {"count": 2, "root": 7, "first": 0},
        {"count": 3, "root": 7, "first": 2},
    ]
    assert sweep["settings"]["steps"] == 200
    assert {"jax", "numpy", "mgsc"} <= set(sweep["versions"])
    for result in sweep["agents"].values():
        at_edge = [key for key, span in result["space"].items() if is_at_edge(result["chosen"][key], Range(**span))]
        assert result["at_edge"] == at_edge


@pytest.mark.parametrize("name", SUITES)
def test_what_is_searched(name):
    suite = get_suite(name)
    spaces = {agent: space_of(suite, settings) for agent, settings in suite.agents.items()}
    for agent, space in spaces.items():
        low, high = space["step_size"].low, space["step_size"].high
        assert 0 < low < high <= 1
        row = STRATEGIES[suite.agents[agent].strategy]
        assert set(row.space) <= set(space)
    searched = {agent for agent, space in spaces.items() if "planning_updates" in space}
    # Fewer updates may be better where they do harm; MGSC and the compute-matched rival use all.
    assert {"uniform", "avoid_terminal"} & set(suite.agents) <= searched
    assert not searched & {"no_planning", "meta_gradient", "uniform_compute_matched", "uniform_recent_matched"}
    for agent in {"uniform"} & set(spaces):
        assert spaces[agent]["planning_updates"][:2] == (1, suite.planning_updates)


SPACE = {
    "step_size": Range(0.1, 1.0),
    "planning_updates": Range(1, 5),
    "window": Range(10, 5000),
    "entropy_bonus": Range(1e-6, 1e-2, share_of_zero=0.25),
}
WHOLE = ["planning_updates", "window"]


def test_configurations_fill_the_space_on_log_scales():
    points = draw_configurations(SPACE, WHOLE, 256, seed=1)
    columns = {name: np.array([point[name] for point in points]) for name in SPACE}
    for name, span in SPACE.items():
        positive = columns[name][columns[name] != 0]
        assert positive.min() >= span.low * (1 - 1e-6)
        assert positive.max() <= span.high * (1 + 1e-6)
        if name != "planning_updates":
            shares = np.log(positive / span.low) / np.log(span.high / span.low)
            assert abs(np.mean(shares) - 0.5) < 0.02, name
        assert all(isinstance(point[name], int) == (name in WHOLE) for point in points)
    # Sobol points put a quarter of 256 into each quarter, the end points apart.
    assert abs((columns["entropy_bonus"] == 0).sum() - 64) <= 1
    # K gets the share of its cell, from K − 1/2 to K + 1/2, of the line from log 1/2 to log 11/2.
    counts = np.bincount(columns["planning_updates"], minlength=6)
    cells = np.diff(np.log(np.arange(6) + 0.5)) / np.log(11)
    np.testing.assert_allclose(counts / 256, [0, *cells], atol=0.01)
    assert len(np.unique(columns["step_size"])) == 256


def test_configurations_are_a_function_of_the_seed():
    assert draw_configurations(SPACE, WHOLE, 8, seed=1) == draw_configurations(SPACE, WHOLE, 8, seed=1)
    assert draw_configurations(SPACE, WHOLE, 8, seed=1) != draw_configurations(SPACE, WHOLE, 8, seed=2)


@pytest.mark.parametrize(
    ("value", "span", "expected"),
    [
        (0.1, Range(0.1, 1.0), True),
        # 5 % of one decade: 0.1 · 10^0.05 = 0.112.
        (0.112, Range(0.1, 1.0), True),
        (0.113, Range(0.1, 1.0), False),
        (0.3, Range(0.1, 1.0), False),
        (0.88, Range(0.1, 1.0), False),
        (0.9, Range(0.1, 1.0), True),
        (1.0, Range(0.1, 1.0), True),
        (1.0, Range(0.1, 1.0, is_bounded=True), False),
        (0.0, Range(1e-6, 1e-2, share_of_zero=0.25), False),
        (1e-6, Range(1e-6, 1e-2, share_of_zero=0.25), True),
        (3, Range(3, 3), False),
    ],
)
def test_choices_at_the_edge_of_their_range_are_flagged(value, span, expected):
    assert is_at_edge(value, span) == expected


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (Protocol(configurations=0), "configurations, seeds and final-seeds must be at least 1"),
        (Protocol(seeds=0), "must be at least 1"),
        (Protocol(final_seeds=-1), "must be at least 1"),
        (Protocol(finalists=0), r"finalists is 0: it must be in \[1, 128\]"),
        (Protocol(configurations=4, finalists=5), r"finalists is 5: it must be in \[1, 4\]"),
        (Protocol(root=-1), "root-seed is -1"),
    ],
)
def test_impossible_protocols_are_refused_before_any_work(monkeypatch, protocol, message):
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))
    with pytest.raises(UserError, match=message):
        tune_suite("small", SUITE, protocol)


def test_impossible_suites_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(Program, "compile", lambda *arguments: pytest.fail("compiled"))
    with pytest.raises(UserError, match="step_size is nan"):
        tune_suite("small", change_suite(SMALL, {"agents.step_size": math.nan}), PROTOCOL)


def test_the_default_protocol_is_that_of_the_definitions():
    protocol = Protocol()
    protocol.check()
    assert protocol.seeds >= 16
    assert (protocol.finalists, protocol.final_seeds) == (5, 32)
    first, second = protocol.tuning_seeds
    assert not set(first.numbers) & set(second.numbers), "fresh seeds for the finalists"


def test_networks_have_step_sizes_of_their_own():
    table, network = get_suite("tmaze-fixed"), get_suite("net-cartpole")
    assert space_of(table, table.agents["meta_gradient"])["step_size"].low == 0.3
    found = space_of(network, network.agents["meta_gradient"])
    assert (found["step_size"].low, found["step_size"].high) == (1e-4, 1e-2), "of Adam"
    assert found["meta_step_size"].high == 0.01
    assert "planned_step_size" in found
    plain = dataclasses.replace(network, values=dataclasses.replace(network.values, optimizer="sgd"))
    assert space_of(plain, plain.agents["uniform"])["step_size"].low == 0.01
