"""Texts of anyone's: manifests, attributes of results, sweeps and summaries are what they must be, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.store import manifest as manifest_module
from mgsc.experiments.store.contract import GENERATION, SEAL, checksum
from mgsc.experiments.store.published import read_published
from mgsc.experiments.tuning.chosen import read_sweep
from mgsc.files import parse_json

DEEP = "[" * 100_000 + "]" * 100_000


def one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("mgsc: ")
    assert error.count("\n") == 1
    return error


def test_issue_json_that_is_nested_too_deep_is_no_json() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(DEEP)


@pytest.mark.parametrize(
    "command", [["run", "tmaze-fixed", "--tuned", "deep"], ["sensitivity", "deep"], ["study", "show", "deep"]]
)
def test_issue_a_deep_file_is_refused(command, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep").write_text(DEEP)
    assert "not JSON" in one_line(command, capsys)


SWEEPS = {
    "chosen is a list": {"chosen": []},
    "chosen is nothing": {"chosen": None},
    "chosen holds a list": {"chosen": {"uniform": []}},
    "tuning seeds are a number": {"tuning_seeds": 5},
    "tuning seeds are numbers": {"tuning_seeds": [5]},
    "tuning seeds are nothing": {"tuning_seeds": None},
    "other words": {"tuning_seeds": [{"bogus": 1}]},
    "a text for a number": {"tuning_seeds": [{"count": "a", "root": 1, "first": 0}]},
}


@pytest.mark.parametrize("case", SWEEPS)
def test_issue_a_sweep_of_another_form_is_refused(case, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = read_sweep("tmaze-fixed")
    Path("sweep.json").write_text(json.dumps({**sweep, **SWEEPS[case]}))
    assert "is no sweep of `mgsc tune`" in one_line(["run", "tmaze-fixed", "--tuned", "sweep.json"], capsys)
    assert not Path("results").exists()


MANIFESTS = {
    "deep": DEEP,
    "infinite generation": {"generation": float("inf")},
    "infinite seed": {"seeds": [0, float("inf")]},
    "infinite root seed": {"root_seed": float("inf")},
    "generation 0": {"generation": 0},
    "generation -1": {"generation": -1},
    "another generation": {"generation": 99},
    "a text for a generation": {"generation": "1"},
    "a format that is no whole number": {"format_version": 2.0},
    "base seeds that are not its own": {"base_seeds": [7]},
    "only base seeds": {"base_seeds": [0, 1]},
    "agents are a text": {"agents": "uniform"},
    "settings are a list": {"settings": []},
    "a suite of control characters": {"suite": "\x1b[31m"},
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_issue_a_manifest_of_another_form_is_damaged(result, case, capsys) -> None:
    path = result / "manifest.json"
    change = MANIFESTS[case]
    text = change if isinstance(change, str) else json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(text)
    with pytest.raises(store.StoreError, match=r"manifest.json (is damaged|cannot be read)|result format"):
        store.read_manifest(result)
    assert "\x1b" not in one_line(["compare", str(result)], capsys)


def test_a_manifest_without_a_checksum_is_read(result) -> None:
    path = result / "manifest.json"
    contents = json.loads(path.read_text())
    del contents[manifest_module.CHECKSUM]
    path.write_text(json.dumps(contents))
    assert store.read_manifest(result).plan.agents == PAIR


RESEALED = {
    "settings are no JSON": {"settings": "abc"},
    "settings are nothing": {"settings": "null"},
    "settings are a list": {"settings": "[]"},
    "settings are deep": {"settings": DEEP},
    "an agent's settings are a number": {"settings": '{"agents": {"uniform": 3}}'},
    "root seed": {"root_seed": "x"},
    "generation": {GENERATION: "x"},
    "switch steps are a text": {"switch_steps": "abc"},
    "switch steps are texts": {"switch_steps": ["a"]},
    "record every": {"record_every": "x"},
    "record nothing": {"record_every": 0},
    "what it has": {"has": "truth"},
    "what nothing has": {"has": ["magic"]},
    "what it has is nested": {"has": [["truth"]]},
    "versions": {"versions": "[1]"},
    "a title that speaks to the terminal": {"title": "\x1b]0;title\x07"},
}


def reseal(result: Path, **attributes: object) -> None:
    """Puts other attributes into the published store, with a seal that fits: anyone can make one."""
    dataset, generation = read_published(result)
    changed = dataset.assign_attrs({GENERATION: generation, **attributes})
    changed = changed.assign_attrs({SEAL: checksum(changed)})
    folder = (result / "data.zarr").resolve()
    shutil.rmtree(folder)
    encoding = {str(name): {"_FillValue": None} for name in changed.variables}
    changed.to_zarr(folder, mode="w", zarr_format=2, consolidated=True, encoding=encoding)


@pytest.mark.parametrize("case", RESEALED)
def test_issue_a_resealed_result_is_refused(result, case) -> None:
    reseal(result, **RESEALED[case])
    with pytest.raises(store.StoreError, match="was not written by mgsc") as refused:
        store.open_result(result)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("command", ["compare", "diagnose", "figures", "report"])
def test_issue_every_reading_command_refuses_a_resealed_result(result, command, capsys) -> None:
    reseal(result, settings=DEEP)
    assert "was not written by mgsc" in one_line([command, str(result)], capsys)


def test_an_untouched_result_survives_its_own_seal(result) -> None:
    before = store.open_result(result)
    reseal(result)
    xr.testing.assert_identical(store.open_result(result), before)


@pytest.mark.parametrize("kind", ["tuning", "study"])
def test_issue_what_was_stopped_is_called_incomplete(kind, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s0.json.partial").mkdir()
    command = ["sensitivity", "s0.json"] if kind == "tuning" else ["study", "show", "s0.json"]
    error = one_line(command, capsys)
    assert f"s0.json is incomplete: its {kind} was stopped" in error
    assert "--resume" in error


def test_issue_a_manifest_that_lacks_nearly_all_is_damaged(result) -> None:
    (result / "manifest.json").write_text('{"kind": "mgsc result", "format_version": 2, "generation": 1e400}')
    with pytest.raises(UserError, match="damaged"):
        store.read_manifest(result)
