"""Several processes run shares of one suite, tuning or study; what is done, runs, has failed or is missing is said."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.cluster import many_units
from tests.experiments.small_tuning import PROTOCOL, tune
from tests.experiments.small_tuning import SUITE as TUNED
from tests.experiments.studies.small_studies import NAME, SEEDS, SMALL

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite, choose_agents
from mgsc.experiments.reading import census_text
from mgsc.experiments.running import units
from mgsc.experiments.running.run import run_share, run_suite
from mgsc.experiments.running.share import Share
from mgsc.experiments.store import marks
from mgsc.experiments.store.part_place import PartPlace
from mgsc.experiments.studies.runner import run_study, run_study_share
from mgsc.experiments.tuning.file import tune_share

SUITE = change_suite(TUNED, {"lanes_per_block": 2, "planning_updates": 1})
PLAN = store.Manifest("small", {"agents": {}}, 0, ("no_planning", "uniform"), (0, 1, 2, 3))


@pytest.mark.parametrize(("index", "of"), [(0, None), (None, 2), (2, 2), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(index, of):
    with pytest.raises(UserError, match=r"^--(index|of) "):
        Share.of_options(index, of)


def test_shares_hold_every_item_once_and_neighbours_together():
    assert Share.of_options(None, None) is None
    items = list(range(11))
    taken = [Share(index, 4).take(items) for index in range(4)]
    assert [item for share in taken for item in share] == items
    assert {len(share) for share in taken} == {2, 3}
    assert [Share(index, 3).take([7]) for index in range(3)] == [[], [], [7]]


@pytest.fixture
def one_agent():
    return choose_agents(SUITE, ["no_planning"])


def together(*works) -> list[object]:
    """What pieces of work give that run at the same time."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def test_shares_of_a_suite_run_side_by_side_and_make_one_result(tmp_path, monkeypatch, one_agent):
    whole = run_suite("small", one_agent, Seeds(3))
    write, met = PartPlace.write, threading.Barrier(2, timeout=100)
    both = threading.Barrier(2, timeout=100)

    def meet_and_write(self, seeds, arrays):
        if seeds[0] in (0, 2):  # the first of either share: both run, and neither holds the folder
            met.wait()
        return write(self, seeds, arrays)

    def run(index):
        both.wait()
        return run_share("small", one_agent, Seeds(3), share=Share(index, 2), out=tmp_path / "result")

    monkeypatch.setattr(PartPlace, "write", meet_and_write)
    found = together(lambda: run(0), lambda: run(1))
    assert any(result is not None for result in found), "the last one publishes"
    given = store.open_result(tmp_path / "result")
    for name in set(whole.variables) - {"compile_seconds", "run_seconds"}:
        np.testing.assert_array_equal(given[name], whole[name], err_msg=name)
    assert sorted(os.listdir(tmp_path / "result")) == [".lock", "data-0001.zarr", "data.zarr", "manifest.json"]
    again = run_share("small", one_agent, Seeds(3), share=Share(0, 2), out=tmp_path / "result")
    np.testing.assert_array_equal(again["reward"], whole["reward"])
    with pytest.raises(store.StoreError, match="started for seeds 0–2, not 0–3"):
        run_share("small", one_agent, Seeds(4), share=Share(0, 2), out=tmp_path / "result")


def test_a_share_that_is_missing_keeps_the_result_open(tmp_path, one_agent):
    assert run_share("small", one_agent, Seeds(3), share=Share(1, 2), out=tmp_path) is None
    census = store.census(tmp_path)
    assert census.agents == {"no_planning": store.Counts(done=1, running=0, failed=0, missing=2)}
    assert run_share("small", one_agent, Seeds(3), share=Share(1, 2), out=tmp_path) is None, "nothing to do"
    assert store.census(tmp_path, is_thorough=True) == census
    assert run_share("small", one_agent, Seeds(3), share=Share(0, 2), out=tmp_path)["seed"].size == 3
    done = store.census(tmp_path)
    assert (done.state.is_complete, done.total) == (True, store.Counts(3, 0, 0, 0))


