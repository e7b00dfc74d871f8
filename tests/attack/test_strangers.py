"""Results, sweeps and summaries of a stranger: their words stay words, and their numbers are what they must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.experiments.studies.small_studies import made_up_of
from tests.experiments.synthetic import PAIR, synthetic

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import compare, diagnose
from mgsc.experiments.figures.sensitivity import write_sensitivity
from mgsc.experiments.reading import tables
from mgsc.experiments.studies.summary import load_summary
from mgsc.experiments.tuning import table
from mgsc.experiments.tuning.chosen import load_sweep, read_sweep


def small(agents: tuple[str, ...] = PAIR):
    return synthetic(agents, num_seeds=2, num_chunks=4, period=500)


RESULTS = {
    "what it has is nested": lambda result: result.assign_attrs(has=[["truth"]]),
    "texts for rewards": lambda result: result.assign(reward=result.reward.astype("U10")),
    "complex rewards": lambda result: result.assign(reward=result.reward.astype(complex)),
    "steps of nothing": lambda result: result.assign_coords(step=("chunk", np.zeros(4, int))),
    "steps that go back": lambda result: result.assign_coords(step=("chunk", [250, 500, 400, 600])),
    "half a step": lambda result: result.assign_coords(step=("chunk", [0.5, 1.0, 1.5, 2.0])),
    "no steps": lambda result: result.isel(chunk=[]),
}


@pytest.mark.parametrize("case", RESULTS)
def test_issue_a_result_of_other_numbers_is_refused(case) -> None:
    with pytest.raises(UserError):
        compare(RESULTS[case](small()))
    assert compare(small()).steps == 1000


def test_issue_settings_of_a_stranger_do_not_stop_the_diagnosis() -> None:
    settings = {"agents": {agent: {"strategy": [], "options": 5} for agent in PAIR}}
    assert diagnose(small().assign_attrs(settings=json.dumps(settings))) == []


def shown(renderable, capsys: pytest.CaptureFixture[str]) -> str:
    from rich.console import Console

    Console(width=120).print(renderable)
    return capsys.readouterr().out


MARKUP = ("[/bold]", "[red]x[/red]")


def test_issue_names_of_agents_are_no_markup_for_the_terminal(capsys) -> None:
    said = shown(tables.to_tables(compare(small(MARKUP), MARKUP[0])), capsys)
    assert all(name in said for name in MARKUP)


def renamed_sweep(name: str) -> dict:
    """The committed sweep of a suite with one of its agents called otherwise."""
    sweep = read_sweep("tmaze-fixed")
    assert sweep is not None
    sweep["agents"] = {name: sweep["agents"]["uniform"]}
    sweep["chosen"] = {name: sweep["chosen"]["uniform"]}
    return sweep


def test_issue_a_sweep_of_a_stranger_is_no_markup(capsys, tmp_path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps(renamed_sweep("[/bold]")))
    assert "[/bold]" in shown(table.to_table(load_sweep(str(tmp_path / "sweep.json"))), capsys)


def test_issue_an_agent_of_a_sweep_leads_nowhere_else(tmp_path) -> None:
    out = tmp_path / "a" / "b" / "figures"
    paths = write_sensitivity(renamed_sweep("x/../../../evil"), out)
    assert {path.parent for path in paths} == {out}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_issue_an_agent_of_a_sweep_has_a_name_that_can_be_shown(tmp_path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps(renamed_sweep("x" * 200)))
    with pytest.raises(UserError, match="an agent's name has 1 to 100 printable characters"):
        load_sweep(str(tmp_path / "sweep.json"))


def test_issue_a_number_of_a_sweep_that_no_float_holds_is_none(tmp_path) -> None:
    sweep = json.loads(json.dumps(read_sweep("tmaze-fixed")))
    sweep["agents"]["uniform"]["finalists"][0]["mean"] = 10**400
    (tmp_path / "sweep.json").write_text(json.dumps(sweep))
    with pytest.raises(UserError, match="what it says of uniform is incomplete"):
        load_sweep(str(tmp_path / "sweep.json"))


@pytest.mark.parametrize("key", ["axes", "grounds"])
def test_issue_a_label_of_a_summary_that_is_no_text_is_refused(key, tmp_path) -> None:
    summary = json.loads(json.dumps(made_up_of("slip")))
    summary[key][0]["label"] = 5
    for cell in summary["cells"] if key == "grounds" else ():
        cell["ground"] = 5 if cell["ground"] == made_up_of("slip")["grounds"][0]["label"] else cell["ground"]
    (tmp_path / "slip.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="no complete summary"):
        load_summary(str(tmp_path / "slip.json"))


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "/tmp/evil"])
def test_issue_a_study_of_a_stranger_leads_nowhere_else(name, tmp_path) -> None:
    (tmp_path / "file.json").write_text(json.dumps({**made_up_of("slip"), "study": name}))
    with pytest.raises(UserError, match="is no complete summary of `mgsc study run`"):
        load_summary(str(tmp_path / "file.json"))


@pytest.mark.parametrize("words", ["\x1b]0;title\x07", "a\u202eb", "\x00", "\x9b31m"])
def test_issue_files_of_a_stranger_cannot_speak_to_the_terminal(words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.json").write_text(json.dumps({**made_up_of("slip"), "note": words}))
    sweep = read_sweep("tmaze-fixed")
    Path("sweep.json").write_text(json.dumps({**sweep, "settings": {**sweep["settings"], "title": words}}))
    for command in (["study", "show", "study.json"], ["sensitivity", "sweep.json"]):
        assert cli.main(command) == 2
        assert "it holds control characters" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"study.json", "sweep.json"}
