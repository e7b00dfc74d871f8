"""The table of chosen settings, from a sweep written by hand."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from mgsc import cli
from mgsc.experiments.design.suites import SUITES
from mgsc.experiments.tuning.chosen import find_sweep, read_sweep
from mgsc.experiments.tuning.table import chosen_rows, edge_text, final_row, to_markdown, to_table


def row(mean: float, n: int, half: float | None, **settings: float) -> dict[str, object]:
    ends = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
    return {"settings": settings, "n": n, "mean": mean, **ends}


SPAN = {"low": 0.1, "high": 1.0, "share_of_zero": 0.0, "is_bounded": False}
SWEEP = {
    "suite": "small",
    "tuning_seeds": [{"count": 2, "root": 99}],
    "settings": {"title": "A small maze"},
    "chosen": {"uniform": {"step_size": 0.98, "window": 1200}, "one_seed": {"rate": 0.0}},
    "agents": {
        "uniform": {
            "chosen": {"step_size": 0.98, "window": 1200},
            "at_edge": ["step_size"],
            "space": {"step_size": SPAN, "window": {"low": 50, "high": 2000}},
            "configurations": [
                row(900.0, 2, 10.0, step_size=0.98, window=1200),
                row(1234.0, 2, 10.0, step_size=0.3, window=60),
            ],
            "finalists": [
                row(1111.4, 3, 20.0, step_size=0.3, window=60),
                row(1111.5, 3, 20.0, step_size=0.98, window=1200),
            ],
        },
        "one_seed": {
            "chosen": {"rate": 0.0},
            "at_edge": [],
            "space": {"rate": {"low": 1e-6, "high": 1e-3, "share_of_zero": 0.5}},
            "configurations": [row(1.25, 1, None, rate=0.0)],
            "finalists": [row(12.34, 1, None, rate=0.0)],
        },
    },
}


def test_a_row_for_each_setting_and_what_is_said_once():
    assert [tuple(row) for row in chosen_rows(SWEEP)] == [
        ("uniform", "step_size", "0.1 … 1", "0.98", "high end", "1,112", "1,092 … 1,132"),
        ("", "window", "50 … 2,000", "1,200", "", "", ""),
        ("one_seed", "rate", "0, 1e-06 … 0.001", "0", "", "12.3", "–"),
    ]
    assert [row.setting for row in chosen_rows(SWEEP, ["one_seed"])] == ["rate"]
    assert final_row(SWEEP["agents"]["uniform"])["mean"] == 1111.5


@pytest.mark.parametrize(("chosen", "expected"), [(0.1, "low end"), (0.31, "low end"), (0.32, "high end")])
def test_which_end(chosen, expected):
    # The middle of [0.1, 1] on a log scale is 0.316.
    entry = {"at_edge": ["x"], "space": {"x": SPAN}, "chosen": {"x": chosen}}
    assert edge_text(entry, "x") == expected
    assert edge_text({**entry, "at_edge": []}, "x") == ""


def test_markdown():
    lines = to_markdown(SWEEP).splitlines()
    assert lines[0] == "**A small maze: settings chosen by tuning**"
    assert lines[2] == "| agent | setting | searched | chosen | at edge | mean | 95 % interval |"
    assert lines[4] == "| `uniform` | `step_size` | 0.1 … 1 | 0.98 | high end | 1,112 | 1,092 … 1,132 |"
    assert lines[5] == "|  | `window` | 50 … 2,000 | 1,200 |  |  |  |"
    assert len({line.count("|") for line in lines[2:7]}) == 1
    assert "1 or 3 fresh tuning seeds" in lines[-1]
    assert f"{to_markdown(SWEEP)}\n{to_markdown(SWEEP)}".count("\n\n**A small maze") == 1  # one page for two


def test_the_table_is_text():
    text = io.StringIO()
    Console(file=text, width=80).print(to_table(SWEEP))
    out = text.getvalue()
    for cell in ("uniform", "high end", "1,092 … 1,132", "0, 1e-06 … 0.001"):
        assert cell in out


@pytest.mark.parametrize("name", SUITES)
def test_committed_sweeps_have_a_table(name):
    sweep = read_sweep(name)
    if sweep is None:
        pytest.skip("not tuned yet")
    assert find_sweep(name) == sweep
    rows = chosen_rows(sweep)
    assert len(rows) == sum(len(chosen) for chosen in sweep["chosen"].values())
    assert [row.agent for row in rows if row.agent] == list(sweep["chosen"])


def without(sweep, *path):
    """A copy that lacks one entry."""
    copy = json.loads(json.dumps(sweep))
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return copy


BROKEN = {
    "no agents": without(SWEEP, "agents"),
    "no settings": without(SWEEP, "settings"),
    "no space": without(SWEEP, "agents", "uniform", "space"),
    "no finalists": {**SWEEP, "agents": {"uniform": {**SWEEP["agents"]["uniform"], "finalists": []}}},
    "no mean": without(SWEEP, "agents", "uniform", "configurations", 0, "mean"),
    "no interval": without(SWEEP, "agents", "uniform", "finalists", 0, "low"),
    "no such setting": without(SWEEP, "agents", "uniform", "configurations", 1, "settings", "window"),
    "words": {**SWEEP, "agents": {"uniform": "many"}},
    "infinite": {**SWEEP, "agents": {"one": {**SWEEP["agents"]["one_seed"], "finalists": [row(float("inf"), 1, 1.0)]}}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_foreign_sweep_is_one_line(case, tmp_path, capsys):
    (tmp_path / "sweep.json").write_text(json.dumps(BROKEN[case]))
    assert cli.main(["sensitivity", str(tmp_path / "sweep.json")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is no sweep of `mgsc tune`" in err
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_a_suite_that_was_never_tuned(monkeypatch, capsys):
    monkeypatch.setattr("mgsc.experiments.tuning.chosen.read_sweep", lambda name: None)
    assert cli.main(["sensitivity", "tmaze-fixed"]) == 2
    assert capsys.readouterr().err == "mgsc: tmaze-fixed was never tuned: `mgsc tune tmaze-fixed` writes a sweep\n"


def test_mgsc_sensitivity_prints_and_draws(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(json.dumps(SWEEP))
    assert cli.main(["sensitivity", "mine.json"]) == 0
    out = capsys.readouterr().out
    files = [f"mine-sensitivity/sensitivity_{agent}.{end}" for agent in SWEEP["agents"] for end in ("pdf", "png")]
    assert out.split()[-4:] == files
    assert "1,092 … 1,132" in out
    assert cli.main(["sensitivity", "mine.json", "--markdown", "--out", "drawn"]) == 0
    out, err = capsys.readouterr()
    assert out == to_markdown(SWEEP) + "\n"
    assert err.split() == [name.replace("mine-sensitivity", "drawn") for name in files]
    (tmp_path / "file").write_text("")
    assert cli.main(["sensitivity", "mine.json", "--out", "file"]) == 2
    assert "cannot write figures to file" in capsys.readouterr().err
