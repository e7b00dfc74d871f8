"""Results put together: seeds appended, folders merged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.experiments import store
from mgsc.experiments.store import StoreError
from mgsc.experiments.store.contract import SUMMED


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A complete result of two agents and two seeds."""
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    return tmp_path / "result"


def replace(out: Path) -> str:
    """What a command advises that finds something at ``out``."""
    return f"use --out {out}-2 or --overwrite (in Python overwrite=True)"


def test_appending_seeds_equals_running_them_at_once(result: Path) -> None:
    fill(result, small(first_seed=2), manifest(PAIR, 2, first_seed=2), append=True)
    appended = store.open_result(result)
    numbers, at_once = appended.drop_vars(SUMMED), small(num_seeds=4).drop_vars(SUMMED)
    xr.testing.assert_equal(numbers, at_once)
    assert store.manifest_of(appended).seeds == (0, 1, 2, 3)
    assert appended.run_seconds.values == pytest.approx([0.04, 0.04])
    with pytest.raises(StoreError, match="already holds seeds 3"):
        store.create(result, manifest(PAIR, 2, first_seed=3), append=True)
    more = manifest(PAIR, 2, first_seed=9, num_planning_updates=1)
    with pytest.raises(StoreError, match=r"shared\.num_planning_updates: 5 and 1"):
        store.create(result, more, append=True)
    with pytest.raises(StoreError, match="for agents uniform, meta_gradient, not uniform"):
        store.create(result, manifest(("uniform",), 2, first_seed=9), append=True)


def test_an_unfinished_append_leaves_the_result_as_it_was(result: Path) -> None:
    before = store.open_result(result)
    more = manifest(PAIR, 2, first_seed=2)
    with store.create(result, more, append=True) as folder:
        assert folder.seeds_to_run == (2, 3)
        folder.write_part("uniform", (2, 3), {"x": np.zeros(2)})
    xr.testing.assert_identical(store.open_result(result), before)
    assert "to extend it is unfinished: 2 of 4 runs" in store.status(result).message
    with pytest.raises(StoreError, match="use --resume before --append"):
        store.create(result, more, append=True)
    with store.create(result, more, resume=True) as folder:
        assert folder.missing_seeds("meta_gradient") == (2, 3)
        folder.publish(small(first_seed=2))
    assert store.open_result(result).sizes["seed"] == 4


@pytest.mark.slow
def test_a_grid_of_folders_merges_into_the_whole(tmp_path: Path) -> None:
    """Two agents and two ranges of seeds, each run by itself, as on a cluster."""
    paths = []
    for first_seed in (2, 0):
        for agent in PAIR:
            paths.append(tmp_path / f"{agent}-{first_seed}")
            plan = manifest((agent,), 2, first_seed=first_seed)
            fill(paths[-1], small((agent,), first_seed=first_seed), plan)
    merged = store.merge(paths, tmp_path / "merged")
    xr.testing.assert_identical(store.open_result(tmp_path / "merged"), merged)
    xr.testing.assert_equal(merged.drop_vars(SUMMED), small(num_seeds=4).drop_vars(SUMMED))
    assert merged.compile_seconds.values.tolist() == [3.0, 3.0]
    assert store.manifest_of(merged) == manifest(PAIR, 4)


