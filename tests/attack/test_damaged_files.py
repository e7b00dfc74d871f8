"""Parts, sweeps, summaries and states that were damaged in silence are seen; links cannot lead a writer elsewhere."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.experiments.studies.small_studies import made_up_of
from tests.experiments.synthetic import PAIR, fill, manifest, small

import mgsc
from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.classics import runner
from mgsc.experiments.store.parts import PartReader, part_files
from mgsc.experiments.studies.summary import load_summary, write_summary
from mgsc.experiments.tuning.chosen import load_sweep, read_sweep
from mgsc.experiments.tuning.file import write_sweep

METHOD, FLAGS, VERSION = 10, 8, 6
"""Where an entry of a zip's directory says how it is packed, whether it is encrypted, and which zip it needs."""


@pytest.fixture
def unfinished(tmp_path: Path) -> tuple[Path, store.StoredManifest]:
    """A run that was stopped with one part, and its plan."""
    with store.create(tmp_path / "stopped", manifest(PAIR, 2)) as folder:
        folder.write_part("uniform", (0,), {"reward": np.ones((1, 3), np.float32)})
        return tmp_path / "stopped", folder.stored


def directory_of(packed: bytes) -> int:
    """Where the directory of a zip begins."""
    return packed.index(b"PK\x01\x02")


def damage_directory(path: Path, place: int) -> None:
    contents = bytearray(path.read_bytes())
    contents[directory_of(contents) + place] ^= 0x61
    path.write_bytes(contents)


@pytest.mark.parametrize("place", [METHOD, FLAGS, VERSION])
def test_issue_a_part_whose_directory_is_damaged_is_as_if_it_were_not_there(place, unfinished, capsys) -> None:
    path, _ = unfinished
    damage_directory(part_files(path / "parts")[0], place)
    assert store.status(path).num_finished == 0
    for options in ([], ["--check"]):
        assert cli.main(["status", str(path), *options]) == 0
        assert "0" in capsys.readouterr().out
    with store.create(path, manifest(PAIR, 2), resume=True) as folder:
        assert folder.finished_parts() == ()


@pytest.mark.parametrize("place", [METHOD, FLAGS, VERSION])
def test_issue_a_part_that_is_damaged_later_is_named(place, unfinished) -> None:
    path, _ = unfinished
    with store.create(path, manifest(PAIR, 2), resume=True) as folder:
        (part,) = folder.finished_parts()
        damage_directory(part.path, place)
        with pytest.raises(store.StoreError, match="is damaged: use --resume to run its seeds again"):
            part.read()


def test_issue_a_part_that_lacks_an_array_is_not_accepted(unfinished) -> None:
    path, stored = unfinished
    file = part_files(path / "parts")[0]
    with zipfile.ZipFile(file) as archive:
        header = archive.read("header.npy")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("header.npy", header)
    assert PartReader(path / "parts", stored).read(file) is not None
    file.write_bytes(packed.getvalue())
    assert PartReader(path / "parts", stored).read(file) is None


def flipped(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_issue_a_sweep_with_another_number_is_damaged(tmp_path, capsys) -> None:
    sweep = read_sweep("tmaze-fixed")
    write_sweep(sweep, tmp_path / "sweep.json")
    assert load_sweep(str(tmp_path / "sweep.json")) == sweep
    flipped(tmp_path / "sweep.json", '"mean": ', '"mean": 1')
    for command in (["sensitivity"], ["run", "tmaze-fixed", "--tuned"]):
        assert cli.main([*command, str(tmp_path / "sweep.json")]) == 2
        assert "sweep.json is damaged: it does not match its checksum" in capsys.readouterr().err


def test_issue_a_summary_with_another_number_is_damaged(tmp_path) -> None:
    summary = made_up_of("slip")
    write_summary(summary, tmp_path / "slip.json")
    assert load_summary(str(tmp_path / "slip.json")) == summary
    flipped(tmp_path / "slip.json", '"mean": ', '"mean": 1')
    with pytest.raises(UserError, match=r"slip.json is damaged: it does not match its checksum"):
        load_summary(str(tmp_path / "slip.json"))


def test_issue_results_of_the_classics_with_another_number_are_damaged(tmp_path) -> None:
    runner._write(tmp_path / "results.json", {"a": {}}, {"a": {"steps": [14.5]}})
    assert runner._contents(tmp_path / "results.json")["records"] == {"a": {"steps": [14.5]}}
    flipped(tmp_path / "results.json", "14.5", "15.5")
    with pytest.raises(UserError, match=r"results.json is damaged: it does not match its checksum"):
        runner._contents(tmp_path / "results.json")


def test_a_sweep_without_a_checksum_is_read(tmp_path) -> None:
    sweep = read_sweep("tmaze-fixed")
    (tmp_path / "sweep.json").write_text(json.dumps(sweep))
    assert load_sweep(str(tmp_path / "sweep.json")) == sweep


@pytest.mark.timeout(30)
def test_issue_a_pipe_for_a_saved_state_cannot_hang_the_reader(tmp_path) -> None:
    os.mkfifo(tmp_path / "state.npz")
    with pytest.raises(UserError, match="it is no regular file"):
        mgsc.load_state(tmp_path / "state.npz", like=np.zeros(2))


@pytest.mark.parametrize("name", [".lock", "parts", "manifest.json"])
@pytest.mark.parametrize("how", ["overwrite", "resume"])
def test_issue_a_link_in_a_result_cannot_lead_a_writer_elsewhere(name, how, tmp_path) -> None:
    mine = tmp_path / "mine"
    with store.create(mine, manifest(PAIR, 2)) as folder:
        folder.write_part("uniform", (0,), {"reward": np.ones((1, 3), np.float32)})
    (mine / ".lock").write_text("important")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    store.create(tmp_path / "theirs", manifest(PAIR, 2)).close()
    theirs = tmp_path / "theirs" / name
    if theirs.is_dir():
        theirs.rmdir()
    else:
        theirs.unlink()
    theirs.symlink_to(mine / name)
    with pytest.raises(store.StoreError, match=f"{name} is a link, which mgsc never makes"):
        store.create(tmp_path / "theirs", manifest(PAIR, 2, first_seed=3), **{how: True})
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_a_result_behind_a_link_is_written_and_read(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert fill(tmp_path / "link", small(), manifest(PAIR, 2)).identical(store.open_result(tmp_path / "real"))
