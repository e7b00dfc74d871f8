"""Marks of anyone's beside the parts of a result: ``mgsc status`` takes what can be true, and leaves out the rest."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.experiments.synthetic import PAIR, manifest

from mgsc import cli
from mgsc.experiments import store

GOOD = {
    "state": "failed",
    "agent": "uniform",
    "seeds": [0],
    "host": "here",
    "process": 1,
    "began": 1.0,
    "reason": "no idea",
    "log": "",
}

MARKS = {
    "it began after all years": {"began": 1e300},
    "it began before all years": {"began": -1e18},
    "it began never": {"began": float("nan")},
    "it begins at infinity": {"began": float("inf")},
    "a text for a time": {"began": "now"},
    "an escape in the reason": {"reason": "\x1b[31m"},
    "an escape in the agent": {"agent": "\x1b]0;x\x07"},
    "a process that there cannot be": {"process": 2**40},
    "seeds are a text": {"seeds": "0"},
    "no seeds": {"seeds": []},
    "half a seed": {"seeds": [0.5]},
    "another state": {"state": "done"},
}


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run that was begun, with no part yet."""
    with store.create(tmp_path / "result", manifest(PAIR, 2)) as folder:
        assert folder.place("uniform") is not None
    (tmp_path / "result" / "parts").mkdir(exist_ok=True)
    return tmp_path / "result"


def status(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert cli.main(["status", str(folder), *more]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    return said


@pytest.mark.parametrize("case", MARKS)
def test_issue_a_mark_that_cannot_be_is_none(begun, case, capsys) -> None:
    path = begun / "parts" / "uniform-g1-0.mark"
    path.write_text(json.dumps(GOOD))
    assert "failed: uniform-0 (1 seed) on here" in status(begun, capsys)
    path.write_text(json.dumps({**GOOD, **MARKS[case]}))
    assert "failed: uniform-0" not in status(begun, capsys)
    json.loads(status(begun, capsys, "--json"))


def test_issue_a_mark_that_is_no_file_keeps_nobody_waiting(begun, capsys) -> None:
    parts = begun / "parts"
    os.mkfifo(parts / "uniform-g1-0.mark")
    os.mkfifo(parts / "uniform-g1-0.npz")
    (parts / "uniform-g1-1.npz").symlink_to("uniform-g1-1.npz")
    (parts / "meta_gradient-g1-0.mark").symlink_to("meta_gradient-g1-0.mark")
    (parts / "meta_gradient-g1-1.mark").write_text("[" * 100_000 + "]" * 100_000)
    began = time.monotonic()
    for more in ([], ["--check"]):
        assert "failed" not in status(begun, capsys, *more).splitlines()[-1]
    assert time.monotonic() - began < 20
