"""The benchmark of all strategies measures what it says; how fast they are is no matter of tests."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests.search_control.strategies_table import OF_STORED

from mgsc.benchmarks import strategy_speed
from mgsc.benchmarks.report import print_strategies
from mgsc.benchmarks.strategy_speed import StrategyCost, compared_agents, measure_field, measure_strategies
from mgsc.benchmarks.suite_speed import Speed
from mgsc.environments import FieldSettings
from mgsc.experiments.design.suites import PREFIX, get_suite
from mgsc.search_control.table import STRATEGIES


def test_every_strategy_is_measured_with_the_same_budget():
    suite = get_suite(PREFIX + strategy_speed.SUITE)
    agents = [suite.agents[name] for name in compared_agents()]
    of_networks = {*OF_STORED, "uniform_pairs"}
    assert {agent.strategy for agent in agents} == set(STRATEGIES) - of_networks
    assert not any(agent.extra_updates or agent.planning_updates for agent in agents)


def test_costs_are_the_best_round_over_that_of_uniform(monkeypatch):
    """Uniform takes 2 and then 3 ms, dyna_q 9 and then 5: 30 seeds of 2500 steps each."""
    taken = iter([50, 50, 2, 9, 3, 5])
    ran = []
    monkeypatch.setattr(strategy_speed.Program, "compile", lambda self, devices, num_lanes: None)
    monkeypatch.setattr(
        strategy_speed,
        "_seconds",
        lambda program: ran.append((program.agent.strategy, program.suite)) or next(taken) / 1e3,
    )
    costs = measure_strategies(["uniform", "dyna_q"], scale=0.01, repeats=2)
    assert [name for name, _ in ran] == ["uniform", "dyna_q"] * 3
    assert {(suite.steps, suite.planning_updates) for _, suite in ran} == {(2500, 5)}
    assert [cost.agent for cost in costs] == ["uniform", "dyna_q"]
    assert [cost.microseconds for cost in costs] == pytest.approx([2e3 / 75_000, 5e3 / 75_000])
    assert [cost.over_base for cost in costs] == pytest.approx([1, 2.5])


def test_a_program_is_run_for_all_seeds(monkeypatch):
    seeds = []
    monkeypatch.setattr(
        strategy_speed, "run_program", lambda program, lanes, progress: seeds.extend(lane.seed for lane in lanes) or []
    )
    assert strategy_speed._seconds(None) >= 0
    assert seeds == list(range(30))


def test_the_field_is_measured(monkeypatch):
    """Few steps of each: a field is large."""
    asked = []
    monkeypatch.setattr(strategy_speed, "measure_speeds", lambda *arguments: asked.append(arguments) or [None])
    measure_field(scale=0.1)
    (suite,) = {id(suite): suite for suite, *_ in asked}.values()
    assert suite.environment == FieldSettings(side=40)
    assert [arguments[1:] for arguments in asked] == [
        (name, 5, [30], pytest.approx(0.002)) for name in strategy_speed.FIELD_AGENTS
    ]
    assert {arguments[1] for arguments in asked} <= set(suite.agents)


def test_tables_show_the_cheapest_first():
    console = Console(record=True, width=110, file=io.StringIO())
    costs = [StrategyCost("slow", 0.5, 5.0), StrategyCost("uniform", 0.1, 1.0)]
    print_strategies(console, costs, [Speed("meta_gradient", 30, 5, 123_456.0, 1.0)])
    text = console.export_text()
    assert text.index("uniform ") < text.index("slow")
    assert "5.00" in text
    assert "123k" in text
