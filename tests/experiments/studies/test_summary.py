"""What a summary says, worked out by hand; and that nothing else is taken for one."""

from __future__ import annotations

import io
import json

import pytest
from tests.experiments.studies.small_studies import NUMBERS_OF, SEEDS, SMALL, SMALL_MAP, made_up, made_up_of

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.reading.statistics import Interval
from mgsc.experiments.studies import summary as summaries_module
from mgsc.experiments.studies.design import cells_of
from mgsc.experiments.studies.study_table import WIDTH, headings, study_rows, to_markdown, to_table
from mgsc.experiments.studies.summary import find_summary, load_summary, verdict, write_summary


def by_place(summary):
    return {tuple(cell["at"]): cell["agents"] for cell in summary["cells"]}


def totals_of(study, by_cell):
    """Totals of three seeds for every entry, by ``at`` and agent."""
    return {
        cell.entry(agent): by_cell[cell.at][agent] for cell in cells_of(study, SEEDS) for agent in cell.suite.agents
    }


def test_numbers_by_hand():
    base, slow = {"uniform": [1, 2, 3], "meta_gradient": [4, 4, 4]}, {"uniform": [4, 5, 9], "meta_gradient": [4, 5, 3]}
    totals = totals_of(SMALL, {("as tuned",): base, ("slow",): slow, ("one update",): base, ("noisy",): base})
    summary = made_up("small", SMALL, totals=totals)
    found = by_place(summary)
    # Student's t, 2 degrees of freedom: 4.30265; the standard error of 1, 2, 3 is 1 / sqrt(3).
    uniform = found["as tuned",]["uniform"]
    assert (uniform["n"], uniform["mean"], uniform["low"], uniform["high"]) == (3, 2.0, -0.48, 4.48)
    assert uniform["totals"] == [1, 2, 3]
    assert uniform["difference"] is None
    # Differences 3, 3, 6: mean 4, standard error 1, so 4 ± 4.30.
    assert found["slow",]["uniform"]["difference"] == {
        "to": "as tuned",
        "mean": 4.0,
        "low": -0.3,
        "high": 8.3,
        "verdict": "tie",
    }
    assert found["slow",]["uniform"]["settings"]["step_size"] == 0.1
    assert found["one update",]["uniform"]["settings"]["planning_updates"] == 1
    noisy = next(cell for cell in summary["cells"] if cell["at"] == ["noisy"])
    assert noisy["settings"]["model"]["reward_noise"] == 0.5
    assert "agents" not in noisy["settings"]
    assert summary["seeds"] == {"count": 3, "root": 2, "first": 0}
    assert summary["versions"] == NUMBERS_OF["versions"]
    assert summary["axes"] == [
        {"label": "changed", "values": ["as tuned", "slow", "one update", "noisy"], "is_ordered": False}
    ]


def test_the_best_fixed_strategy_has_at_most_as_many_updates():
    stale = {
        "1": {"no_planning": [0, 0, 3], "uniform": [9, 9, 12], "meta_gradient": [8, 8, 8]},
        "2": {"no_planning": [0, 0, 3], "uniform": [7, 7, 7], "meta_gradient": [99, 98, 97]},
    }
    learned = {
        "1": {"no_planning": [50, 50, 50], "uniform": [9, 9, 9], "meta_gradient": [1, 2, 1]},
        "2": {"no_planning": [50, 50, 50], "uniform": [60, 60, 60], "meta_gradient": [60, 60, 60]},
    }
    rows = {(model, k): row for model, of in (("stale", stale), ("learned", learned)) for k, row in of.items()}
    found = by_place(made_up("map", SMALL_MAP, totals=totals_of(SMALL_MAP, rows)))

    def rival(*at):
        return found[at]["meta_gradient"]["difference"]["to"], found[at]["meta_gradient"]["difference"]["verdict"]

    assert rival("stale", "1") == ("uniform", "tie")
    assert rival("stale", "2") == ("uniform with K = 1", "win"), "more updates may be worse, and need not be made"
    assert rival("learned", "1") == ("no_planning", "loss"), "uniform with K = 2 is no rival of K = 1"
    assert rival("learned", "2") == ("uniform", "tie")
    assert found["learned", "1"]["no_planning"]["difference"] is None


def test_a_reference_agent():
    summary = made_up_of("slip")
    for cell in summary["cells"]:
        assert cell["agents"]["meta_gradient"]["difference"] is None
        assert cell["agents"]["replay"]["difference"]["to"] == "meta_gradient"


def test_verdicts():
    assert verdict(Interval(2.0, 0.5, 3.5)) == "win"
    assert verdict(Interval(2.0, 0.0, 4.0)) == "tie"
    assert verdict(Interval(-2.0, -4.0, -0.1)) == "loss"
    assert verdict(Interval(2.0, float("nan"), float("nan"))) is None


