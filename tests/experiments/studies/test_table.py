"""Every row of the table of studies is a study that can be run, and asks what it says."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from mgsc.environments.tables import steps_to_goal
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import SUITES, choose_agents, settings_as_dict
from mgsc.experiments.running.build import build_agent, build_problem, replace_numbers
from mgsc.experiments.running.program import lane_numbers
from mgsc.experiments.store.resumable import plain
from mgsc.experiments.studies import origin
from mgsc.experiments.studies.commands import ROOT_SEED
from mgsc.experiments.studies.design import AS_TUNED, BEST_FIXED, Cell, brief_number, cells_of
from mgsc.experiments.studies.summary import learns_search_control, load_summary, summaries
from mgsc.experiments.studies.table import ABLATIONS, STUDIES
from mgsc.search_control.table import STRATEGIES

SEEDS = Seeds(30, ROOT_SEED)


@functools.cache
def cells(name):
    return cells_of(STUDIES[name], SEEDS)


@pytest.mark.parametrize("name", STUDIES)
def test_every_cell_is_a_suite_and_no_two_are_the_same(name):
    """``cells_of`` has checked each, and refused every key that does not exist."""
    found = [repr((cell.ground, cell.suite_name, cell.suite)) for cell in cells(name) if AS_TUNED not in cell.at]
    assert len(found) >= (1 if STUDIES[name].compares else 2)
    assert len(set(found)) == len(found), "a value changes nothing"
    entries = [cell.entry(agent) for cell in cells(name) for agent in cell.suite.agents]
    assert len(set(entries)) == len(entries)
    assert name == name.lower()
    assert "/" not in name


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_compared_with_is_there(name):
    study = STUDIES[name]
    assert 1 <= len(study.axes) <= 2
    for cell in cells(name):
        if study.reference == AS_TUNED:
            assert study.axes[0].values[0].label == AS_TUNED
        elif study.reference == BEST_FIXED:
            learns = [learns_search_control(agent) for agent in cell.suite.agents.values()]
            assert any(learns)
            assert not all(learns)
        else:
            assert study.reference in cell.suite.agents


def test_only_what_follows_a_meta_gradient_learns_its_search_control():
    for suite in SUITES.values():
        for name, agent in suite.agents.items():
            assert learns_search_control(agent) == (agent.strategy in ("meta_gradient", "learned_priority")), name
    assert "meta_gradient" in STRATEGIES


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_option_can_be_built(name):
    seen = set()
    for cell in cells(name):
        for agent in cell.suite.agents.values():
            numbers = lane_numbers(agent, tunes=True)
            static = repr((cell.ground, replace_numbers(agent, dict.fromkeys(numbers, 0))))
            if static not in seen:
                build_agent(cell.suite, agent, build_problem(cell.suite))
            seen.add(static)
    assert seen


@pytest.mark.parametrize(
    ("name", "ways"),
    {
        "tmaze-size": [5, 10, 15, 20, 30],  # stem + arm
        "tworooms-size": [7, 12, 17, 22, 27],
        "slip": [10, 12],
        "map": [10, 20, 12, 17, 22],
    }.items(),
)
def test_the_mazes_of_a_study_are_as_large_as_it_says(name, ways):
    found = [steps_to_goal(build_problem(cell.suite).known.tables) for cell in cells(name)]
    assert list(dict.fromkeys(found)) == ways


def test_the_model_is_right_half_of_the_time_whatever_the_period():
    for cell in cells("switching"):
        assert cell.suite.steps % (2 * cell.suite.environment.switch_every) == 0


def test_every_cell_of_the_study_of_updates_makes_those_it_says():
    for cell in cells("updates"):
        assert {agent.planning_updates for agent in cell.suite.agents.values()} == {int(cell.at[0])}


def test_reporting_seeds_are_no_tuning_seeds():
    from mgsc.errors import UserError

    with pytest.raises(UserError, match="were used for tuning"):
        cells_of(STUDIES["slip"], Seeds(30, root=1))
    with pytest.raises(UserError, match="at least 1"):
        cells_of(STUDIES["slip"], Seeds(0, root=2))


def test_numbers_are_brief():
    assert [brief_number(number) for number in (0, 12500, 0.05, 1e-5, 1.0, 1000.0)] == [
        "0",
        "12,500",
        "0.05",
        "1e-5",
        "1",
        "1000",
    ]


@pytest.mark.parametrize("file", sorted(summaries().glob("*.json")), ids=lambda file: file.stem)
def test_committed_summaries_are_of_the_settings_committed(file):
    summary = load_summary(str(file))
    assert summary["study"] == file.stem
    found = cells_of(STUDIES[file.stem], Seeds(**summary["seeds"]))
    assert [(cell["ground"], tuple(cell["at"])) for cell in summary["cells"]] == [
        (cell.ground, cell.at) for cell in found
    ]
    for cell, now in zip(summary["cells"], found, strict=True):
        settings = plain(settings_as_dict(now.suite))
        own = settings.pop("agents")
        assert cell["settings"] == settings
        assert {agent: entry["settings"] for agent, entry in cell["agents"].items()} == own
    assert summary["sweeps"] == plain(origin.sweeps_of(found))


def test_a_digest_is_of_the_settings_that_cells_take_and_not_of_others(monkeypatch):
    sweep = {"suite": "tmaze-fixed", "settings": {}, "chosen": {"meta_gradient": {"step_size": 0.7}}}
    monkeypatch.setattr("mgsc.experiments.studies.origin.read_sweep", lambda name: sweep)
    suite = choose_agents(SUITES["tmaze-fixed"], ["meta_gradient"])
    cells = [Cell("TMaze", ("0",), "tmaze-fixed", suite, suite)]
    before = origin.sweeps_of(cells)
    sweep["chosen"]["uniform"] = {"step_size": 0.1}
    assert origin.sweeps_of(cells) == before
    sweep["chosen"]["meta_gradient"] = {"step_size": 0.6}
    assert origin.sweeps_of(cells) != before


# --- where settings come from -----------------------------------------------------------------


def test_the_origin_of_settings(monkeypatch):
    """TMaze's slip of 0.1 is that of the suite; any other cell reuses; recency was left out of the sweep."""
    suite = SUITES["tmaze-fixed"]
    sweep = {
        "suite": "tmaze-fixed",
        "settings": plain(settings_as_dict(dataclasses.replace(suite, title="an old title"))),
        "chosen": {"uniform": {"step_size": 0.3}, "meta_gradient": {"step_size": 0.7, "meta_step_size": 0.02}},
        "tuning_seeds": [{"count": 16, "root": 1, "first": 0}],
    }

    def read_sweep(name):
        return sweep if name == "tmaze-fixed" else None

    for module in ("tuning.chosen", "studies.origin"):
        monkeypatch.setattr(f"mgsc.experiments.{module}.read_sweep", read_sweep)
    found = {cell.at[0]: cell for cell in cells_of(STUDIES["slip"], SEEDS) if cell.ground == "TMaze"}
    assert found["0.1"].suite.agents["meta_gradient"].options.meta_step_size == 0.02
    base, other = origin.origins_of(found["0.1"]), origin.origins_of(found["0.3"])
    assert base["uniform"] == {"kind": "tuned", "sweep": "tmaze-fixed", "changed": []}
    assert other["uniform"] == {"kind": "reused", "sweep": "tmaze-fixed", "changed": ["environment.slip"]}
    assert other["recency"] == {"kind": "default", "sweep": None, "changed": ["environment.slip"]}
    rooms = next(cell for cell in cells_of(STUDIES["slip"], SEEDS) if cell.ground == "TwoRooms" and cell.at == ("0",))
    assert origin.origins_of(rooms)["uniform"] == {"kind": "default", "sweep": None, "changed": ["environment.slip"]}
    entropy = [cell for cell in cells_of(STUDIES["entropy"], SEEDS) if cell.ground == "TMaze"]
    kinds = [origin.origins_of(cell)["meta_gradient"] for cell in entropy]
    assert kinds[0]["kind"] == kinds[1]["kind"] == "tuned", "β = 0 is what the sweep leaves it at"
    assert kinds[2] == {
        "kind": "reused",
        "sweep": "tmaze-fixed",
        "changed": ["meta_gradient.options.entropy_bonus"],
    }
    assert set(origin.sweeps_of([*found.values(), rooms])) == {"tmaze-fixed"}
