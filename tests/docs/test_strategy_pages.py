"""Every strategy has its page, and what the pages say of it is what the code does."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import get_args

import pytest
from docs._ext import facts
from tests.experiments.studies.small_studies import SMALL_COMPARISON, made_up

from mgsc import search_control
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.quantities import GROUPS
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import PAPER_SUITES
from mgsc.experiments.running.measure_table import MORE_MEASURES
from mgsc.experiments.studies.design import cells_of
from mgsc.experiments.studies.summary import write_summary
from mgsc.search_control.row import Need
from mgsc.search_control.table import STRATEGIES

FOLDER = Path(__file__).parent.parent.parent / "docs" / "strategies"
PAGES = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md") if file.stem != "index"}
HEADINGS = ["Idea", "Equation", "Settings", "Cost", "Source, and where it differs", "When it wins"]
PLANNING = [name for name, row in STRATEGIES.items() if row.plans]


def test_every_strategy_has_its_page_and_every_page_a_strategy() -> None:
    assert PAGES.keys() == STRATEGIES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_tells_all(name) -> None:
    page = PAGES[name]
    assert page.startswith(f"# `{name}`\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS
    assert "\n$$\n" in page.split("## Equation")[1].split("## Settings")[0]
    directives = dict(re.findall(r"^```\{(strategy-\w+)\} (\w+)$", page, re.MULTILINE))
    needed = {"summary", "settings", "cost", "results"} | ({"source"} if STRATEGIES[name].plans else set())
    assert directives == dict.fromkeys((f"strategy-{part}" for part in needed), name)


@pytest.mark.parametrize("name", PLANNING)
def test_the_factory_is_found_and_cites_its_source(name) -> None:
    factory = facts.factory_of(name)
    assert getattr(search_control, factory.__name__) is factory
    assert name in (factory.__name__, "recency", "constant_priority")
    assert re.search(r"(19|20)\d\d|\*ours\*", facts.source_of(name))
    assert factory.__name__ in facts.summary(name)


def test_the_factory_of_recency_is_visited() -> None:
    assert facts.factory_of("recency") is search_control.visited
    assert facts.factory_of("no_planning") is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_all_settings_are_listed_with_their_ranges(name) -> None:
    row, text = STRATEGIES[name], facts.settings(name)
    for field in dataclasses.fields(row.settings):
        assert f"| `{field.name}` |" in text
    elsewhere = row.space_of_networks, row.space_of_minibatches(row.settings())
    for span in row.space.values():
        assert f"{span.low:g} … {span.high:g}" in text
    for key, span in itertools.chain(*(space.items() for space in elsewhere)):
        assert f"`{key}` in {span.low:g} … {span.high:g}" in text
    assert ("Where" in text.splitlines()[-1]) == any(elsewhere)


def test_costs_are_those_of_the_table() -> None:
    # MGSC: 1 + A backups; gain_need: A + I after each of K updates and the direct one. Mazes: A = 4; the small
    # TMaze: S = 15, K = 5; at the junction, I = 16: by slips its own 4 pairs and those of 3 neighbours lead there.
    assert facts.cost_of("tmaze-fixed", AgentSettings("uniform")) == (5, 0, 0)
    options = STRATEGIES["meta_gradient"].settings()
    assert facts.cost_of("tmaze-fixed", AgentSettings("meta_gradient", options=options)).backups == 1 + 4
    options = STRATEGIES["gain_need"].settings()
    cost = facts.cost_of("tmaze-fixed", AgentSettings("gain_need", options=options))
    # Occupancy [S, S], frequency [S, A], two queues [S A + 1] and where the agent is, of 4 bytes each.
    assert cost == (5, (1 + 5) * (4 + 16), 4 * (15 * 15 + 15 * 4 + 2 * (15 * 4 + 1) + 1))
    assert facts.cost_of("tmaze-fixed", AgentSettings("no_planning")) == (0, 0, 0)


def test_what_strategies_need_is_that_of_the_table() -> None:
    header, _, *rows = (line.strip("| ").split(" | ") for line in facts.needs().splitlines())
    assert header == ["strategy", *get_args(Need)]
    assert len(rows) == len(PLANNING)
    # The candidates guide says of three of them that this depends on settings.
    varying = {"meta_gradient": {"logits": "network"}, "td_error_priority": {"correction": "importance"}}
    varying["uncertainty"] = {"source": "ensemble"}
    for name, options in varying.items():
        row = STRATEGIES[name]
        assert set(row.needs(row.settings())) != set(row.needs(row.settings(**options)))


def test_all_that_is_recorded_is_listed() -> None:
    named = re.findall(r"^\| `(\w+)` \|", facts.measures(), re.MULTILINE)
    known = {name for group in GROUPS for name in group.quantities} - {"reward", "query_distribution"}
    assert set(named) == known | {row.name for row in MORE_MEASURES}


def test_results_are_those_of_the_committed_tables() -> None:
    text = facts.suite_results("meta_gradient")
    for suite in PAPER_SUITES:
        committed = (facts.RESULTS / f"{suite}.md").read_text(encoding="utf-8")
        for agent in ("meta_gradient", "meta_gradient_recent"):
            first = next(line for line in committed.splitlines() if line.startswith(f"| `{agent}` |"))
            n, mean, interval = first.split(" | ")[1:4]
            assert f"| `{agent}` | {n} | {mean} | {interval} |" in text
    assert "stands in none" in facts.suite_results("oracle")


def test_the_place_is_by_the_mean() -> None:
    # docs/results/tworooms-learned.md: uniform_recent_matched 2,528 is first, uniform_compute_matched 2,317 second.
    lines = facts.suite_results("uniform").splitlines()
    places = [line.split(" | ")[-1] for line in lines if "tworooms-learned" in line]
    assert places == ["5 of 11 |", "2 of 11 |", "1 of 11 |"]


def test_a_comparison_that_was_not_run_is_not_invented(tmp_path) -> None:
    assert "has not been run" in facts.comparison("uniform", tmp_path / "summary.json")


def test_a_comparison_is_shown_as_it_was_written(tmp_path) -> None:
    cells = cells_of(SMALL_COMPARISON, Seeds(3, root=2))
    totals = {cell.entry(agent): [0.0, 1.0, 2.0] for cell in cells for agent in cell.suite.agents}
    totals[cells[0].entry("uniform")] = [3.0, 3.0, 3.0]
    summary = made_up("small", SMALL_COMPARISON, totals=totals)
    write_summary(summary, tmp_path / "small.json")
    text = facts.comparison("uniform", tmp_path / "small.json")
    score = (3 - 1) / (summary["cells"][0]["optimum"] - 1)
    assert f"| tiny | `uniform` | 3 | 3 | 3 … 3 | {score:.2f} | 1 of 4 |" in text
    assert "| longer | `uniform` | 3 | 1 | -1 … 3 | 0.00 |" in text
    assert "`mgsc study show comparison`" in text
    assert "avoid_terminal" not in text
    assert "does not hold it" in facts.comparison("oracle", tmp_path / "small.json")


def test_a_row_that_builds_with_two_factories_is_refused(monkeypatch) -> None:
    def build(settings, facts):
        return search_control.uniform() or search_control.trajectory()

    monkeypatch.setattr(facts, "STRATEGIES", {"both": dataclasses.replace(STRATEGIES["uniform"], build=build)})
    with pytest.raises(ValueError, match="both: its row must build with one factory"):
        facts.factory_of("both")
