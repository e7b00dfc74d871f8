"""Golden runs: numbers of short runs of every agent, so that a change of results is never unseen.

To write ``golden.json`` anew, after a change that is *meant* to change results::

    JAX_PLATFORMS=cpu python -m tests.experiments.golden

and say why in the CHANGELOG.
"""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tests.experiments import programs

from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED
from mgsc.experiments.running.program import Lane

PATH = Path(__file__).with_name("golden.json")
NUM_SEEDS = 16
EXACT_SEEDS = 2


def environment() -> dict[str, str]:
    """What bits depend on, beside the program."""
    return {
        "jax": metadata.version("jax"),
        "jaxlib": metadata.version("jaxlib"),
        "machine": platform.machine(),
        "backend": jax.default_backend(),
    }


def summary(name: str) -> dict[str, Any]:
    """Numbers of two seeds to compare exactly, and a mean over sixteen to compare statistically."""
    made = programs.compared(name) if name in programs.COMPARED else programs.program(name)
    record = programs.run(made, [Lane(seed, {}) for seed in range(NUM_SEEDS)])
    totals = record["reward"].sum(1, dtype=float)
    exact = {"reward": record["reward"][:EXACT_SEEDS], "last_values": record["state_value"][:EXACT_SEEDS, -1]}
    means = [*ALWAYS]
    if name != "no_planning":
        means += MEASURES
        exact["last_distribution"] = record["query_distribution"][:EXACT_SEEDS, -1]
    if name == "meta_gradient":
        means += REPORTED
    # Before anything is learned some measures have no value.
    exact |= {key: np.nanmean(record[key][:EXACT_SEEDS], axis=1) for key in means}
    return {
        "exact": {key: np.round(value.astype(float), 9).tolist() for key, value in exact.items()},
        "mean": float(totals.mean()),
        "standard_error": float(totals.std(ddof=1) / np.sqrt(NUM_SEEDS)),
    }


def write() -> None:
    """Writes the numbers of this machine and these versions."""
    content = {
        "environment": environment(),
        "agents": {name: summary(name) for name in (*programs.AGENTS, *programs.COMPARED)},
    }
    PATH.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    write()