def test_what_does_not_fit_is_not_merged(result: Path, tmp_path: Path) -> None:
    def other(name: str, dataset: xr.Dataset, plan: store.Manifest) -> Path:
        fill(tmp_path / name, dataset, plan)
        return tmp_path / name

    later = small(first_seed=2)
    shifted = later.assign(optimal_reward=later.optimal_reward + 1)
    slow = manifest(PAIR, 2, first_seed=2, num_planning_updates=1)
    for path, message in [
        (other("twice", small(), manifest(PAIR, 2)), "seeds 0–1 of .* are there twice"),
        (other("settings", later, slow), "num_planning_updates: 5 and 1"),
        (other("world", shifted, manifest(PAIR, 2, 2)), "optimal_reward differs"),
        (other("part", small(("uniform",)), manifest(("uniform",), 2)), "uniform: there twice"),
        (other("ragged", small(("replay",), 3), manifest(("replay",), 3)), "seeds 0–1, but"),
        (result, "same folder"),
    ]:
        with pytest.raises(StoreError, match=message):
            store.merge([result, path], tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(StoreError, match="at least two"):
        store.merge([result], tmp_path / "out")


# --- merges that are stopped ------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Two results that fit together."""
    for first_seed in (0, 2):
        fill(tmp_path / f"m{first_seed}", small(first_seed=first_seed), manifest(PAIR, 2, first_seed=first_seed))
    return [str(tmp_path / "m0"), str(tmp_path / "m2")]


def stop_merging(sources: list[str], out: Path, monkeypatch: pytest.MonkeyPatch, **how: bool) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store.ResultFolder, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            store.merge(sources, out, **how)


def test_issue_a_stopped_merge_is_done_again_by_the_same_command(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "both"
    stop_merging(sources, out, monkeypatch)
    assert "again" in store.status(out).message
    assert "--resume" not in store.status(out).message, "merge has no such option"
    assert cli.main(["merge", *sources, "--out", str(out)]) == 0
    assert store.status(out).is_complete
    xr.testing.assert_equal(store.open_result(out).drop_vars(SUMMED), small(num_seeds=4).drop_vars(SUMMED))


def test_issue_a_merge_that_was_killed_after_its_last_write_is_done_again(
    sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    before = store.merge(sources, out)
    (out / "parts").mkdir()  # as it is before the folder is tidied
    assert cli.main(["merge", *sources, "--out", str(out)]) == 0
    xr.testing.assert_identical(store.open_result(out), before)
    assert not (out / "parts").exists()


def test_a_finished_result_of_something_else_is_not_merged_into(
    sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    for begun in ("another merge", "a run"):
        if begun == "a run":
            fill(out, small(num_seeds=4), manifest(PAIR, 4), overwrite=True)
        else:
            fill(tmp_path / "m4", small(first_seed=4), manifest(PAIR, 2, first_seed=4))
            store.merge([*sources, str(tmp_path / "m4")], out)
        capsys.readouterr()
        assert cli.main(["merge", *sources, "--out", str(out)]) == 2
        assert capsys.readouterr().err == f"mgsc: {out} holds a result: {replace(out)}\n"


def test_issue_another_merge_or_run_is_replaced_when_asked_only(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    for begin in ("another merge", "a run"):
        if begin == "a run":
            store.create(out, manifest(PAIR, 4), overwrite=True).close()
        else:
            fill(tmp_path / "m4", small(first_seed=4), manifest(PAIR, 2, first_seed=4))
            stop_merging([*sources, str(tmp_path / "m4")], out, monkeypatch)
        assert cli.main(["merge", *sources, "--out", str(out)]) == 2
        noun = "merge" if begin == "another merge" else "run"
        assert capsys.readouterr().err == f"mgsc: {out} holds an unfinished {noun}: {replace(out)}\n"
        assert cli.main(["merge", *sources, "--out", str(out), "--overwrite"]) == 0
        assert store.open_result(out).sizes["seed"] == 4
        capsys.readouterr()


def test_a_stopped_merge_that_is_to_replace_a_result_leaves_it_and_goes_on(
    sources: list[str], result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.open_result(result)
    stop_merging(sources, result, monkeypatch, overwrite=True)
    xr.testing.assert_identical(store.open_result(result), before)
    assert "a merge that is to replace it is unfinished" in store.status(result).message
    store.merge(sources, result)
    assert store.open_result(result).sizes["seed"] == 4


def test_a_manifest_that_does_not_say_who_began_it_is_of_a_run(result: Path) -> None:
    path = result / "manifest.json"
    contents = json.loads(path.read_text())
    assert contents.pop("begun_by") == "run"
    del contents["checksum"]  # as in mgsc 0.1.0
    path.write_text(json.dumps(contents))
    assert store.read_manifest(result).begun_by == "run"
