"""``mgsc reproduce``: which suites it runs, and what it leaves behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.quick import compile_quickly

from mgsc import cli
from mgsc.experiments import reproduce as module
from mgsc.experiments.design.suites import PAPER_SUITES, choose_agents
from mgsc.experiments.tuning.chosen import tuned_suite


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], list(PAPER_SUITES)), (["--suites", "compare-taxi", "tmaze-learned"], ["tmaze-learned", "compare-taxi"])],
)
def test_which_suites_are_run(options, expected, monkeypatch, tmp_path):
    """The paper's, unless others are named."""
    prepared = []

    def stop(name, *rest, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "tuned_suite", lambda name, seeds: prepared.append(name) or tuned_suite(name, seeds))
    monkeypatch.setattr(module, "_run", stop)
    assert cli.main(["reproduce", "--out", str(tmp_path), *options]) != 0
    assert prepared == expected


@pytest.mark.slow
def test_every_suite_has_its_result_table_and_figures_and_all_share_a_report(monkeypatch, tmp_path, capsys):
    compile_quickly(monkeypatch)

    def short(name, seeds):
        suite = choose_agents(tuned_suite(name, seeds), ["uniform", "meta_gradient"])
        return dataclasses.replace(
            suite, steps=500, record_every=250, environment=dataclasses.replace(suite.environment, switch_every=250)
        )

    monkeypatch.setattr(module, "tuned_suite", short)
    command = ["reproduce", "--seeds", "2", "--out", str(tmp_path), "--suites", "tmaze-fixed", "tmaze-learned"]
    assert cli.main(command) == 0
    for name in ("tmaze-fixed", "tmaze-learned"):
        assert "meta_gradient" in (tmp_path / name / "table.md").read_text()
        assert {path.suffix for path in (tmp_path / name / "figures").iterdir()} == {".pdf", ".png"}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".html"}
    assert "report.html" in capsys.readouterr().out
    assert cli.main(command) == 0, "what is there already is taken up"
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_interrupted_while_another_process_draws_it_says_one_line(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mgsc.cli", "reproduce", "--seeds", "1", "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--suites", "tmaze-fixed", "tworooms-fixed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not (out / "tmaze-fixed" / "figures").is_dir():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == cli.EXIT_INTERRUPTED
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "mgsc: interrupted; to go on, give the same command again"
    assert (out / "tmaze-fixed" / "table.md").exists(), "what was begun of the finished suite was ended"
