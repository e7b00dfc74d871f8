"""On a real Ray of two nodes on this machine: a worker and a node die, and every unit is there once.

``make test-cluster`` runs these.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cluster import parts
from tests.cluster.watching import assert_same, watching
from tests.experiments.small_tuning import PROTOCOL
from tests.experiments.small_tuning import SUITE as TUNED

from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.own_strategy import own_strategy
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.running.cluster_settings import ClusterSettings
from mgsc.experiments.running.executors import ray as ray_executor
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.tuning.search import tune_suite
from mgsc.search_control.row import NoSettings

pytest.importorskip("ray", reason="ray is not installed: `make test-cluster` has it")
SEEDS = Seeds(8)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def executor(ray_cluster):
    return ray_executor(ClusterSettings(address=ray_cluster.address, workers=2))


@pytest.fixture(scope="module")
def whole():
    return run_suite("long", parts.LONG, SEEDS)


@pytest.fixture
def under_way(executor, tmp_path):
    """Begins the long suite in a thread; gives what watches it and its future."""
    with ThreadPoolExecutor(1) as pool, watching(tmp_path / "result") as watch:
        yield lambda: (watch, pool.submit(run_suite, "long", parts.LONG, SEEDS, out=watch.folder, executor=executor))


def test_a_suite_and_a_tuning_are_those_of_this_machine(executor, tmp_path):
    known = run_suite("small", parts.SMALL, Seeds(5))
    assert_same(run_suite("small", parts.SMALL, Seeds(5), out=tmp_path / "result", executor=executor), known)
    assert tune_suite("small", TUNED, PROTOCOL, executor=executor) == tune_suite("small", TUNED, PROTOCOL)


def test_a_worker_is_killed(whole, under_way):
    watch, future = under_way()
    census = watch.wait_until(lambda census: census.running and census.total.done, "a unit runs, and one is done")
    os.kill(census.running[0].process, signal.SIGKILL)
    assert_same(future.result(400), whole)
    assert len(watch.parts) == 4
    assert {len(files) for files in watch.parts.values()} == {1}


def test_a_node_is_killed(ray_cluster, whole, under_way):
    watch, future = under_way()
    watch.wait_until(lambda census: len(census.running) == 2, "both nodes run")
    ray_cluster.remove_node(ray_cluster.two.pop(), allow_graceful=False)
    assert_same(future.result(400), whole)
    assert {len(files) for files in watch.parts.values()} == {1}
    ray_cluster.two.append(ray_cluster.add_node(num_cpus=1))


def test_a_users_error_is_raised_and_not_tried_again(executor, tmp_path, monkeypatch):
    monkeypatch.setenv(parts.DRIVER, str(os.getpid()))
    agent = own_strategy("mine", parts.refusing_on_nodes, NoSettings())
    mine = dataclasses.replace(parts.SMALL, agents={"mine": agent})
    with pytest.raises(UserError, match="this strategy has had enough"):
        run_suite("mine", mine, Seeds(2), out=tmp_path / "result", executor=executor)
    (failed,) = store.census(tmp_path / "result").failed
    assert "has had enough" in failed.reason


def test_no_cluster_at_an_address_is_said(tmp_path):
    nowhere = ray_executor(ClusterSettings(address="127.0.0.1:1"))
    with pytest.raises(UserError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        run_suite("small", parts.SMALL, Seeds(1), out=tmp_path / "result", executor=nowhere)
