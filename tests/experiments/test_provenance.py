"""Numbers of another backend, block width or code do not mix; results that do not store them stay readable."""

from __future__ import annotations

import json
import logging
import tarfile
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from tests.experiments.small_tuning import PROTOCOL
from tests.experiments.small_tuning import SUITE as SMALL_SUITE
from tests.experiments.synthetic import PAIR, fill, manifest, small
from tests.quick import compile_quickly

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite, choose_agents, settings_as_dict
from mgsc.experiments.reading import analysis
from mgsc.experiments.running import devices, provenance
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.program import Lane, Program, run_program
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.store.provenance import lacks
from mgsc.experiments.tuning.chosen import load_sweep, tuned_suite
from mgsc.experiments.tuning.file import tune_to_file

OLD = Path(__file__).parent.parent / "data" / "result-0.1.0.tar.gz"
"""``mgsc run tmaze-fixed --agents uniform meta_gradient --seeds 2 --steps 500``, as mgsc 0.1.0 stored it."""

HERE = {"backend": "cpu x86_64 AVX2", "block_width": 16, "code": "0123", "options": {"jax_enable_x64": False}}
CLASSIC = "experiments/classics/program.py"
CPU = jax.local_devices(backend="cpu")[0]


# --- what it is -------------------------------------------------------------------------------


def test_a_result_says_where_its_numbers_come_from(tmp_path):
    suite = change_suite(choose_agents(SMALL_SUITE, ["no_planning"]), {"lanes_per_block": 3})
    result = run_suite("small", suite, Seeds(4), out=tmp_path)
    found = store.manifest_of(result).provenance
    assert found == store.read_manifest(tmp_path).plan.provenance == provenance.provenance(3)
    assert set(found) == {"backend", "block_width", "code", "options"}
    assert found["backend"].startswith(devices.devices()[0].platform)
    assert found["block_width"] == 3
    assert found["code"] == provenance.code_digest()
    assert lacks(store.manifest_of(result)) == ""


def test_options_of_the_compiler_and_of_jax_are_part_of_it(monkeypatch):
    before = provenance.provenance()["options"]
    with jax.enable_x64(True):
        assert provenance.provenance()["options"] == before | {"jax_enable_x64": True}
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x --xla_cpu_max_isa=AVX2")
    assert provenance.provenance()["options"] == before | {"xla_flags": "--xla_cpu_max_isa=AVX2"}


@pytest.mark.parametrize(
    ("file", "decides"),
    [
        ("dyna.py", True),
        ("search_control/uniform.py", True),
        ("new_part.py", True),
        ("experiments/design/agents.py", True),
        ("experiments/running/program.py", True),
        (CLASSIC, False),
        ("experiments/figures/style.py", False),
        ("experiments/store/parts.py", False),
        ("cli.py", False),
        ("version.py", False),
        ("data.json", False),
    ],
)
def test_the_code_is_the_source_that_decides_numbers(tmp_path, monkeypatch, file, decides):
    written = ("dyna.py", "search_control/uniform.py", "experiments/design/agents.py", "experiments/running/run.py")
    for name in (*written, CLASSIC):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\nb\n")
    monkeypatch.setattr(provenance.resources, "files", lambda package: tmp_path)
    digest = provenance.code_digest.__wrapped__
    before, of_classics = digest(), digest((CLASSIC,))
    assert len({before, of_classics}) == 2
    assert len(before) == 16
    (tmp_path / "dyna.py").write_bytes(b"a\r\nb\r\n")
    assert digest() == before, "the ends of lines decide nothing"
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("c\n")
    assert (digest() != before) == decides
    assert (digest((CLASSIC,)) != of_classics) == (decides or file == CLASSIC)


def test_code_that_moves_to_another_file_is_other_code(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance.resources, "files", lambda package: tmp_path)
    for name in ("experiments/design", "experiments/running"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "one.py").write_text("a\n")
    before = provenance.code_digest.__wrapped__()
    (tmp_path / "one.py").rename(tmp_path / "two.py")
    assert provenance.code_digest.__wrapped__() != before


# --- devices and blocks -----------------------------------------------------------------------


