"""Runs that are stopped: nothing a kill leaves passes for a result, and what is done is taken up again."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import xarray as xr
from tests.experiments.kill_server import expected, shorten_contract
from tests.experiments.synthetic import PAIR, fill, manifest, small

import mgsc
from mgsc.experiments import store
from mgsc.experiments.store import IncompleteResultError, StoreError
from mgsc.experiments.store.contract import checksum

NUM_KILLS = 32


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A complete result of two agents and two seeds."""
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    return tmp_path / "result"


def test_a_stopped_run_is_incomplete_and_resumable(tmp_path: Path) -> None:
    with store.create(tmp_path, manifest(PAIR, 2)) as folder:
        folder.write_part("uniform", (0, 1), {"x": np.array([3.0, 4.0])})
    message = r"is incomplete: 2 of 4 runs \(agents × seeds\) are done; give the same `mgsc run` again with --resume"
    with pytest.raises(IncompleteResultError, match=message):
        store.open_result(tmp_path)
    assert store.status(tmp_path).num_finished == 2
    with pytest.raises(StoreError, match=r"holds an unfinished run: use --resume, --out \S+-2 or --overwrite "):
        store.create(tmp_path, manifest(PAIR, 2))
    with store.create(tmp_path, manifest(PAIR, 2), resume=True) as folder:
        assert folder.missing_seeds("uniform") == ()
        assert folder.missing_seeds("meta_gradient") == (0, 1)
        assert folder.gather("uniform")["x"].tolist() == [3.0, 4.0]
        folder.publish(small())
    with store.create(tmp_path, manifest(PAIR, 2), resume=True) as folder:
        assert folder.is_complete


def test_resuming_needs_the_same_plan(tmp_path: Path) -> None:
    store.create(tmp_path, manifest(PAIR, 2)).close()
    for other, message in [
        (manifest(PAIR, 3), "started for seeds 0–1, not 0–2"),
        (manifest(("uniform",), 2), "for agents uniform, meta_gradient, not uniform"),
        (manifest(PAIR, 2, num_planning_updates=6), "shared.num_planning_updates: 5 and 6"),
    ]:
        with pytest.raises(StoreError, match=message):
            store.create(tmp_path, other, resume=True)


