"""A process that starts writers of a result folder and kills them; `test_store` talks to it.

It imports once and forks, so that a kill costs milliseconds. Each line of input, "EVENTS DELAY",
forks a writer, waits until the writer has begun EVENTS things, sleeps DELAY seconds, and kills it
with signal 9. The answer is one line: "killed", or what the writer died of by itself.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

import numpy as np
import xarray as xr
import zarr  # noqa: F401, imported before forking
from tests.experiments.synthetic import PAIR, manifest, synthetic

from mgsc.experiments import store
from mgsc.experiments.store import contract

SEEDS_AT_MOST = 6


def expected(run: int, num_seeds: int, first_seed: int = 0) -> xr.Dataset:
    """The result of a run; every number of it tells which run it is of.

    Few variables, since kills and crashes are many: see `shorten_contract`.
    """
    dataset = synthetic(PAIR, num_seeds, num_chunks=4, period=500, first_seed=first_seed)
    values = 1000.0 * run + dataset.seed + dataset.step / 1000
    dataset = dataset.assign(reward=dataset.reward * 0 + values)[[*VARIABLES]]
    return dataset.drop_vars([name for name in dataset.coords if name not in COORDINATES])


VARIABLES = {name: contract.VARIABLES[name] for name in ("reward", "optimal_reward", "run_seconds")}
COORDINATES = {name: contract.COORDINATES[name] for name in ("agent", "seed")}


def shorten_contract(set_attribute: Callable[[object, str, object], None] = setattr) -> None:
    """Makes the store ask for a few variables only; most of its time goes by their number."""
    set_attribute(contract, "variables_of", lambda has: VARIABLES)
    set_attribute(contract, "coordinates_of", lambda has: COORDINATES)


def next_run(directory: str) -> store.ResultFolder:
    """Takes up what was stopped; otherwise appends seeds or, when there are many, starts over."""
    if not os.path.exists(f"{directory}/manifest.json"):
        return store.create(directory, manifest(PAIR, 2, run=1))
    plan = store.read_manifest(directory).plan
    if not store.status(directory).is_complete:
        return store.create(directory, plan, resume=True)
    number = int(plan.settings["run"])
    if len(plan.seeds) < SEEDS_AT_MOST:
        further = manifest(PAIR, 2, first_seed=len(plan.seeds), run=number)
        return store.create(directory, further, append=True)
    return store.create(directory, manifest(PAIR, 2, run=number + 1), overwrite=True)


def write_on(directory: str, begun: int) -> None:
    """Runs, appends and overwrites for ever, telling through the pipe `begun` what it begins."""
    while True:
        os.write(begun, b".")
        with next_run(directory) as folder:
            plan, seeds = folder.manifest, folder.seeds_to_run
            dataset = expected(int(plan.settings["run"]), len(seeds), seeds[0])
            for agent in plan.agents:
                for seed in folder.missing_seeds(agent):
                    os.write(begun, b".")
                    reward = dataset.reward.sel(agent=agent, seed=[seed]).values
                    folder.write_part(agent, (seed,), {"reward": reward})
            rewards = [folder.gather(agent)["reward"] for agent in plan.agents]
            os.write(begun, b".")
            folder.publish(dataset.assign(reward=dataset.reward.copy(data=np.array(rewards))))


def kill_one(directory: str, num_events: int, delay: float) -> str:
    """Forks a writer, lets it work for a while, and kills it."""
    begun_read, begun_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.fsync = lambda descriptor: None  # slow, and a kill loses nothing of the kernel's
        try:
            write_on(directory, begun_write)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(begun_write)
    for _ in range(num_events):
        os.read(begun_read, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, code = os.waitpid(child, 0)
    os.close(begun_read)
    return "killed" if os.WIFSIGNALED(code) else f"exit status {os.waitstatus_to_exitcode(code)}"


if __name__ == "__main__":
    shorten_contract()
    for line in sys.stdin:
        events, delay = line.split()
        print(kill_one(sys.argv[1], int(events), float(delay)), flush=True)
