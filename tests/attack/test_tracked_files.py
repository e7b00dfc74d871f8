"""Tracking writes and removes its own files only, whatever agents are called and whatever lies in its folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tests.experiments.synthetic import fill, manifest, small

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.track import track, tracking_of
from mgsc.experiments.tracking import wandb

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboardX") is None, reason="tensorboardX is not installed"
)


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@needs_tensorboard
def test_issue_an_agent_called_like_a_folder_stays_inside(tmp_path) -> None:
    names = ("..", ".", ".runs")
    result = fill(tmp_path / "result", small(names), manifest(names, 2))
    mine = tmp_path / "seed-0" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("kept")
    before = files_under(tmp_path)
    tracking = tracking_of("tensorboard", tmp_path / "result", "x", out=str(tmp_path / "logs"))
    assert track(result, tracking) == (9, 0)
    assert track(result, tracking) == (0, 9)
    assert {name for name in files_under(tmp_path) if not name.startswith("logs/")} == before
    shown = {path.relative_to(tmp_path / "logs").parts[0] for path in (tmp_path / "logs").glob("[!.]*/*")}
    assert shown == {"%2E.", "%2E", "%2Eruns"}


@needs_tensorboard
def test_issue_files_of_others_are_left_alone(result, tmp_path, capsys) -> None:
    logs = tmp_path / "logs"
    other = logs / "uniform" / "seed-0" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("kept")
    command = ["track", str(result), "--to", "tensorboard", "--out", str(logs)]
    assert cli.main(command) == 0
    (logs / ".runs" / "uniform-seed-0.json").unlink()
    events = files_under(logs)
    capsys.readouterr()
    assert cli.main(command) == 2
    assert "is of no run that mgsc has begun: name another folder, or move it away" in capsys.readouterr().err
    assert files_under(logs) == events
    assert other.read_text() == "kept"


@needs_tensorboard
def test_issue_runs_of_another_suite_are_not_replaced(result, tmp_path, capsys) -> None:
    logs = tmp_path / "logs"
    dataset = store.open_result(result)
    track(dataset, tracking_of("tensorboard", result, "another", out=str(logs)))
    before = files_under(logs)
    capsys.readouterr()
    assert cli.main(["track", str(result), "--to", "tensorboard", "--out", str(logs)]) == 2
    assert f"{logs} holds runs of another: name another folder for those of tmaze-fixed" in capsys.readouterr().err
    assert files_under(logs) == before


@needs_tensorboard
def test_issue_a_tracker_without_projects_is_given_none(result, capsys) -> None:
    assert cli.main(["track", str(result), "--to", "tensorboard", "--project", "mine"]) == 2
    assert "tensorboard knows no projects: leave --project out" in capsys.readouterr().err
    assert not (result / "track").exists()


@pytest.mark.parametrize("project", ["", " ", "a/b", "a:b", "x" * 129, "\x1b[31m"])
def test_issue_a_project_that_cannot_be_is_refused(project) -> None:
    check = wandb.SINK.check_project
    assert check is not None
    with pytest.raises(UserError, match="it must be a text of 1 to 128 printable characters"):
        check(project)
    check("mazes")
