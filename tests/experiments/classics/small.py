"""Two classic experiments as short as can be, and results of all of them made up."""

from __future__ import annotations

import dataclasses

import numpy as np

from mgsc.experiments.classics.table import CLASSICS


def _short(name: str, agents: list[str], **changes):
    classic = CLASSICS[name]
    suite = dataclasses.replace(classic.suite, agents={agent: classic.suite.agents[agent] for agent in agents})
    return dataclasses.replace(classic, suite=suite, runs=3, **changes)


SMALL = {
    "first-episode-stayed": _short("first-episode-stayed", ["n = 0"]),
    "dyna-maze": _short("dyna-maze", ["n = 0"], length=2),
}


def made_up(runs: int = 4):
    """Results of all experiments, of the right shapes."""
    random = np.random.default_rng(0)
    results = {}
    for name, classic in CLASSICS.items():
        shapes = {
            "episodes": {"length": (runs, classic.length)},
            "reward": {"reward": (runs, classic.suite.steps // classic.length)},
            "solution": {"steps": (runs,), "updates": (runs,)},
        }[classic.records]
        results[name] = {
            agent: {key: random.integers(10, 100, shape) for key, shape in shapes.items()}
            for agent in classic.suite.agents
        }
    return results