def test_one_seed_has_no_interval(tmp_path):
    summary = made_up("small", SMALL, Seeds(1, root=2))
    entry = summary["cells"][1]["agents"]["uniform"]
    assert entry["low"] is entry["high"] is entry["difference"]["low"] is entry["difference"]["verdict"] is None
    write_summary(summary, tmp_path / "small.json")
    assert load_summary(str(tmp_path / "small.json")) == summary
    assert study_rows(summary)[2].interval == "–"


# --- files ------------------------------------------------------------------------------------


def test_a_summary_is_read_as_it_was_written(tmp_path):
    summary = made_up_of("map")
    write_summary(summary, tmp_path / "map.json")
    assert load_summary(str(tmp_path / "map.json")) == json.loads(json.dumps(summary)) == summary
    lines = (tmp_path / "map.json").read_text().splitlines()
    assert sum('"totals"' in line for line in lines) == 60 * 9, "an agent of a cell is one line"


def _without(*path):
    def damage(summary):
        place = summary
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return damage


def _with(value, *path):
    def damage(summary):
        place = summary
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _with("a sweep", "kind"),
        _without("axes"),
        _without("seeds", "count"),
        _without("cells", 1),
        _without("cells", 0, "agents", "uniform"),
        _without("cells", 0, "agents", "uniform", "totals", 0),
        _with(4, "cells", 0, "agents", "uniform", "n"),
        _with("much", "cells", 0, "agents", "uniform", "mean"),
        _with(float("nan"), "cells", 0, "agents", "uniform", "mean"),
        _with(None, "cells", 0, "agents", "uniform", "low"),
        _without("cells", 1, "agents", "uniform", "difference", "verdict"),
        _with({}, "cells", 0, "agents", "uniform", "origin"),
        _with({}, "cells", 0, "settings"),
        _with([], "cells", 0),
    ],
)
def test_what_is_incomplete_is_no_summary(damage, tmp_path):
    summary = made_up("small", SMALL)
    damage(summary)
    (tmp_path / "file.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r"file\.json is no complete summary of `mgsc study run`"):
        load_summary(str(tmp_path / "file.json"))


def test_committed_summaries_are_found_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(summaries_module, "summaries", lambda: tmp_path)
    with pytest.raises(UserError, match="slip has no committed summary: `mgsc study run slip` writes one"):
        find_summary("slip")
    write_summary(made_up_of("slip"), tmp_path / "slip.json")
    assert find_summary("slip") == made_up_of("slip")
    assert find_summary(str(tmp_path / "slip.json")) == made_up_of("slip")
    with pytest.raises(UserError, match="no such file; unknown study 'slpi'; did you mean 'slip'"):
        find_summary("slpi")


# --- tables -----------------------------------------------------------------------------------


def test_rows_say_what_the_summary_says():
    base, slow = {"uniform": [1, 2, 3], "meta_gradient": [4, 4, 4]}, {"uniform": [4, 5, 9], "meta_gradient": [4, 5, 3]}
    totals = totals_of(SMALL, {("as tuned",): base, ("slow",): slow, ("one update",): base, ("noisy",): base})
    rows = study_rows(made_up("small", SMALL, totals=totals))
    assert len(rows) == 8
    assert rows[0][:5] == ("tiny TMaze", ("as tuned",), "uniform", "3", "2")
    assert rows[0][5:9] == ("0 … 4", "–", "", "–")
    assert rows[2][2:9] == ("uniform", "3", "6", "-1 … 13", "+4 [0 … 8]", "", "tie")


def test_a_map_has_rows_of_those_compared_and_names_their_rivals():
    summary = made_up_of("map")
    rows = study_rows(summary)
    assert {row.agent for row in rows} == {"meta_gradient", "meta_gradient_recent"}
    assert len(rows) == 2 * 60
    for row, cell in zip(rows[::2], summary["cells"], strict=True):
        assert row.rival == cell["agents"]["meta_gradient"]["difference"]["to"]


@pytest.mark.parametrize("name", ["slip", "optimizer", "map"])
@pytest.mark.parametrize("width", [WIDTH, 110])
def test_nothing_is_cut_off_in_plain_text(name, width):
    from rich.console import Console

    summary = made_up_of(name)
    for cell in summary["cells"]:
        for entry in cell["agents"].values():
            entry |= {"mean": 4321.0, "low": 4300.0, "high": 4350.0}
            if entry["difference"]:
                entry["difference"] |= {
                    "to": "avoid_terminal with K = 10",
                    "mean": -1e3,
                    "low": -1050.0,
                    "high": -950.0,
                }
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(to_table(summary))
    text = console.export_text()
    words = [row.settings.split(":")[0] for row in study_rows(summary)]
    for kind in set(words):
        assert text.count(f" {kind}") >= words.count(kind)
    assert "…" not in text.replace(" … ", "")


@pytest.mark.parametrize("name", ["slip", "optimizer", "map"])
def test_markdown_is_a_table(name):
    summary = made_up_of(name)
    lines = to_markdown(summary).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(study_rows(summary))
    assert {line.count("|") for line in table} == {len(headings(summary)) + 1}
    assert lines[0] == f"**{summary['title']}**"
    assert summary["note"] in lines[-1]
    assert "of seeds 0..2 of root seed 2" in lines[-1]
