"""Where results and other outputs may be written, and that a result folder removes nothing but its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import figures, store
from mgsc.experiments.classics.commands import reproduce_classics
from mgsc.experiments.classics.runner import Runs
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.report import write_report
from mgsc.experiments.reproduce import reproduce
from mgsc.experiments.store import StoreError
from mgsc.experiments.tuning.file import check_can_write

INSIDE = ("parts/x", "data-0002.zarr/x", ".tmp-y", ".tmp-y-0123456789ab/x", "data.zarr/x", "x", "figures/deep/x")
OWN = ("parts", "parts/x", "data-0002.zarr/x", "data.zarr/x", "manifest.json", ".lock", ".tmp-y-0123456789ab/x")


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A complete result of two agents and two seeds."""
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    return tmp_path / "result"


def names_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
@pytest.mark.parametrize("place", INSIDE)
def test_issue_no_result_is_written_inside_another(result: Path, place: str, how: dict[str, bool]) -> None:
    before = names_in(result)
    message = rf"^{result / place} lies inside the result {result.resolve()}: name a folder outside$"
    with pytest.raises(StoreError, match=message):
        store.create(result / place, manifest(PAIR, 2), **how)
    assert names_in(result) == before


def test_issue_merge_into_a_result_is_refused_and_nothing_is_lost(result: Path, tmp_path: Path, capsys) -> None:
    for first_seed in (0, 2):
        fill(tmp_path / f"{first_seed}", small(first_seed=first_seed), manifest(PAIR, 2, first_seed=first_seed))
    sources = [str(tmp_path / "0"), str(tmp_path / "2")]
    assert cli.main(["merge", *sources, "--out", str(result / "parts" / "x")]) == 2
    error = capsys.readouterr().err
    assert "lies inside the result" in error
    assert error.count("\n") == 1


def test_a_place_inside_a_result_is_known_through_links_and_from_within(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(result)
    monkeypatch.chdir(result)
    for place in (tmp_path / "link" / "x", Path("x"), tmp_path / "other" / ".." / "result" / "x"):
        with pytest.raises(StoreError, match="lies inside the result"):
            store.create(place, manifest(PAIR, 2))


def test_beside_a_result_and_below_other_manifests_there_is_room(result: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "some web app"}')
    store.create(tmp_path / "result 2", manifest(PAIR, 2)).close()
    (tmp_path / "manifest.json").write_text("{")
    store.create(tmp_path / "result 3", manifest(PAIR, 2)).close()
    assert (tmp_path / "result 2" / "manifest.json").is_file()
    assert (tmp_path / "result 3" / "manifest.json").is_file()


# --- other outputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", OWN)
def test_no_other_output_goes_where_a_result_keeps_its_own(result: Path, place: str) -> None:
    before, dataset = names_in(result), store.open_result(result)
    for write in (
        lambda: figures.write_figures(dataset, result / place),
        lambda: check_can_write(result / place / "study.json"),
        lambda: check_can_write(result / place),
        lambda: write_report([result], result / place / "page.html"),
        lambda: reproduce_classics(Runs(1), str(result / place)),
    ):
        with pytest.raises(UserError, match="lies inside the result"):
            write()
    assert names_in(result) == before


def test_reproduce_is_refused_before_any_work(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mgsc.experiments.reproduce._run", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(StoreError, match="lies inside the result"):
        reproduce(Seeds(1), str(result))
    (result.parent / "report.html").write_text("mine")
    with pytest.raises(UserError, match="is no report of mgsc"):
        reproduce(Seeds(1), str(result.parent))


def test_files_beside_what_a_result_keeps_are_welcome(result: Path) -> None:
    check_can_write(result / "sweep.json")
    check_can_write(result / "studies" / "parts" / "study.json")


# --- only its own is removed -----------------------------------------------------------------


FOREIGN = (
    "parts/notes.txt",
    "parts/notes.npz",
    "parts/uniform-0.npz.bak",
    "parts/uniform-1.npz/inner.txt",
    "parts/folder/manifest.json",
    "parts/.tmp-notes",
    ".tmp-y/notes",
    "data-0.zarr/notes",
    "data-0002.zarr.bak/notes",
    "notes.txt",
)


def put_foreign(folder: Path) -> None:
    for name in FOREIGN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")


def finish(folder: Path, **how: bool) -> None:
    with store.create(folder, manifest(PAIR, 2), **how) as run:
        for agent in () if run.is_complete else PAIR:
            run.write_part(agent, (0,), {"x": np.zeros(1)})
        if not run.is_complete:
            run.publish(small())


@pytest.mark.parametrize("begin", ["complete", "overwritten", "unfinished"])
def test_foreign_files_in_a_result_survive(tmp_path: Path, begin: str) -> None:
    folder = tmp_path / "result"
    if begin == "unfinished":
        with store.create(folder, manifest(PAIR, 2)) as run:
            run.write_part("uniform", (0,), {"x": np.zeros(1)})
    else:
        fill(folder, small(), manifest(PAIR, 2))
    put_foreign(folder)
    finish(folder, **({"overwrite": True} if begin == "overwritten" else {"resume": True}))
    assert [name for name in FOREIGN if not (folder / name).is_file()] == []
    assert not [path for path in (folder / "parts").glob("*-0.npz") if path.is_file()], "our own parts are gone"
    xr.testing.assert_equal(store.open_result(folder), small())


def test_a_pipe_among_the_parts_is_never_opened(tmp_path: Path) -> None:
    store.create(tmp_path, manifest(PAIR, 2)).close()
    os.mkfifo(tmp_path / "parts" / "uniform-0.npz")
    assert store.status(tmp_path).num_finished == 0
    store.create(tmp_path, manifest(PAIR, 2), resume=True).close()
    assert (tmp_path / "parts" / "uniform-0.npz").exists()


@pytest.mark.parametrize("command", ["--resume", "--overwrite"])
def test_a_folder_with_a_foreign_temporary_name_is_foreign(tmp_path: Path, command: str) -> None:
    (tmp_path / ".tmp-y").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        store.create(tmp_path, manifest(PAIR, 2), **{command[2:]: True})
    assert (tmp_path / ".tmp-y").read_text() == "mine"


Change = Callable[[Path], None]


@pytest.mark.parametrize(
    ("name", "make"),
    [("pipe", os.mkfifo), ("folder", os.mkdir), ("circle", lambda path: os.symlink(path, path))],
)
def test_a_place_that_is_no_file_is_refused_early(tmp_path: Path, name: str, make: Change) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=f"^cannot write .*{name}: it is a .*; name a file$"):
        check_can_write(tmp_path / name)
