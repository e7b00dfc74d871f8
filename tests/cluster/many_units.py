"""A simulated result folder of very many units, and what reading it costs.

python -m tests.cluster.many_units make FOLDER [UNITS]
python -m tests.cluster.many_units measure -- mgsc status FOLDER
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mgsc.experiments import store
from mgsc.experiments.store import marks

NUM_AGENTS = 10
NUM_ARRAYS = 20
NUM_CHUNKS = 10
EVERY = {"failed": 1000, "missing": 7}
"""Of this many units one has failed, or is missing."""


def plan_of(num_units: int) -> store.Manifest:
    """One seed to a unit."""
    agents = tuple(f"agent_{number}" for number in range(NUM_AGENTS))
    return store.Manifest("simulated", {"agents": {}}, 0, agents, tuple(range(num_units // NUM_AGENTS)))


def make(directory: Path, num_units: int = 100_000) -> None:
    """Plans a run of so many units and writes most of their parts."""
    plan = plan_of(num_units)
    os.fsync = lambda descriptor: None  # nothing depends on it here, and it is most of the time
    arrays = {f"measure_{number}": np.zeros((1, NUM_CHUNKS), np.float32) for number in range(NUM_ARRAYS)}
    with store.create(directory, plan) as folder:
        for agent in plan.agents:
            place = folder.place(agent)
            for seed in plan.seeds:
                if seed % EVERY["failed"] == 1:
                    marks.keep_failure(place, (seed,), "simulated failure", "simulated log")
                elif seed % EVERY["missing"]:
                    place.write((seed,), arrays)


def measure(command: list[str]) -> None:
    """Runs a command and says its seconds and its largest memory."""
    began = time.monotonic()
    subprocess.run(command, check=True)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), *map(int, sys.argv[3:4]))
    else:
        measure(sys.argv[3:])
