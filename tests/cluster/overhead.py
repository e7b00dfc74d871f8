"""What an executor adds to a unit, and how much faster two workers are than one.

    python -m tests.cluster.overhead slurm|ray|processes|threads [STEPS_OF_A_LONG_UNIT] [LONG_UNITS] [ROUNDS]

SLURM is started for it on this machine, where it can be; see ``slurm_cluster``. One worker and two take turns. Ray's
workers get the priority of the others.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import parts
from tests.cluster.slurm_cluster import two_nodes, why_not

from mgsc.experiments.design.suites import Suite, change_suite
from mgsc.experiments.running.cluster_settings import ClusterSettings
from mgsc.experiments.running.executor import Executor, Listener
from mgsc.experiments.running.executors import PROCESSES, THREADS, ray, slurm
from mgsc.experiments.running.units import units_of

NUM_SHORT = 40


def make(name: str, workers: int, folder: str) -> Executor:
    """An executor with so many workers."""
    if name in ("threads", "processes"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
        return THREADS if name == "threads" else PROCESSES
    settings = ClusterSettings(workers=workers, folder=folder)
    return slurm(settings) if name == "slurm" else ray(settings)


def ends(executor: Executor, suite: Suite, number: int) -> list[float]:
    """When each of so many units of two seeds ended, in seconds since they were submitted, those of a warm-up first."""
    units = units_of(change_suite(suite, {"lanes_per_block": 2}), range(2 * number), 0)
    with executor.open(Listener()) as session:
        began = time.monotonic()
        for unit in units:
            session.submit(unit)
        return [time.monotonic() - began for _ in units if session.finished()]


def report(name: str, steps: int, number: int, rounds: int, folder: str) -> None:
    """Measures and prints."""
    cores = os.sched_getaffinity(0)
    short = ends(make(name, 1, folder), parts.SHORT, NUM_SHORT)
    gaps = sorted(later - sooner for sooner, later in itertools.pairwise(short))
    print(
        f"{name}: first unit after {short[0]:.1f} s, then {(short[-1] - short[0]) / (NUM_SHORT - 1):.3f} s a unit",
        end="",
    )
    print(f" (median {gaps[len(gaps) // 2]:.3f} s) of {parts.SHORT.steps} steps")
    long = change_suite(parts.LONG, {"steps": steps})
    for _ in range(rounds):
        totals = {}
        for workers in (1, 2):
            os.sched_setaffinity(0, cores)
            found = ends(make(name, workers, folder), long, number)
            totals[workers] = found[-1]
            print(
                f"{name}: {number} units of {steps} steps, {workers} workers: {found[-1]:.1f} s, first {found[0]:.1f}"
            )
        print(f"{name}: 2 workers are {totals[1] / totals[2]:.2f} times as fast; load {os.getloadavg()[0]:.1f}")


@contextlib.contextmanager
def cluster(name: str, folder: str) -> Iterator[None]:
    """What the executor needs, while the block runs."""
    if name != "slurm":
        os.environ.setdefault("RAY_worker_niceness", "0")
        yield
        return
    if why_not():
        raise SystemExit(why_not())
    with two_nodes(Path(folder) / "slurm") as found:
        os.environ |= {key: found.environment[key] for key in ("SLURM_CONF", "PATH")}
        yield


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, cluster(sys.argv[1], place):
        steps, number, rounds = map(int, (*sys.argv[2:], *("60000000", "4", "1")[len(sys.argv) - 2 :]))
        report(sys.argv[1], steps, number, rounds, folder=place)
