"""On a real SLURM of two nodes: whatever happens to jobs, every unit is there once, with the bits of this machine.

``make test-cluster`` runs these; they need Debian's packages slurm-wlm and munge, and root.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cluster import parts
from tests.cluster.watching import assert_same, watching
from tests.experiments.small_tuning import PROTOCOL
from tests.experiments.small_tuning import SUITE as TUNED

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.own_strategy import own_strategy
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite
from mgsc.experiments.running.cluster_settings import ClusterSettings
from mgsc.experiments.running.executor import Listener
from mgsc.experiments.running.executors import slurm as slurm_executor
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.running.units import units_of
from mgsc.experiments.tuning.search import tune_suite
from mgsc.search_control.row import NoSettings

pytest.importorskip("submitit", reason="submitit is not installed: `make test-cluster` has it")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
SEEDS = Seeds(8)
NUM_UNITS = 4


@pytest.fixture(scope="module")
def whole():
    """The result of the long suite on this machine."""
    return run_suite("long", parts.LONG, SEEDS)


@pytest.fixture
def jobs(tmp_path):
    """What makes an executor of SLURM, with some settings."""

    def make(**settings):
        return slurm_executor(
            ClusterSettings(**{"workers": 2, "folder": str(tmp_path / "jobs"), "time": 30, **settings})
        )

    return make


@pytest.fixture
def under_way(slurm, tmp_path, jobs):
    """Begins the long suite in a thread; gives what watches it and its future."""
    with ThreadPoolExecutor(1) as pool, watching(tmp_path / "result") as watch:

        def begin(**settings):
            how = {"out": watch.folder, "executor": jobs(**settings)}
            return watch, pool.submit(run_suite, "long", parts.LONG, SEEDS, **how)

        yield begin


def assert_each_once(watch, num_units: int = NUM_UNITS) -> None:
    assert len(watch.parts) == num_units
    assert {len(files) for files in watch.parts.values()} == {1}, "no part is written twice"


def test_a_suite_and_a_tuning_are_those_of_this_machine(slurm, jobs, tmp_path):
    known = run_suite("small", parts.SMALL, Seeds(5))
    given = run_suite("small", parts.SMALL, Seeds(5), out=tmp_path / "result", executor=jobs())
    assert_same(given, known)
    assert not (tmp_path / "jobs").exists(), "nothing stays of jobs that ended well"
    assert tune_suite("small", TUNED, PROTOCOL, executor=jobs()) == tune_suite("small", TUNED, PROTOCOL)


def test_a_worker_is_killed(slurm, whole, under_way):
    watch, future = under_way()
    watch.wait_until(lambda census: census.running and census.total.done, "a unit runs, and one is done")
    (pid, *_) = slurm.workers()
    os.kill(pid, signal.SIGKILL)
    assert_same(future.result(600), whole)
    assert_each_once(watch)


def test_a_node_is_killed(slurm, whole, under_way):
    watch, future = under_way()
    watch.wait_until(lambda census: len(census.running) == 2, "both nodes run")
    slurm.kill_node("node1")
    slurm.wait_for(lambda: slurm.states().get("node1", "").startswith("down"), "node1 to be down", 120)
    slurm.start_node("node1")
    assert_same(future.result(600), whole)
    assert_each_once(watch)
    slurm.wait_for(lambda: set(slurm.states().values()) == {"idle"}, "both nodes to be idle")


@contextlib.contextmanager
def beginning_again(slurm):
    """Checks that a job that was submitted in the block began again in it."""
    before = slurm.restarts()
    yield
    assert any(slurm.restarts()[job] for job in slurm.restarts().keys() - before.keys())


def test_a_job_is_preempted(slurm, whole, under_way):
    with beginning_again(slurm):
        watch, future = under_way()
        watch.wait_until(lambda census: len(census.running) == 2, "both nodes run")
        said = slurm.run("sbatch", "--partition=urgent", "--nodes=2", "--output=/dev/null", "--wrap", "sleep 3")
        assert "Submitted" in said
        assert_same(future.result(600), whole)
    assert_each_once(watch)


@pytest.fixture
def waiting(monkeypatch):
    """What makes a suite of some units that take ``parts.WAIT`` seconds each on a node, and none here."""
    monkeypatch.setenv(parts.DRIVER, str(os.getpid()))

    def of(num_units):
        names = [f"waiting-{number}" for number in range(num_units)]
        agents = {name: own_strategy(name, parts.waiting_on_nodes, NoSettings()) for name in names}
        return dataclasses.replace(parts.SMALL, agents=agents)

    return of


def test_a_job_comes_to_the_end_of_its_time(slurm, jobs, tmp_path, waiting):
    """One worker, two minutes for a job, and units that take longer together but are short alone."""
    suite = waiting(14)
    known = run_suite("waiting", suite, Seeds(2))
    with watching(tmp_path / "result") as watch, beginning_again(slurm):
        how = {"out": watch.folder, "executor": jobs(workers=1, time=2, notice=5)}
        assert_same(run_suite("waiting", suite, Seeds(2), **how), known)
    assert_each_once(watch, 14)


def test_a_unit_that_takes_longer_than_a_job_is_said(slurm, jobs):
    endless = change_suite(parts.LONG, {"steps": 400_000_000})
    with jobs(workers=1, time=1, notice=20).open(Listener()) as session:
        session.submit(units_of(endless, (0,), 0)[0])
        with pytest.raises(UserError, match="no unit of job-1 ended within the 1 minutes of a job: set a longer time"):
            session.finished()


def test_a_users_error_is_raised_and_not_tried_again(slurm, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv(parts.CALLS, str(tmp_path / "calls"))
    monkeypatch.setenv(parts.DRIVER, str(os.getpid()))
    mine = dataclasses.replace(
        parts.SMALL, agents={"mine": own_strategy("mine", parts.refusing_on_nodes, NoSettings())}
    )
    with pytest.raises(UserError, match="this strategy has had enough"):
        run_suite("mine", mine, Seeds(2), out=tmp_path / "result", executor=jobs())
    assert len((tmp_path / "calls").read_text().split()) == 1
    (failed,) = store.census(tmp_path / "result").failed
    assert "has had enough" in failed.reason


def test_a_disk_is_full(slurm, whole, jobs, tmp_path):
    """The result goes to a small disk, which fills up with its parts; on a larger one the run goes on."""
    out = tmp_path / "result"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "none", str(out)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(UserError, match=r"[Nn]o space left on device"):
            run_suite("long", parts.LONG, SEEDS, out=out, executor=jobs())
        assert 0 < store.census(out, is_thorough=True).total.done < SEEDS.count
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        assert_same(run_suite("long", parts.LONG, SEEDS, out=out, resume=True, executor=jobs()), whole)
    finally:
        subprocess.run(["umount", str(out)], check=False)


def test_what_is_cancelled_by_hand_goes_on(slurm, jobs, tmp_path, waiting):
    """More is left to do than fits into the seconds that SLURM gives a cancelled job to end."""
    suite = waiting(6)
    known = run_suite("waiting", suite, Seeds(2))
    with ThreadPoolExecutor(1) as pool, watching(tmp_path / "result") as watch:
        how = {"out": watch.folder, "executor": jobs()}
        future = pool.submit(run_suite, "waiting", suite, Seeds(2), **how)
        watch.wait_until(lambda census: census.running and census.total.done, "a unit runs, and one is done")
        slurm.run("scancel", "--name", "mgsc")
        with pytest.raises(UserError, match=r"job \d+_\d was cancelled; finished parts are kept, go on with --resume"):
            future.result(60)
        slurm.wait_for(lambda: not slurm.run("squeue", "-h").strip(), "no job to be left")
        assert_same(run_suite("waiting", suite, Seeds(2), resume=True, **how), known)
    assert_each_once(watch, 6)


@pytest.fixture
def interruptible():
    """A process that is started in the background of a shell ignores interrupts; this one is not to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_is_interrupted_goes_on(slurm, whole, jobs, tmp_path, interruptible):
    """The driver is interrupted, as by Control-C; its jobs end with it, and threads of this machine do the rest."""
    out = tmp_path / "result"
    with watching(out) as watch:

        def interrupt():
            watch.wait_until(lambda census: census.running and census.total.done, "a unit runs, and one is done")
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run_suite("long", parts.LONG, SEEDS, out=out, executor=jobs())
        thread.join()
        slurm.wait_for(lambda: not slurm.run("squeue", "-h").strip(), "no job to be left")
        assert_same(run_suite("long", parts.LONG, SEEDS, out=out, resume=True), whole)
    assert_each_once(watch)


def test_what_slurm_refuses_is_said(slurm, tmp_path, capsys):
    command = ["run", "tmaze-fixed", "--seeds", "1", "--steps", "500", "--agents", "uniform", "--executor", "slurm"]
    settings = ["--executor-set", "partition=nowhere", "--executor-set", f"folder={tmp_path / 'jobs'}"]
    assert cli.main([*command, *settings, "--out", str(tmp_path / "out")]) == 2
    assert "SLURM refuses the jobs" in capsys.readouterr().err
