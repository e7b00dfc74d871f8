"""A simulated result folder of very many units, and what reading it costs.

python -m tests.cluster.many_units make FOLDER [UNITS]
python -m tests.cluster.many_units publish FOLDER SEEDS FIRST_SEED
python -m tests.cluster.many_units measure -- mgsc status FOLDER
"""

from __future__ import annotations

import dataclasses
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
AGENTS = ("uniform", "meta_gradient")
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


def publish(directory: Path, num_seeds: int, first_seed: int) -> None:
    """Publishes a result of so many seeds of ten agents: those of a few made-up seeds, again and again with noise."""
    from tests.experiments.synthetic import manifest, synthetic

    agents = (*AGENTS, *(f"agent_{number}" for number in range(NUM_AGENTS - len(AGENTS))))
    few = synthetic(agents, num_seeds=10, num_chunks=20, period=2500)
    seeds = np.arange(first_seed, first_seed + num_seeds)
    many = few.isel(seed=np.arange(num_seeds) % 10).assign_coords(seed=seeds)
    random = np.random.default_rng(first_seed)
    noisy = {  # what repeats itself would be packed so well that readers take it for an attack
        name: entry + random.normal(scale=0.1, size=entry.shape).astype(entry.dtype)
        for name, entry in many.data_vars.items()
        if "seed" in entry.dims and entry.dtype.kind == "f"
    }
    plan = dataclasses.replace(manifest(agents, num_seeds, first_seed), provenance={"backend": "simulated"})
    with store.create(directory, plan) as folder:
        folder.publish(many.assign(noisy))


def measure(command: list[str]) -> None:
    """Runs a command and says its seconds and its largest memory."""
    began = time.monotonic()
    subprocess.run(command, check=True)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "make":
        make(Path(sys.argv[2]), *map(int, sys.argv[3:4]))
    else:
        measure(sys.argv[3:])
