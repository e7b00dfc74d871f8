"""The smallest studies there are, and totals made up for studies that are not run."""

from __future__ import annotations

import copy
import functools

import numpy as np

from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.studies.design import AS_TUNED, Axis, Ground, Study, Value, axis, cells_of
from mgsc.experiments.studies.summary import summarise
from mgsc.experiments.studies.table import STUDIES

TINY = {
    "environment.stem": 2,
    "environment.arm": 2,
    "environment.switch_every": 100,
    "steps": 200,
    "record_every": 50,
    "measure_every": 25,
    "planning_updates": 3,
    "agents.planning_updates": 0,
}
SEEDS = Seeds(3, root=2)
NAME = "small"
SMALL = Study(
    "A small study",
    (Ground("tiny TMaze", "tmaze-fixed", ("uniform", "meta_gradient"), TINY),),
    (
        Axis(
            "changed",
            (
                Value(AS_TUNED),
                Value("slow", {"agents.step_size": 0.1}),
                Value("one update", {"agents.planning_updates": 1}),
                Value("noisy", {"model.reward_noise": 0.5}),
            ),
            is_ordered=False,
        ),
    ),
    AS_TUNED,
    "For tests.",
)
NUM_ENTRIES = 2 * 4
SMALL_MAP = Study(
    "A small map",
    (Ground("tiny TMaze", "tmaze-{model}", ("no_planning", "uniform", "meta_gradient"), TINY),),
    (
        Axis("model", (Value("stale", model="fixed"), Value("learned", model="learned")), is_ordered=False),
        axis("K", "agents.planning_updates", 1, 2),
    ),
    "best fixed",
)
SMALL_COMPARISON = Study(
    "A small comparison",
    (
        Ground("tiny", "tmaze-fixed", ("no_planning", "uniform", "avoid_terminal", "meta_gradient_recent"), TINY),
        Ground("longer", "tmaze-learned", ("no_planning", "uniform", "meta_gradient_recent"), {**TINY, "steps": 400}),
    ),
    (Axis("settings", (Value("as tuned"),), is_ordered=False),),
    "uniform",
    "For tests.",
    compares=True,
)
NUMBERS_OF = {"versions": {"mgsc": "0"}, "backend": "cpu"}


def made_up(name: str, study: Study, seeds: Seeds = SEEDS, totals=None) -> dict:
    """The summary of a study with totals nobody earned."""
    cells = cells_of(study, seeds)
    entries = [cell.entry(agent) for cell in cells for agent in cell.suite.agents]
    if totals is None:
        random = np.random.default_rng(0)
        totals = {entry: np.round(random.normal(1000, 100, seeds.count)).tolist() for entry in entries}
    return summarise(name, study, cells, seeds, totals, NUMBERS_OF)


def made_up_of(name: str, seeds: Seeds = SEEDS) -> dict:
    return copy.deepcopy(_made_up_of(name, seeds))


@functools.cache
def _made_up_of(name: str, seeds: Seeds) -> dict:
    return made_up(name, STUDIES[name], seeds)