def test_parts_of_another_plan_or_damaged_ones_are_not_trusted(tmp_path: Path) -> None:
    with store.create(tmp_path, manifest(PAIR, 2)) as folder:
        for agent in PAIR:
            folder.write_part(agent, (0,), {"x": np.arange(1000.0)[None]})
            folder.write_part(agent, (1,), {"x": np.arange(1000.0)[None]})
    broken = tmp_path / "parts" / "uniform-g1-0.npz"
    contents = bytearray(broken.read_bytes())
    contents[len(contents) // 2] ^= 0xFF
    broken.write_bytes(contents)
    assert store.status(tmp_path).num_finished == 3
    with store.create(tmp_path, manifest(PAIR, 2), resume=True) as folder:
        assert folder.missing_seeds("uniform") == (0,)
    with store.create(tmp_path, manifest(PAIR, 2), overwrite=True) as folder:
        assert folder.finished_parts() == (), "overwriting starts over, with equal settings too"


def test_overwriting_keeps_the_old_result_until_the_new_one_is_there(result: Path) -> None:
    before = store.open_result(result)
    plan = manifest(PAIR, 2, num_planning_updates=50)
    with store.create(result, plan, overwrite=True):
        xr.testing.assert_identical(store.open_result(result), before)
    state = store.status(result)
    assert state.has_result
    assert not state.is_complete
    assert "a run that is to replace it is unfinished: 0 of 4 runs" in state.message
    with store.create(result, plan, resume=True) as folder:
        folder.publish(small())
    assert store.manifest_of(store.open_result(result)) == plan
    assert "data-0002.zarr" in os.listdir(result)
    assert "data-0001.zarr" not in os.listdir(result)


def test_debris_is_ignored_and_cleaned(tmp_path: Path) -> None:
    (tmp_path / ".tmp-manifest.json-0123456789ab").write_text("{")
    (tmp_path / ".lock").write_text("")
    with pytest.raises(IncompleteResultError, match="stopped before it began"):
        store.open_result(tmp_path) if store.status(tmp_path) else None
    with store.create(tmp_path, manifest(PAIR, 2)) as folder:
        (tmp_path / "parts" / ".tmp-uniform-0.npz-0123456789ab").write_text("PK")
        (tmp_path / ".tmp-data-0001.zarr-0123456789ab").mkdir()
        (tmp_path / "data-0001.zarr").mkdir()  # killed between naming the store and its commit
        assert store.status(tmp_path).num_finished == 0
    with store.create(tmp_path, manifest(PAIR, 2), resume=True) as folder:
        folder.publish(small())
    assert sorted(os.listdir(tmp_path)) == [".lock", "data-0001.zarr", "data.zarr", "manifest.json"]


class Crash(BaseException):
    """Stands for a kill: once raised, nothing reaches the disk any more."""


CRASH_POINTS = ("rename", "replace", "symlink", "mkdir", "unlink", "rmdir")


def crash_at(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int, work: Callable[[], object]) -> bool:
    """Does `work` up to its `number`-th change of the folder's names; whether it was stopped."""
    count = 0
    places = (folder, folder / "parts")

    def wrap(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def guarded(*args: object, **named: object) -> object:
            nonlocal count
            target = Path(str(args[0]))
            # Not the folders zarr makes in its own threads, all below a temporary name.
            count += target in places or (target.parent in places and name != "mkdir")
            if count > number:
                raise Crash
            return real(*args, **named)

        return guarded

    with monkeypatch.context() as patch:
        for name in CRASH_POINTS:
            patch.setattr(os, name, wrap(name, getattr(os, name)))
        try:
            work()
        except Crash:
            return True
    return False


def make_writing_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few variables, and nothing flushed: neither changes what a crash leaves."""
    shorten_contract(monkeypatch.setattr)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize("how", ["new", "overwrite", "append"])
def test_a_crash_between_any_two_changes(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every instant: the old result, the new one, or clearly incomplete."""
    make_writing_cheap(monkeypatch)
    base = tmp_path / "base"
    base.mkdir()
    plan, dataset, old = manifest(PAIR, 2, run=1), expected(1, 2), None
    if how != "new":
        old = fill(base, expected(1, 2), plan)
        plan, dataset = manifest(PAIR, 2, run=2), expected(2, 2)
    if how == "append":
        plan, dataset = manifest(PAIR, 2, first_seed=2, run=1), expected(1, 2, first_seed=2)
    asked = {how: True} if how != "new" else {}

    def work(folder_path: Path, **asked: bool) -> None:
        with store.create(folder_path, plan, **asked) as folder:
            if not folder.is_complete:
                folder.write_part("uniform", (plan.seeds[0],), {"x": np.zeros(1)})
                folder.publish(dataset)

    shutil.copytree(base, tmp_path / "done", symlinks=True)
    work(tmp_path / "done", **asked)
    new = store.open_result(tmp_path / "done")
    seen, number, is_stopped = [], 0, True
    while is_stopped:
        path = tmp_path / f"at-{number}"
        shutil.copytree(base, path, symlinks=True)
        is_stopped = crash_at(monkeypatch, path, number, lambda path=path: work(path, **asked))
        seen.append(look(path, old, new))
        if (path / "manifest.json").exists():
            is_begun = store.read_manifest(path).plan.settings["run"] != 1 or how != "overwrite"
            is_begun = is_begun and (how != "append" or len(store.read_manifest(path).plan.seeds) > 2)
            work(path, **({"resume": True} if is_begun else asked))
        else:
            work(path, **asked)
        assert look(path, old, new) == "new"
        shutil.rmtree(path)
        number += 1
    assert number >= 8
    assert seen == sorted(seen, key=["none", "old", "new"].index), "no way back"
    assert set(seen) == ({"none", "new"} if old is None else {"old", "new"})


def look(path: Path, old: xr.Dataset | None, new: xr.Dataset) -> str:
    """Which result the folder offers; anything else than the three fails."""
    if not os.listdir(path):
        return "none"
    try:
        opened = store.open_result(path)
    except IncompleteResultError:
        return "none"
    if old is not None and checksum(opened) == checksum(old):
        return "old"
    assert checksum(opened) == checksum(new)
    return "new"


@pytest.mark.slow
def test_killed_writers_leave_a_result_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signal 9 at random moments of planning, writing parts, publishing, appending, overwriting."""
    make_writing_cheap(monkeypatch)
    directory, chance = tmp_path / "result", random.Random(20240619)
    root = Path(__file__).parents[2]
    paths = [str(root), *(path for path in sys.path if path)]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.experiments.kill_server", str(directory)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server:
        found = []
        for _ in range(NUM_KILLS):
            print(chance.randint(1, 7), chance.uniform(0, 0.05), file=server.stdin, flush=True)
            assert server.stdout.readline() == "killed\n"
            found.append(check_after_kill(directory))
        server.stdin.close()
    numbers = [number for number in found if number is not None]
    assert numbers == sorted(numbers), "an old result came back"
    assert numbers[-1] > 1, "the writers got nowhere"
    plan = store.read_manifest(directory).plan
    with store.create(directory, plan, resume=True) as folder:
        seeds = folder.seeds_to_run
        if not folder.is_complete:
            folder.publish(expected(plan.settings["run"], len(seeds), seeds[0]))
    assert check_after_kill(directory) == plan.settings["run"]
    assert store.status(directory).is_complete


def check_after_kill(directory: Path) -> int | None:
    """Number of the run whose complete result is there; None where clearly nothing is."""
    if not directory.exists() or not os.listdir(directory):
        return None  # killed before it touched anything
    try:
        opened = store.open_result(directory)
    except IncompleteResultError:
        return None
    number = int(store.manifest_of(opened).settings["run"])
    right = expected(number, opened.sizes["seed"]).drop_vars("run_seconds")
    xr.testing.assert_equal(opened.drop_vars("run_seconds"), right)
    return number


def test_issue_an_interrupted_call_in_python_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("mgsc.experiments.running.run._run", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt) as stopped:
        mgsc.run("tmaze-fixed", agents=["uniform"], seeds=1, settings={"steps": 250}, out=tmp_path / "kept")
    (note,) = stopped.value.__notes__
    assert note == f"mgsc: finished runs are kept in {tmp_path / 'kept'}; the same call with resume=True goes on"
