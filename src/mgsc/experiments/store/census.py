"""The progress of a result folder: numbers of runs of every agent that are done, running, failed and missing."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from mgsc.experiments.store.manifest import MANIFEST_NAME, StoredManifest, read_manifest
from mgsc.experiments.store.marks import RUNNING, Mark, mark_files, read_mark
from mgsc.experiments.store.parts import PARTS_NAME, PartReader, part_files
from mgsc.experiments.store.published import published_generation
from mgsc.experiments.store.status import Status, existing, state_of

MISSING, RUNS, FAILS, DONE = range(4)
"""The states of a run; of two, the larger one holds: a part counts, whatever its mark."""


@dataclass(frozen=True)
class Counts:
    """Numbers of an agent's runs in each state."""

    done: int
    running: int
    failed: int
    missing: int


@dataclass(frozen=True)
class Census:
    """The progress of a result folder.

    Attributes:
        state: of the folder, from ``status``.
        suite: the suite's name.
        agents: by name, in the order of the plan; of a run that is to extend a result, of its own seeds.
        running: the units that run now.
        failed: the units that have failed and not been run since.
    """

    state: Status
    suite: str
    agents: dict[str, Counts]
    running: tuple[Mark, ...]
    failed: tuple[Mark, ...]

    @property
    def total(self) -> Counts:
        """The sums over all agents."""
        added = sum((Counter(asdict(counts)) for counts in self.agents.values()), Counter())
        return Counts(**{name: added[name] for name in ("done", "running", "failed", "missing")})


def census(directory: str | os.PathLike[str], *, is_thorough: bool = False) -> Census:
    """Counts the runs of a folder.

    Args:
        directory: a result folder.
        is_thorough: reads every part to its last byte; otherwise its header and its length only.

    Returns:
        Numbers of runs that are done, running, failed and missing. Memory grows with the planned runs, a byte each,
        and with the units that run or have failed.

    Raises:
        StoreError: the folder is missing, foreign, damaged, or of another format.
    """
    path = existing(directory)
    if not (path / MANIFEST_NAME).exists():
        return Census(state_of(path, None, 0), "", {}, (), ())
    stored = read_manifest(path)
    if published_generation(path) == stored.generation:
        num_runs = len(stored.seeds_to_run)
        state, found = state_of(path, stored, 0), Counts(num_runs, 0, 0, 0)
        return Census(state, stored.plan.suite, dict.fromkeys(stored.plan.agents, found), (), ())
    marks = [mark for file in mark_files(path / PARTS_NAME, stored.generation) if (mark := read_mark(file))]
    runs = _Runs(stored)
    for mark in marks:
        runs.are(RUNS if mark.state == RUNNING else FAILS, mark.agent, mark.seeds)
    reader = PartReader(path / PARTS_NAME, stored)
    for file in part_files(path / PARTS_NAME):
        part = reader.read(file, is_thorough=is_thorough)
        if part is not None:
            runs.are(DONE, part.agent, part.seeds)
    open_marks = sorted((mark for mark in marks if runs.lack(mark.agent, mark.seeds)), key=lambda mark: mark.name)
    agents = {agent: runs.count(agent) for agent in stored.plan.agents}
    state = state_of(path, stored, sum(counts.done for counts in agents.values()))
    running, failed = ([m for m in open_marks if (m.state == RUNNING) == is_running] for is_running in (True, False))
    return Census(state, stored.plan.suite, agents, tuple(running), tuple(failed))


class _Runs:
    """The state of each run of a plan."""

    def __init__(self, stored: StoredManifest) -> None:
        self._place = {seed: place for place, seed in enumerate(stored.seeds_to_run)}
        self._is: dict[str, npt.NDArray[np.uint8]] = {
            agent: np.full(len(self._place), MISSING, np.uint8) for agent in stored.plan.agents
        }

    def are(self, what: int, agent: str, seeds: tuple[int, ...]) -> None:
        """Sets the state of some runs; runs that are not in the plan are left out."""
        places = self._places(agent, seeds)
        if places:
            self._is[agent][places] = np.maximum(self._is[agent][places], what)

    def lack(self, agent: str, seeds: tuple[int, ...]) -> bool:
        """Whether one of these runs is planned and not done."""
        places = self._places(agent, seeds)
        return bool(places) and bool((self._is[agent][places] != DONE).any())

    def count(self, agent: str) -> Counts:
        """Numbers of an agent's runs in each state."""
        missing, running, failed, done = (int(number) for number in np.bincount(self._is[agent], minlength=4))
        return Counts(done, running, failed, missing)

    def _places(self, agent: str, seeds: tuple[int, ...]) -> list[int]:
        return [self._place[seed] for seed in seeds if seed in self._place] if agent in self._is else []
