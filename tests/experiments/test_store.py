"""Results on disk: what is written is read again; folders that hold none, or damage, are refused."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.store import IncompleteResultError, StoreError
from mgsc.experiments.store.manifest import describe


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A complete result of two agents and two seeds."""
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    return tmp_path / "result"


# --- round trips -----------------------------------------------------------------------------


def test_what_is_published_is_what_is_opened(tmp_path: Path) -> None:
    dataset = small()
    published = fill(tmp_path, dataset, manifest(PAIR, 2))
    opened = store.open_result(tmp_path)
    xr.testing.assert_identical(opened, published)
    xr.testing.assert_equal(opened, dataset)
    assert json.loads(opened.attrs["settings"]) == manifest(PAIR, 2).settings
    assert store.manifest_of(opened) == manifest(PAIR, 2)
    for name, variable in dataset.data_vars.items():
        assert opened[name].dtype == variable.dtype, name


def test_xarray_alone_reads_a_result_without_warnings(result: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = xr.open_zarr(result / "data.zarr").load()
    xr.testing.assert_equal(alone, store.open_result(result))
    assert alone.attrs["suite"] == "tmaze-fixed"
    assert alone.attrs["switch_steps"] == [500]


def test_a_published_folder_holds_nothing_else(result: Path) -> None:
    assert sorted(os.listdir(result)) == [".lock", "data-0001.zarr", "data.zarr", "manifest.json"]


def test_a_moved_or_copied_result_opens(result: Path, tmp_path: Path) -> None:
    before = store.open_result(result)
    shutil.copytree(result, tmp_path / "links followed")
    shutil.move(result, tmp_path / "moved")
    for name in ("links followed", "moved"):
        xr.testing.assert_identical(store.open_result(tmp_path / name), before)
        assert store.status(tmp_path / name).is_complete
    with pytest.raises(StoreError, match="is a folder, not a link"):
        store.create(tmp_path / "links followed", manifest(PAIR, 2), overwrite=True)


def test_parts_are_gathered_in_the_order_of_the_plan(tmp_path: Path) -> None:
    with store.create(tmp_path, manifest(PAIR, 3)) as folder:
        folder.write_part("uniform", (2, 0), {"x": np.array([2.0, 0.0]), "s": np.array(5.0)})
        assert folder.missing_seeds("uniform") == (1,)
        with pytest.raises(StoreError, match="uniform still lacks seeds 1"):
            folder.gather("uniform")
        folder.write_part("uniform", (1,), {"x": np.array([1.0]), "s": np.array(7.0)})
        gathered = folder.gather("uniform")
        assert gathered["x"].tolist() == [0.0, 1.0, 2.0]
        assert sorted(gathered["s"].tolist()) == [5.0, 7.0]
        assert [part.seeds for part in folder.finished_parts()] == [(1,), (2, 0)]


@pytest.mark.parametrize(
    ("agent", "seeds", "array", "message"),
    [
        ("replay", (0,), np.zeros(1), "agent replay is not planned"),
        ("uniform", (0, 7), np.zeros(2), "seeds 0, 7 are not among the planned 0–1"),
        ("uniform", (), np.zeros(0), "are not among"),
        ("uniform", (0, 1), np.zeros(3), "has 3 rows for 2 seeds"),
        ("uniform", (0,), np.array(["a"]), "not numbers"),
    ],
)
def test_a_part_must_fit_the_plan(
    tmp_path: Path, agent: str, seeds: tuple[int, ...], array: np.ndarray, message: str
) -> None:
    with (
        store.create(tmp_path, manifest(PAIR, 2)) as folder,
        pytest.raises(StoreError, match=message),
    ):
        folder.write_part(agent, seeds, {"x": array})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("entropy"), "lacks the variable entropy"),
        (lambda d: d.drop_vars("state_row"), "lacks the coordinate state_row"),
        (lambda d: d.isel(seed=[0]), "holds seeds 0: 0–1 planned"),
        (lambda d: d.isel(agent=[1]), "holds agents meta_gradient: uniform, meta_gradient planned"),
        (lambda d: d.assign(reward=d.reward.sum("chunk")), "reward has dimensions"),
        (lambda d: d.drop_attrs(), "lacks the attribute switch_steps"),
        (lambda d: d.assign(note=("agent", np.array(["a", 1], object))), "note holds object"),
        (lambda d: d.assign_attrs(thing=object()), "not plain JSON"),
    ],
)
def test_only_what_was_planned_is_published(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with (
        store.create(tmp_path, manifest(PAIR, 2)) as folder,
        pytest.raises(StoreError, match=message),
    ):
        folder.publish(change(small()))
    with pytest.raises(IncompleteResultError):
        store.open_result(tmp_path)


# --- folders that are refused ----------------------------------------------------------------


def test_folders_that_hold_no_result(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("x")
    for name, message in [
        ("missing", "there is no folder"),
        ("empty", "is empty"),
        ("file", "is a file"),
        ("foreign", "not a result folder of mgsc"),
    ]:
        for read in (store.open_result, store.status):
            with pytest.raises(StoreError, match=message) as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_where_a_folder_of_results_or_an_unfinished_study_is_named_the_error_says_what_is_there(tmp_path: Path) -> None:
    for name in ("second", "first"):
        store.create(tmp_path / name, manifest(PAIR, 2)).close()
    (tmp_path / "report.html").write_text("x")
    with pytest.raises(StoreError, match=r"is not a result folder of mgsc; it holds results: first, second$"):
        store.census(tmp_path)
    (tmp_path / "slip.json.partial").mkdir()
    with pytest.raises(StoreError, match=r"slip.json is not there yet: .* in .*slip.json.partial$"):
        store.census(tmp_path / "slip.json")


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}, {"append": True}])
def test_a_foreign_folder_is_never_touched(tmp_path: Path, how: dict[str, bool]) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="not a result folder"):
        store.create(tmp_path, manifest(), **how)
    (tmp_path / "manifest.json").write_text('{"name": "some web app"}')
    with pytest.raises(StoreError, match="foreign"):
        store.create(tmp_path, manifest(), **how)
    assert sorted(os.listdir(tmp_path)) == ["manifest.json", "thesis.tex"]


