"""Parts of a tuning that are sound by their checksum, and of another form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.experiments.programs import compile_each_once
from tests.experiments.small_tuning import stop_in_round, tune

from mgsc.errors import UserError
from mgsc.experiments.store import resumable
from mgsc.experiments.tuning import file as file_module


@pytest.fixture(scope="module", autouse=True)
def _programs_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        compile_each_once(patch)
        yield


ROWS = {
    "no rows": [5],
    "no settings": [[{}]],
    "a text": "ab",
    "a number": 5,
    "a mean in words": "mean",
    "a mean that is too large": "large",
    "no ends": "ends",
}


@pytest.mark.parametrize("case", ROWS)
def test_issue_rounds_of_another_form_are_damaged(case, tmp_path, monkeypatch):
    out = tmp_path / "sweep.json"
    stop_in_round(2, out)
    (file,) = Path(f"{out}.partial").glob("*.json")
    contents = json.loads(file.read_text())
    row = contents["rounds"][0][0]
    if ROWS[case] == "ends":
        del row["low"], row["high"]
    elif ROWS[case] in ("mean", "large"):
        row["mean"] = "x" if ROWS[case] == "mean" else 10**400
    else:
        contents["rounds"] = ROWS[case]
    contents["checksum"] = resumable._checksum(contents["rounds"])
    file.write_text(json.dumps(contents))
    monkeypatch.setattr(file_module, "tune_suite", lambda *arguments: pytest.fail("worked"))
    with pytest.raises(UserError, match="is damaged: remove it"):
        tune(out, resume=True)