def test_shares_of_a_tuning_make_the_sweep_of_one(tmp_path):
    def part(index):
        out = tmp_path / "parts.json"
        return tune_share("tmaze-fixed", TUNED, PROTOCOL, out, share=Share(index, 2))

    assert part(1) is None
    assert not (tmp_path / "parts.json").exists()
    assert (part(0), part(1)) == (tune(tmp_path / "whole.json"),) * 2
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.json", "whole.json"]


@pytest.mark.slow
def test_shares_of_a_tuning_at_the_same_time(tmp_path):
    def part(index):
        return tune_share("tmaze-fixed", TUNED, PROTOCOL, tmp_path / "parts.json", share=Share(index, 3))

    together(*(lambda index=index: part(index) for index in range(3)))
    tune(tmp_path / "whole.json")
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.slow
def test_shares_of_a_study_make_the_summary_of_one(tmp_path):
    def part(index):
        return run_study_share(NAME, SMALL, SEEDS, tmp_path / "parts.json", share=Share(index, 2))

    found = together(lambda: part(0), lambda: part(1))
    assert any(summary is not None for summary in found)
    whole = run_study(NAME, SMALL, SEEDS, tmp_path / "whole.json")
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert part(0) == whole


def test_shares_neither_replace_nor_extend(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command, words in [
        (["run", "tmaze-fixed", "--index", "0"], "--index I and --of N go together"),
        (["run", "tmaze-fixed", "--index", "2", "--of", "2"], "must be in [0, 1]"),
        (["run", "tmaze-fixed", "--index", "0", "--of", "2", "--overwrite"], "--overwrite is for all shares at once"),
        (["run", "tmaze-fixed", "--index", "0", "--of", "2", "--append"], "--append is for all shares at once"),
        (["tune", "tmaze-fixed", "--index", "0", "--of", "2", "--into", "x.json"], "--into is for all shares at once"),
        (["study", "run", "slip", "--of", "2"], "--index I and --of N go together"),
    ]:
        assert cli.main(command) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- what is under way ------------------------------------------------------------------------


@pytest.fixture
def begun(tmp_path):
    """A folder in which some runs are done, and its places by agent."""
    with store.create(tmp_path, PLAN) as folder:
        folder.write_part("uniform", (0, 1), {"x": np.zeros(2)})
        return tmp_path, {agent: folder.place(agent) for agent in PLAN.agents}


def test_status_tells_what_runs_and_what_has_failed(begun, capsys):
    folder, places = begun
    with pytest.raises(ZeroDivisionError), marks.marked(places["uniform"], (2, 3)):
        1 // 0  # noqa: B018
    with marks.marked(places["no_planning"], (0, 1)):
        census = store.census(folder)
        assert cli.main(["status", str(folder)]) == 0
        shown = capsys.readouterr().out
    assert census.agents["uniform"] == store.Counts(done=2, running=0, failed=2, missing=0)
    assert census.agents["no_planning"] == store.Counts(done=0, running=2, failed=0, missing=2)
    (running,), (failed,) = census.running, census.failed
    assert (running.name, running.host, running.process) == ("no_planning-0", socket.gethostname(), os.getpid())
    assert (failed.name, failed.reason) == ("uniform-2", "integer division or modulo by zero")
    assert "1 // 0" in Path(failed.log).read_text()
    for words in ("2 of 8 runs", "running: no_planning-0 (2 seeds)", "failed: uniform-2 (2 seeds)", failed.log):
        assert words in shown
    assert cli.main(["status", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["total"] == {"done": 2, "running": 0, "failed": 2, "missing": 4}, "it has ended meanwhile"
    assert [unit["unit"] for unit in answer["failed"]] == ["uniform-2"]


def test_what_failed_is_run_again_and_nothing_of_it_stays(begun):
    folder, places = begun
    marks.keep_failure(places["uniform"], (2, 3), "a worker died", "its log")
    with store.create(folder, PLAN, resume=True) as taken_up:
        assert taken_up.missing_seeds("uniform") == (2, 3)
        with marks.marked(places["uniform"], (2, 3)):
            assert not store.census(folder).failed
            places["uniform"].write((2, 3), {"x": np.zeros(2)})
    assert sorted(os.listdir(folder / "parts")) == ["uniform-g1-0.npz", "uniform-g1-2.npz"]


def test_a_mark_of_the_dead_is_none(begun, monkeypatch):
    folder, places = begun
    path = marks.mark_path(places["uniform"], (2, 3))
    mark = marks.Mark("running", "uniform", (2, 3), "elsewhere", 1, time.time())
    for change, runs in [
        ({}, True),
        ({"host": socket.gethostname(), "process": 2**31 - 1}, False),
        ({"process": 0}, False),
        ({"seeds": ()}, False),
        ({"reason": "\x1b[2J"}, False),
        ({"agent": "nobody"}, False),
        ({"seeds": (77,)}, False),
    ]:
        marks._write(path, dataclasses.replace(mark, **change))
        assert bool(store.census(folder).running) == runs, change
    marks._write(path, mark)
    os.utime(path, (0, time.time() - 2 * marks.LATE))
    assert store.census(folder).total == store.Counts(done=2, running=0, failed=0, missing=6)
    path.write_text("{")
    assert not store.census(folder).running


def test_marks_go_with_their_plan(begun):
    folder, places = begun
    marks.keep_failure(places["uniform"], (2, 3), "a worker died", "its log")
    (folder / "parts" / "notes.log").write_text("mine")
    store.create(folder, PLAN, overwrite=True).close()
    assert sorted(os.listdir(folder / "parts")) == ["notes.log"]
    assert not store.census(folder).failed


def test_a_mark_is_touched_and_hinders_nothing(begun, monkeypatch):
    folder, places = begun
    monkeypatch.setattr(marks, "BEAT", 0.01)
    path = marks.mark_path(places["uniform"], (2, 3))
    with marks.marked(places["uniform"], (2, 3)):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:
            time.sleep(0.01)
    assert not path.exists()
    lost = PartPlace(str(folder / "nowhere"), "uniform", 1, "")
    with marks.marked(lost, (0,)):
        pass
    with pytest.raises(KeyboardInterrupt), marks.marked(places["uniform"], (2, 3)):
        raise KeyboardInterrupt
    assert not path.exists(), "who is stopped has not failed"


def test_a_part_whose_half_was_removed_is_written_again(begun, monkeypatch):
    """Who takes the folder up removes what is half-written there, whoever writes it."""
    folder, places = begun
    replace, removed = os.replace, []

    def remove_first(source, target):
        if not removed:
            removed.append(os.unlink(source))
        return replace(source, target)

    monkeypatch.setattr(os, "replace", remove_first)
    places["uniform"].write((2, 3), {"x": np.ones(2)})
    assert removed
    assert store.census(folder, is_thorough=True).agents["uniform"].done == 4


def test_a_unit_that_fails_leaves_its_reason(tmp_path, monkeypatch, one_agent):
    def fail(*arguments):
        raise UserError("no more of this")

    monkeypatch.setattr(units.Programs, "compiled", fail)
    with pytest.raises(UserError, match="no more"):
        run_suite("small", one_agent, Seeds(2), out=tmp_path)
    census = store.census(tmp_path)
    assert census.total.failed == 2
    assert "no more of this" in census_text.to_text(census)


def test_status_of_many_units_shows_the_first(begun):
    folder, _ = begun
    few = store.census(folder)
    many = tuple(marks.Mark("failed", "uniform", (seed,), "node", 1, 0.0, "a worker died") for seed in range(100))
    text = census_text.to_text(dataclasses.replace(few, failed=many))
    assert text.count("failed: uniform-") == census_text.MOST_UNITS
    assert "… and 80 more failed: see --json" in text


def test_the_simulated_store_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", os.fsync)  # which making it replaces
    many_units.make(tmp_path, 80)
    total = store.census(tmp_path, is_thorough=True).total
    assert total == store.Counts(done=50, running=0, failed=10, missing=20)
