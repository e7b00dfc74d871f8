"""Results of the classics are kept, taken up, and never replaced silently."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from tests.experiments.classics.small import SMALL
from tests.quick import compile_quickly

from mgsc.errors import UserError
from mgsc.experiments.classics import runner
from mgsc.experiments.classics.runner import Runs, run_classics
from mgsc.experiments.running.program import Program
from mgsc.experiments.store.resumable import Parts


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    compile_quickly(monkeypatch)


def are_equal(first, second) -> bool:
    return json.dumps(first, default=np.ndarray.tolist) == json.dumps(second, default=np.ndarray.tolist)


def test_a_stopped_run_goes_on_and_a_finished_one_is_taken_up(tmp_path, monkeypatch):
    out, ran, keep = tmp_path / "results.json", [], Parts.keep

    def stopped(parts, entry, rounds):
        if ran:
            raise KeyboardInterrupt
        counted(parts, entry, rounds)

    def counted(parts, entry, rounds):
        ran.append(entry)
        keep(parts, entry, rounds)

    monkeypatch.setattr(Parts, "keep", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_classics(SMALL, Runs(), out)
    assert not out.exists()
    monkeypatch.setattr(Parts, "keep", counted)
    results = run_classics(SMALL, Runs(), out)
    assert len(set(ran)) == len(ran) == 2, "what was finished before the stop is not run again"
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert results["dyna-maze"]["n = 0"]["length"].shape == (3, 2)
    assert are_equal(run_classics(SMALL, Runs(), out), results)
    assert len(ran) == 2, "what is there is taken up"
    assert are_equal(run_classics(SMALL, Runs(), tmp_path / "other.json"), results)


def test_what_differs_in_numbers_only_shares_a_program_and_runs_as_alone(tmp_path, monkeypatch):
    maze = SMALL["dyna-maze"]
    agent = dataclasses.replace(maze.suite.agents["n = 0"], initial_value=1.0)
    other = dataclasses.replace(maze, suite=dataclasses.replace(maze.suite, title="other", agents={"n = 0": agent}))
    compiled, compile_it = [], Program.compile
    monkeypatch.setattr(Program, "compile", lambda program, *rest: (compiled.append(1), compile_it(program, *rest)))
    both = run_classics({"maze": maze, "other": other}, Runs(), tmp_path / "both.json")
    assert len(compiled) == 1
    alone = run_classics({"other": other}, Runs(), tmp_path / "alone.json")
    assert len(compiled) == 2
    assert are_equal(both["other"], alone["other"])
    assert not are_equal(both["other"], both["maze"])


def test_other_settings_are_refused_and_replaced_when_asked_for(tmp_path):
    out = tmp_path / "results.json"
    run_classics(SMALL, Runs(), out)
    before = out.read_bytes()
    shorter = SMALL | {"dyna-maze": dataclasses.replace(SMALL["dyna-maze"], length=1)}
    for classics, runs, word in ((SMALL, Runs(root=5), "root"), (SMALL, Runs(2), "count"), (shorter, Runs(), "length")):
        with pytest.raises(UserError, match=word):
            run_classics(classics, runs, out)
        assert out.read_bytes() == before
    fewer = run_classics(SMALL, Runs(2), out, overwrite=True)
    assert fewer["dyna-maze"]["n = 0"]["length"].shape == (2, 2)
    assert are_equal(run_classics(SMALL, Runs(2), out), fewer)


@pytest.mark.parametrize("contents", ["", "[]", '{"kind": "mgsc study"}'])
def test_what_is_no_result_is_never_replaced(contents, tmp_path):
    out = tmp_path / "results.json"
    out.write_text(contents)
    for overwrite in (False, True):
        with pytest.raises(UserError, match="no file of"):
            run_classics(SMALL, Runs(), out, overwrite=overwrite)
    assert out.read_text() == contents


def test_impossible_seeds_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="at least 1"):
        run_classics(SMALL, Runs(0), tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_results_of_another_origin_are_refused(tmp_path, monkeypatch):
    out = tmp_path / "results.json"
    run_classics(SMALL, Runs(1), out)
    for change in ({"backend": "gpu"}, {"block_width": 512}, {"code": "0123"}):
        ((name, value),) = change.items()
        with monkeypatch.context() as patch:
            here = runner.provenance
            patch.setattr(runner, "provenance", lambda lanes, also: {**here(lanes, also=also), **change})  # noqa: B023
            with pytest.raises(UserError, match=rf"other settings: .*provenance\.{name}: .* and {value}"):
                run_classics(SMALL, Runs(1), out)