def test_the_block_width_is_that_of_the_device():
    assert devices.block_width(CPU) == devices.CPU_WIDTH
    assert devices.block_width(CPU, 5) == 5

    class Accelerator:
        platform = "gpu"

    assert devices.block_width(Accelerator()) == devices.ACCELERATOR_WIDTH
    # What is asked for decides how many lanes are padded; not so on a CPU, or where the suite says how many.
    for lanes, width in ((1, 8), (8, 8), (30, 32), (32, 32), (33, 64), (512, 512)):
        assert devices.padded_width(Accelerator(), lanes) == width
        assert devices.padded_width(CPU, lanes) == devices.CPU_WIDTH
        assert devices.padded_width(Accelerator(), lanes, 24) == 24


@pytest.mark.parametrize("chosen", [CPU, "cpu"])
def test_a_default_device_is_the_one_in_use(chosen, monkeypatch):
    with jax.default_device(chosen):
        assert devices.devices() == [CPU]
        assert set(devices.workers()) == {CPU}
        assert len(devices.workers()) == devices.num_cores()
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
        assert devices.block_width() == devices.CPU_WIDTH


def test_a_suite_may_set_its_block_width():
    suite = change_suite(choose_agents(SMALL_SUITE, ["no_planning"]), {"lanes_per_block": 2})
    program = Program(suite, suite.agents["no_planning"], build_problem(suite), 0)
    program.compile(devices.workers())
    blocks = list(run_program(program, [Lane(seed, {}) for seed in range(5)], lambda steps: None))
    assert [len(block.lanes) for block in blocks] == [2, 2, 1]
    with pytest.raises(UserError, match=r"lanes_per_block is -1: it must be a whole number in \[0, 65536\]"):
        run_suite("small", change_suite(suite, {"lanes_per_block": -1}), Seeds(1))


# --- what does not mix ------------------------------------------------------------------------

OTHERS = [
    ({"backend": "gpu H100"}, "backend: cpu x86_64 AVX2 and gpu H100"),
    ({"block_width": 512}, "block_width: 16 and 512"),
    ({"code": "4567"}, "code: 0123 and 4567"),
    ({"options": {"jax_enable_x64": True}}, "options.jax_enable_x64: False and True"),
]