def test_a_file_is_refused_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"is a file|not a directory"):
            store.create(path, manifest())


def test_a_folder_without_write_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may write everywhere; let the system refuse as it would others
        real = os.open

        def refuse(path: str, flags: int, *rest: int, **named: int) -> int:
            if flags & os.O_CREAT and Path(path).parent == tmp_path:
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, flags, *rest, **named)

        monkeypatch.setattr(os, "open", refuse)
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=r"^cannot write in .*: permission denied$"):
        store.create(tmp_path, manifest())


def test_nothing_is_overwritten_silently(result: Path) -> None:
    before = store.open_result(result)
    Path(f"{result}-2").mkdir()  # the folder that is named is free
    ways = rf"use --out {result}-3, --append or --overwrite \(in Python append=True, overwrite=True\)$"
    with pytest.raises(StoreError, match=f"holds a result: {ways}"):
        store.create(result, manifest(PAIR, 2))
    with contextlib.chdir(result), pytest.raises(StoreError, match=rf"use --out {result}-3, "):
        store.create(Path("."), manifest(PAIR, 2))
    with pytest.raises(StoreError, match="exclude each other"):
        store.create(result, manifest(PAIR, 2), overwrite=True, resume=True)
    xr.testing.assert_identical(store.open_result(result), before)


def test_two_runs_cannot_write_one_folder(tmp_path: Path) -> None:
    with (
        store.create(tmp_path, manifest(PAIR, 2)),
        pytest.raises(StoreError, match=rf"another run \(process {os.getpid()}\)"),
    ):
        store.create(tmp_path, manifest(PAIR, 2), resume=True)
    store.create(tmp_path, manifest(PAIR, 2), resume=True).close()


