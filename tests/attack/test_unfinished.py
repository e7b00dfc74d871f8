"""Who reads a result whose newest plan is unfinished is told so."""

from __future__ import annotations

import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.experiments import store

PLANS = {"append": {"append": True}, "overwrite": {"overwrite": True}}


@pytest.mark.parametrize("how", PLANS)
@pytest.mark.parametrize("command", ["compare", "diagnose"])
def test_issue_an_unfinished_plan_is_said_beside_the_old_result(how, command, tmp_path, caplog, capsys) -> None:
    before = fill(tmp_path / "result", small(), manifest(PAIR, 2))
    first = 2 if how == "append" else 0
    store.create(tmp_path / "result", manifest(PAIR, 2, first_seed=first), **PLANS[how]).close()
    with caplog.at_level("WARNING", "mgsc"):
        xr.testing.assert_identical(store.open_result(tmp_path / "result"), before)
        assert cli.main([command, str(tmp_path / "result")]) == 0
    verb = "extend" if how == "append" else "replace"
    said = [
        message for message in caplog.messages if f"a run that is to {verb} it is unfinished: 0 of 4 runs" in message
    ]
    assert len(said) == 2


def test_a_finished_result_says_nothing(tmp_path, caplog) -> None:
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    with caplog.at_level("WARNING", "mgsc"):
        store.open_result(tmp_path / "result")
    assert not any("unfinished" in message for message in caplog.messages)


def test_issue_an_append_that_was_stopped_before_its_plan_is_told_how_to_go_on(tmp_path) -> None:
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    with pytest.raises(store.StoreError, match="started for seeds 0–1, not 2–3; add others with --append"):
        store.create(tmp_path / "result", manifest(PAIR, 2, first_seed=2), resume=True)