@pytest.mark.parametrize(("change", "words"), OTHERS)
def test_results_of_another_origin_are_neither_extended_nor_merged(tmp_path, change, words):
    here, there = ({"provenance": found} for found in (HERE, HERE | change))
    one, two = tmp_path / "one", tmp_path / "two"
    fill(one, small(), replace(manifest(PAIR, 2), **here))
    fill(two, small(first_seed=2), replace(manifest(PAIR, 2, first_seed=2), **there))
    words = f"its numbers are of another origin: {words}$"
    with pytest.raises(store.StoreError, match=f"^cannot append to .*: {words}"):
        store.create(one, replace(manifest(PAIR, 2, first_seed=2), **there), append=True)
    with pytest.raises(store.StoreError, match=f"^cannot resume .*: {words}"):
        store.create(one, replace(manifest(PAIR, 2), **there), resume=True)
    with pytest.raises(store.StoreError, match=f"don't merge: {words}"):
        store.merge([one, two], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_merged_result_keeps_its_provenance(tmp_path):
    for number in (0, 2):
        plan = replace(manifest(PAIR, 2, first_seed=number), provenance=HERE)
        fill(tmp_path / str(number), small(first_seed=number), plan)
    merged = store.merge([tmp_path / "0", tmp_path / "2"], tmp_path / "merged")
    assert store.manifest_of(merged).provenance == HERE


# --- results of mgsc 0.1.0 --------------------------------------------------------------------

LACKS = "stored by mgsc 0.1.0: it does not say on which backend, with which block width or by which code"


@pytest.fixture
def old(tmp_path) -> Path:
    with tarfile.open(OLD) as archive:
        # Python 3.11.4 and later have the filter, and from 3.12 on it is asked for.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(tmp_path)
    return tmp_path / "tmaze-fixed"


def new_plan(first: int = 0):
    suite = change_suite(choose_agents(tuned_suite("tmaze-fixed"), ["uniform", "meta_gradient"]), {"steps": 500})
    return suite, Seeds(2, first=first)


def test_an_old_result_is_read_and_says_what_it_lacks(old, caplog):
    with caplog.at_level(logging.WARNING, logger="mgsc"):
        result = store.open_result(old)
    assert [record.getMessage() for record in caplog.records] == [f"mgsc: {old} was {LACKS} it was computed"]
    assert LACKS in store.status(old).message
    assert store.status(old).is_complete
    assert result.agent.values.tolist() == ["uniform", "meta_gradient"]
    # The settings of then are the settings of now.
    suite, _ = new_plan()
    assert store.manifest_of(result).settings == settings_as_dict(suite)
    np.testing.assert_allclose(result.reward.sum("chunk").mean("seed"), [28.0, 29.5])
    assert analysis.compare(result) is not None


@pytest.mark.slow
def test_every_reading_command_takes_an_old_result(old, capsys):
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    figures, page = old.parent / "figures", old.parent / "report.html"
    for command in (
        ["compare", str(old)],
        ["compare", str(old), "--json"],
        ["diagnose", str(old)],
        ["figures", str(old), "--out", str(figures)],
        ["report", str(old), "--out", str(page)],
    ):
        assert cli.main(command) == 0, command
    assert "meta_gradient" in capsys.readouterr().out
    assert len(list(figures.iterdir())) > 4
    assert page.stat().st_size > 10_000
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_an_old_result_is_not_extended(old):
    reason = rf"it was {LACKS} it was computed; run again into another folder, or --overwrite it$"
    suite, seeds = new_plan(first=2)
    with pytest.raises(UserError, match=f"^cannot append to .*: {reason}"):
        run_suite("tmaze-fixed", suite, seeds, out=old, append=True)
    suite, seeds = new_plan()
    with pytest.raises(UserError, match=f"^cannot resume .*: {reason}"):
        run_suite("tmaze-fixed", suite, seeds, out=old, resume=True)
    (old / "data.zarr").unlink()  # as if it had been stopped before it was published
    with pytest.raises(UserError, match=f"^cannot resume .*: {reason}"):
        run_suite("tmaze-fixed", suite, seeds, out=old, resume=True)


@pytest.mark.slow
def test_old_results_merge_with_old_ones_only(old, tmp_path):
    whole = store.open_result(old)
    for seed in (0, 1):
        part = whole.sel(seed=[seed])
        fill(tmp_path / str(seed), part, store.manifest_of(part))
    merged = store.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "merged")
    np.testing.assert_array_equal(merged.reward, whole.reward)
    newer = replace(store.manifest_of(part), versions={"mgsc": "0.2.0"}, provenance=HERE)
    fill(tmp_path / "new", part, newer)
    message = r"another origin: .*versions\.mgsc: 0\.1\.0 and 0\.2\.0"
    with pytest.raises(store.StoreError, match=message):
        store.merge([tmp_path / "0", tmp_path / "new"], tmp_path / "mixed")
    same = replace(newer, versions=store.manifest_of(part).versions)
    fill(tmp_path / "new", part, same, overwrite=True)
    with pytest.raises(store.StoreError, match=r"backend: \(not stored\) and cpu x86_64 AVX2; block_width: \(not"):
        store.merge([tmp_path / "0", tmp_path / "new"], tmp_path / "mixed")


def test_an_old_sweep_is_no_sweep_of_now(tmp_path, monkeypatch):
    compile_quickly(monkeypatch)
    out, whole = tmp_path / "sweep.json", tune_to_file("small", SMALL_SUITE, PROTOCOL, tmp_path / "whole.json")
    old = {key: value for key, value in whole.items() if key != "provenance"}
    old["versions"] = {**whole["versions"], "mgsc": "0.1.0"}
    out.write_text(json.dumps(old))
    assert load_sweep(str(out)) == old
    with pytest.raises(UserError, match=r"versions\.mgsc: 0\.1\.0 and .*; provenance\.backend: \(none\) and cpu"):
        tune_to_file("small", SMALL_SUITE, PROTOCOL, out, resume=True)
    after = tune_to_file("small", choose_agents(SMALL_SUITE, ["uniform"]), PROTOCOL, out, into=True)
    assert "provenance" not in after
    assert after["agents"]["uniform"]["provenance"] == whole["provenance"]
    assert "provenance" not in after["agents"]["no_planning"]
