"""Paths that cannot be, disks that are full, and places that are refused before any work."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from tests.experiments.synthetic import PAIR, fill, manifest, small

import mgsc
from mgsc import cli, files
from mgsc.errors import UserError
from mgsc.experiments import figures, store
from mgsc.experiments.figures.style import save
from mgsc.experiments.store.files import FolderLock

LONG = "x" * 300
COMMANDS = {
    "compare": ["compare", LONG],
    "diagnose": ["diagnose", LONG],
    "figures": ["figures", LONG],
    "report": ["report", LONG],
    "view": ["view", LONG, "--no-browser"],
    "run": ["run", "tmaze-fixed", "--out", LONG],
    "run with a sweep": ["run", "tmaze-fixed", "--tuned", LONG],
    "tune": ["tune", "tmaze-fixed", "--out", LONG],
    "study run": ["study", "run", "slip", "--out", LONG],
    "study show": ["study", "show", LONG],
    "sensitivity": ["sensitivity", LONG],
    "reproduce": ["reproduce", "--out", LONG],
    "merge": ["merge", "a", LONG, "--out", "b"],
    "bench": ["bench", "--out", LONG],
}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a command that is refused with status 2."""
    assert cli.main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("mgsc: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("command", COMMANDS)
def test_issue_too_long_a_path_is_one_line(command, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refused(COMMANDS[command], capsys)
    assert "file name too long" in error
    assert len(error) < 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["a\0b", LONG, ""])
def test_issue_paths_that_cannot_be_are_refused_in_python(path) -> None:
    refusing = [
        lambda: mgsc.run("tmaze-fixed", out=path),
        lambda: store.open_result(path),
        lambda: store.create(path, manifest(PAIR, 2)),
        lambda: store.status(path),
        lambda: figures.write_figures(small(), path),
        lambda: mgsc.save_state(np.zeros(2), path),
    ]
    for call in refusing:
        with pytest.raises(UserError, match=r"null|too long|empty"):
            call()


@pytest.mark.parametrize("command", [["run", "tmaze-fixed"], ["tune", "tmaze-fixed"], ["bench"]])
def test_issue_an_empty_out_is_not_the_default(command, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "path is empty" in refused([*command, "--out", ""], capsys)


@pytest.mark.parametrize("command", [["tune", "tmaze-fixed"], ["bench"], ["run", "tmaze-fixed"]])
def test_issue_a_circle_of_links_is_refused_before_any_work(command, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for one, other in (("loop1", "loop2"), ("loop2", "loop1")):
        Path(one).symlink_to(other)
    refused([*command, "--out", "loop1"], capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop1", "loop2"]


def full(*arguments, **more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


@pytest.mark.parametrize("function", ["pwrite", "ftruncate"])
def test_issue_a_lock_on_a_full_disk_is_one_line(function, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, function, full)
    with pytest.raises(store.StoreError, match=f"^cannot write in {tmp_path}: no space left on device$"):
        FolderLock(tmp_path)
    monkeypatch.undo()
    FolderLock(tmp_path).release()  # nobody holds it


def test_issue_a_full_disk_anywhere_is_one_line(capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, "_list", full)
    assert refused(["list"], capsys) == "mgsc: somewhere: no space left on device\n"


def test_issue_figures_on_a_full_disk_leave_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"[Nn]o space left"):
        figures.write_figures(small(), tmp_path / "figures")
    assert list((tmp_path / "figures").iterdir()) == []


def test_issue_what_a_killed_drawing_left_is_removed_once_it_is_old(tmp_path) -> None:
    old, fresh = (files.temporary_name(tmp_path, "bar.pdf") for _ in range(2))
    others = files.temporary_name(tmp_path, "bar.txt")
    for path in (old, fresh, others):
        path.touch()
    for path in (old, others):
        os.utime(path, (time.time() - 2 * files.OLD,) * 2)
    save(matplotlib.figure.Figure(), tmp_path, "bar")
    assert {path.name for path in tmp_path.iterdir()} == {"bar.pdf", "bar.png", fresh.name, others.name}


def test_issue_append_to_nothing_leaves_nothing(tmp_path) -> None:
    with pytest.raises(store.StoreError, match="holds no result to append to"):
        store.create(tmp_path / "nothere", manifest(PAIR, 2), append=True)
    assert not (tmp_path / "nothere").exists()


def test_appending_to_a_result_still_works(tmp_path) -> None:
    fill(tmp_path, small(), manifest(PAIR, 2))
    fill(tmp_path, small(first_seed=2), manifest(PAIR, 2, first_seed=2), append=True)
    assert store.open_result(tmp_path).sizes["seed"] == 4


def test_issue_a_circle_of_links_is_no_result_to_merge(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for one, other in (("loop1", "loop2"), ("loop2", "loop1")):
        Path(one).symlink_to(other)
    refused(["merge", "loop1", "nowhere", "--out", "both"], capsys)


@pytest.mark.parametrize("command", [["compare"], ["report"], ["view", "--no-browser"], ["sensitivity"]])
def test_issue_names_of_folders_cannot_speak_to_the_terminal(command, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("\x1b]0;title\x07")
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    error = refused([command[0], str(folder), *command[1:]], capsys)
    assert error[:-1].isprintable()
    assert "x1b]0;title" in error


def test_issue_more_configurations_than_fit_are_refused(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "at most 100000" in refused(["tune", "tmaze-fixed", "--configurations", "9" * 40], capsys)
    assert list(tmp_path.iterdir()) == []
