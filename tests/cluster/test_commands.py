"""The commands `study run` and `reproduce` with every executor: what they publish is what threads publish.

One worker is killed, one driver is stopped; each part is written once, and the same command goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cluster.conftest import ROOT
from tests.cluster.processes import descendants, of_process
from tests.cluster.small_commands import AGENTS, small_suite
from tests.cluster.watching import assert_same, watching

from mgsc import cli
from mgsc.experiments import store
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.studies.commands import ROOT_SEED, get_study
from mgsc.experiments.studies.runner import run_study

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

STUDY = ("study", "run", "mixture", "--seeds", "5", "--steps", "100000")
"""Six units of two programs, 14 entries."""

REPRODUCE = ("reproduce", "--suites", "tmaze-fixed", "--seeds", "6")
"""Three units of each agent."""


class Place(NamedTuple):
    """Where units run.

    Attributes:
        name: of the executor.
        options: of a command.
        workers: the processes that run units now, of the driver with this number.
    """

    name: str
    options: tuple[str, ...]
    workers: Callable[[int], list[int]]


class Command:
    """A command of mgsc that runs."""

    def __init__(self, arguments: tuple[str, ...], log: Path) -> None:
        self._log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.small_commands", *arguments],
                cwd=log.parent,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait(self, patience: float = 700) -> tuple[int, str]:
        """Its exit status, and what it has said."""
        return self.process.wait(patience), self._log.read_text()

    def wait_until(self, is_so: Callable[[], object], patience: float = 300) -> None:
        """Waits until something is so while the command runs."""
        until = time.monotonic() + patience
        while not is_so():
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.02)

    def end(self) -> None:
        """Ends it if a test has failed."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def begin(tmp_path):
    """Begins a command in a folder of its own."""
    begun = []

    def of(*arguments: str) -> Command:
        begun.append(Command(arguments, tmp_path / "log"))
        return begun[-1]

    yield of
    for command in begun:
        command.end()


@pytest.fixture(scope="module")
def known_study(tmp_path_factory):
    """The file of the study that threads of this process write."""
    out = tmp_path_factory.mktemp("known") / "mixture.json"
    run_study("mixture", get_study("mixture"), Seeds(5, ROOT_SEED), out, steps=100_000)
    return out.read_bytes()


@pytest.fixture(scope="module")
def known_result():
    """The result that threads of this process compute."""
    seeds = Seeds(6)
    return run_suite("tmaze-fixed", small_suite("tmaze-fixed", seeds), seeds)


@pytest.fixture(params=["slurm", "ray", "processes"])
def place(request, tmp_path):
    if request.param == "slurm":
        pytest.importorskip("submitit", reason="submitit is not installed: `make test-cluster` has it")
        slurm = request.getfixturevalue("slurm")
        settings, workers = ("workers=2", "time=30", f"folder={tmp_path / 'jobs'}"), lambda driver: slurm.workers()
    elif request.param == "ray":
        pytest.importorskip("ray", reason="ray is not installed: `make test-cluster` has it")
        cluster = request.getfixturevalue("ray_cluster")
        settings, workers = (f"address={cluster.address}",), lambda driver: running(os.getpid(), b"ray::work")
    else:
        settings, workers = (), lambda driver: running(driver, b"multiprocessing.spawn")
    options = [word for setting in settings for word in ("--executor-set", setting)]
    return Place(request.param, ("--executor", request.param, *options), workers)


def running(ancestor: int, word: bytes) -> list[int]:
    """The descendants of a process with a word in their command line."""
    return sorted(pid for pid in descendants(ancestor) if word in of_process(pid, "cmdline"))


def killed_one(workers: list[int]) -> bool:
    """Kills the first that is still there; a worker of Ray may have ended meanwhile."""
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def assert_each_once(watch) -> None:
    assert watch.parts
    assert {len(files) for files in watch.parts.values()} == {1}, "no part is written twice"


def test_a_study_goes_on_when_a_worker_is_killed(place, known_study, begin, tmp_path):
    """Clusters begin its units again; the executor `processes` stops in words, and the same command goes on."""
    command = (*STUDY, "--out", str(tmp_path), *place.options)
    with watching(tmp_path, "mixture.json.partial/*.json") as watch:
        first = begin(*command)
        first.wait_until(lambda: watch.parts and killed_one(place.workers(first.process.pid)))
        status, said = first.wait()
        if place.name == "processes":
            assert status == cli.EXIT_USER_ERROR
            assert "was ended by signal 9" in said
            status, said = begin(*command, "--resume").wait()
        assert status == 0, said
    assert_each_once(watch)
    assert (tmp_path / "mixture.json").read_bytes() == known_study


def test_reproduce_goes_on_by_the_same_command_when_its_driver_is_stopped(place, known_result, begin, tmp_path):
    command = (*REPRODUCE, "--out", str(tmp_path / "out"), *place.options)
    with watching(tmp_path / "out" / "tmaze-fixed") as watch:
        first = begin(*command)
        first.wait_until(lambda: watch.parts)
        first.process.send_signal(signal.SIGTERM)
        status, said = first.wait()
        assert status == 128 + signal.SIGTERM, said
        assert said.splitlines()[-1] == "mgsc: stopped by SIGTERM; to go on, give the same command again"
        assert 0 < store.census(tmp_path / "out" / "tmaze-fixed").total.done < 6 * len(AGENTS)
        status, said = begin(*command).wait()
        assert status == 0, said
    assert_each_once(watch)
    assert len(watch.parts) == 3 * len(AGENTS)
    assert_same(store.open_result(tmp_path / "out" / "tmaze-fixed"), known_result)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "tmaze-fixed"}
