"""Folders of anyone's: they can neither hang the reader, nor lead it elsewhere, nor fill its memory."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.experiments import store
from mgsc.experiments.store.untrusted import RATIO, SMALL, check_files


def chunk_of(result: Path, name: str = "reward") -> Path:
    return next(path for path in (result / "data.zarr" / name).iterdir() if not path.name.startswith("."))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("place", ["manifest", "chunk", "metadata"])
def test_issue_a_pipe_cannot_hang_the_reader(result, place) -> None:
    file = {
        "manifest": result / "manifest.json",
        "chunk": chunk_of(result),
        "metadata": result / "data.zarr" / ".zmetadata",
    }[place]
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(store.StoreError, match="no regular file"):
        store.open_result(result)


@pytest.mark.timeout(30)
def test_issue_a_pipe_for_a_sweep_cannot_hang_the_reader(tmp_path, capsys) -> None:
    os.mkfifo(tmp_path / "sweep.json")
    assert cli.main(["sensitivity", str(tmp_path / "sweep.json")]) == 2
    assert "no regular file" in capsys.readouterr().err


def test_issue_a_link_out_of_the_folder_is_refused(result, tmp_path, capsys) -> None:
    other = fill(tmp_path / "other", small(first_seed=5), manifest(PAIR, 2, first_seed=5))
    (result / "data.zarr").unlink()
    (result / "data.zarr").symlink_to(tmp_path / "other" / "data-0001.zarr")
    for command in ("compare", "report", "diagnose"):
        assert cli.main([command, str(result)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(store.StoreError, match="corrupt"):
        store.open_result(result)
    assert store.open_result(tmp_path / "other").identical(other)


def test_issue_a_link_inside_the_store_is_refused(result, tmp_path) -> None:
    chunk = chunk_of(result)
    (tmp_path / "elsewhere").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(store.StoreError, match="no regular file"):
        store.open_result(result)


def change(result: Path, name: str, **changes: object) -> None:
    """Changes what the store says of one array."""
    file = result / "data.zarr" / ".zmetadata"
    contents = json.loads(file.read_text())
    contents["metadata"][f"{name}/.zarray"] |= changes
    file.write_text(json.dumps(contents))


def test_issue_a_bomb_of_another_codec_is_refused_unread(result) -> None:
    change(result, "reward", compressor={"id": "zlib", "level": 9})
    chunk_of(result).write_bytes(zlib.compress(bytes(2**20)))
    with pytest.raises(store.StoreError, match="reward, which is not packed as results of mgsc are"):
        store.open_result(result)


def test_issue_a_chunk_that_unpacks_to_more_than_it_says_is_refused_unread(result) -> None:
    chunk = chunk_of(result)
    packed = bytearray(chunk.read_bytes())
    packed[4:8] = (2**30).to_bytes(4, "little")
    chunk.write_bytes(packed)
    with pytest.raises(store.StoreError, match="unpacks to more than a chunk of 128 bytes"):
        store.open_result(result)


def test_issue_an_array_larger_than_its_files_can_hold_is_refused_unread(result) -> None:
    length = SMALL + RATIO * sum(path.stat().st_size for path in result.rglob("*") if path.is_file())
    change(result, "reward", shape=[length, 2, 4], chunks=[length, 2, 4])
    with pytest.raises(store.StoreError, match="reward, of which its files cannot hold"):
        store.open_result(result)


def test_issue_a_large_array_of_zeros_is_read(tmp_path) -> None:
    # zarr writes no chunk of it: a run's model_error where the model is right.
    zeros = np.zeros((30, 400, 500), np.float32)
    noise = np.random.default_rng(0).normal(size=(30, 400)).astype(np.float32)
    data = xr.Dataset({"model_error": (("seed", "chunk", "state"), zeros), "reward": (("seed", "chunk"), noise)})
    data.to_zarr(
        tmp_path / "data.zarr", zarr_format=2, consolidated=True, encoding={"model_error": {"_FillValue": None}}
    )
    check_files(tmp_path / "data.zarr")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": [{"id": "pickle"}]}, "not packed"),
        ({"dtype": "|O"}, "neither numbers"),
        ({"dtype": "f4,("}, "no known type"),
        ({"shape": ["a"]}, "no whole number"),
        ({"chunks": None}, "no list"),
    ],
)
def test_issue_an_array_of_another_form_is_refused_unread(result, changes, words) -> None:
    change(result, "reward", **changes)
    with pytest.raises(store.StoreError, match=words):
        store.open_result(result)


def test_issue_a_folder_in_place_of_a_manifest_is_refused_in_words(result, capsys) -> None:
    (result / "manifest.json").unlink()
    (result / "manifest.json").mkdir()
    assert cli.main(["status", str(result)]) == 2
    assert capsys.readouterr().err.endswith("manifest.json cannot be read: is a directory\n")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was stopped with the part of one seed of two agents."""
    with store.create(tmp_path / "stopped", manifest(PAIR, 1)) as folder:
        folder.write_part("uniform", (0,), {"reward": np.ones((1, 3), np.float32)})
    return tmp_path / "stopped"


def test_issue_a_bomb_for_a_part_is_no_part(stopped) -> None:
    (file,) = (stopped / "parts").glob("*.npz")
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in entries.items():
            archive.writestr(name, contents)
    assert store.status(stopped).num_finished == 0, "parts are never packed"
    with store.create(stopped, manifest(PAIR, 1), resume=True) as folder:
        assert folder.finished_parts() == ()


@pytest.mark.parametrize("which", ["file", "folder"])
def test_issue_a_link_to_a_part_elsewhere_is_no_part(which, stopped, tmp_path) -> None:
    place = stopped / "parts" if which == "folder" else next((stopped / "parts").glob("*.npz"))
    place.rename(tmp_path / place.name)
    place.symlink_to(tmp_path / place.name)
    assert store.status(stopped).num_finished == 0
    assert [counts.done for counts in store.census(stopped, is_thorough=True).agents.values()] == [0, 0]


@pytest.mark.parametrize("name", ["figures", "figures/total_reward.pdf", "report.html"])
def test_issue_a_link_in_a_result_leads_no_writer_out_of_it(name, result, tmp_path, capsys) -> None:
    (tmp_path / "mine").mkdir()
    target = tmp_path / "mine" if name == "figures" else tmp_path / "mine" / "file"
    (result / name).parent.mkdir(exist_ok=True)
    (result / name).symlink_to(target)
    command = ["report"] if name == "report.html" else ["figures", "--only", "total_reward"]
    assert cli.main([command[0], str(result), *command[1:]]) == 2
    assert capsys.readouterr().err.endswith(
        f"is a link out of the result {result}: name the place to which it leads, {target}\n"
    )
    assert [*(tmp_path / "mine").iterdir()] == []


def test_a_result_behind_a_link_has_its_figures_inside(result, tmp_path) -> None:
    (tmp_path / "link").symlink_to(result)
    assert cli.main(["figures", str(tmp_path / "link"), "--only", "total_reward"]) == 0
    assert (result / "figures" / "total_reward.pdf").is_file()