@pytest.mark.parametrize(
    "plan",
    [
        {"settings": {"step_size": float("nan")}},
        {"settings": {"step_size": object()}},
        {"seeds": ()},
        {"agents": ("uniform", "uniform")},
    ],
)
def test_a_plan_must_make_sense(plan: dict[str, object]) -> None:
    sound = {"suite": "s", "settings": {}, "root_seed": 0, "agents": ("uniform",), "seeds": (0,)}
    store.Manifest(**sound)
    with pytest.raises(StoreError):
        store.Manifest(**(sound | plan))


# --- damage ----------------------------------------------------------------------------------


def chunk_files(result: Path) -> Iterator[Path]:
    return (path for path in sorted((result / "data-0001.zarr").rglob("*")) if path.is_file())


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_every_damaged_file_is_seen(result: Path, every: int) -> None:
    """Truncating, changing or losing any one file of the store is an error, never other numbers."""
    before = store.open_result(result)
    consolidated = {".zattrs", ".zarray", ".zgroup"}  # copies: readers use .zmetadata
    damaged = num_changes = 0
    files = [path for path in chunk_files(result) if path.name not in consolidated]
    for path in files[::every]:
        contents = path.read_bytes()
        middle = len(contents) // 2
        flipped = contents[:middle] + bytes([contents[middle] ^ 0x55]) + contents[middle + 1 :]
        for change in (contents[: len(contents) // 2], flipped, None):
            num_changes += 1
            path.unlink() if change is None else path.write_bytes(change)
            try:
                xr.testing.assert_identical(store.open_result(result), before)
            except StoreError as error:
                damaged += str(error).startswith(f"{result} is corrupt") and "\n" not in str(error)
            else:
                assert change == flipped, f"{path} was cut or lost unnoticed"
        path.write_bytes(contents)
    assert damaged >= 0.9 * num_changes, "few bits of a file carry nothing"
    assert num_changes > 50 / every
    xr.testing.assert_identical(store.open_result(result), before)


def test_a_link_that_leads_nowhere_is_seen(result: Path) -> None:
    shutil.rmtree(result / "data-0001.zarr")
    with pytest.raises(StoreError, match=r"data-0001\.zarr, which is missing"):
        store.open_result(result)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"step_size": 0.5', '"step_size": 0.9'), "is damaged"),
        (lambda text: text.replace('"seeds"', '"sedes"'), "is damaged"),
        (lambda text: text.replace('"format_version": 2', '"format_version": 1'), "format 1"),
        (lambda text: text.replace('"format_version": 2', '"format_version": 3'), "format 3"),
    ],
)
def test_a_damaged_manifest_is_seen(result: Path, change: Callable[[str], str], message: str) -> None:
    path = result / "manifest.json"
    path.write_text(change(path.read_text()))
    for use in (store.open_result, store.status, lambda p: store.create(p, manifest())):
        with pytest.raises(StoreError, match=message):
            use(result)


def test_a_damaged_result_can_be_overwritten(result: Path) -> None:
    (result / "data-0001.zarr" / ".zmetadata").unlink()
    with pytest.raises(StoreError, match="corrupt"):
        store.open_result(result)
    published = fill(result, small(), manifest(PAIR, 2), overwrite=True)
    xr.testing.assert_identical(store.open_result(result), published)


# --- small things ----------------------------------------------------------------------------


def test_fingerprints_tell_what_decides_the_numbers() -> None:
    plan = manifest(PAIR, 2)
    same = [manifest(PAIR[::-1], 2), manifest(PAIR, 9), manifest(PAIR, 2, first_seed=5)]
    assert {other.fingerprint("uniform") for other in same} == {plan.fingerprint("uniform")}
    assert plan.fingerprint("uniform") != plan.fingerprint("meta_gradient")
    assert plan.fingerprint("uniform") != manifest(PAIR, 2, steps=7).fingerprint("uniform")


@given(st.sets(st.integers(0, 40), min_size=1))
def test_described_seeds_can_be_read_back(seeds: set[int]) -> None:
    text = describe(tuple(seeds))
    bounds = [[int(end) for end in run.split("–")] for run in text.split(", ")]
    assert {seed for run in bounds for seed in range(run[0], run[-1] + 1)} == seeds
