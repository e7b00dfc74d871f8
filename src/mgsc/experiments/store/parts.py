"""Finished parts of a run: one file for each agent and block of seeds, trusted only if they fit."""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from mgsc.experiments.store import files
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import StoredManifest, describe

PARTS_NAME = "parts"
PART_NAME = re.compile(r"[\w.~%-]+-\d+\.npz", re.ASCII)
"""Form of a part's name, AGENT-SEED.npz; files of other names are never touched."""

HEADER = "header"
ARRAY_PREFIX = "array:"

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Part:
    """Finished runs of one agent.

    Attributes:
        agent: the agent's name.
        seeds: the seeds that are finished.
        path: the file that holds them.
    """

    agent: str
    seeds: tuple[int, ...]
    path: Path

    def read(self) -> Arrays:
        """The part's arrays by name, as they were written.

        Raises:
            StoreError: the file was damaged after it was accepted.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return {
                    name.removeprefix(ARRAY_PREFIX): file[name] for name in file.files if name.startswith(ARRAY_PREFIX)
                }
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise StoreError(f"{self.path} is damaged: use --resume to run its seeds again") from (error)


class Parts:
    """The parts of one plan.

    A part is accepted if it is readable to its last byte (zip keeps a checksum of every array),
    and its header names this generation of the folder and the agent's present fingerprint.
    """

    def __init__(self, directory: Path, stored: StoredManifest) -> None:
        """Looks at the parts in ``directory`` for the plan ``stored``."""
        self._directory = directory
        self._stored = stored
        self._accepted: dict[Path, Part] = {}

    def prepare(self, *, is_complete: bool) -> None:
        """Makes the folder of parts, and removes from it what no longer serves the plan."""
        if is_complete:
            self.remove_all()
            return
        self._directory.mkdir(exist_ok=True)
        files.clean_debris(self._directory)
        self._accepted = {}
        for path in part_files(self._directory):
            part = read_part(path, self._stored)
            if part is None:
                path.unlink()
            else:
                self._accepted[path] = part

    def remove_all(self) -> None:
        """Removes every part: the plan is published, and they say nothing more.

        The folder goes too, unless it holds what is not ours.
        """
        self._accepted = {}
        if not self._directory.is_dir():
            return
        files.clean_debris(self._directory)
        for path in part_files(self._directory):
            path.unlink()
        with contextlib.suppress(OSError):  # not empty: others' files stay, and nothing depends on the folder
            self._directory.rmdir()

    def finished(self) -> tuple[Part, ...]:
        """The accepted parts, in the plan's order of agents and by first seed."""
        order = {agent: place for place, agent in enumerate(self._stored.plan.agents)}
        parts = self._accepted.values()
        return tuple(sorted(parts, key=lambda part: (order[part.agent], part.seeds)))

    def write(self, agent: str, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Writes one part; see ``ResultFolder.write_part``."""
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self._check(agent, seeds, arrays)
        header = json.dumps(part_header(self._stored, agent, seeds), sort_keys=True)
        path = self._directory / f"{quote(agent, safe='')}-{seeds[0]}.npz"
        with files.as_store_errors("write", path):
            temporary = files.temporary_name(self._directory, path.name)
            with open(temporary, "xb") as file:
                named = {ARRAY_PREFIX + name: array for name, array in arrays.items()}
                np.savez(file, allow_pickle=False, **{HEADER: np.array(header)}, **named)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            files.flush(self._directory)
        self._accepted[path] = Part(agent, seeds, path)

    def gather(self, agent: str) -> Arrays:
        """Puts the parts of one agent together; see ``ResultFolder.gather``."""
        parts = [part for part in self.finished() if part.agent == agent]
        contents = [part.read() for part in parts]
        if any(arrays.keys() != contents[0].keys() for arrays in contents):
            raise StoreError(f"{self._directory}: the parts of {agent} hold different arrays")
        seeds = [seed for part in parts for seed in part.seeds]
        places = [seeds.index(seed) for seed in self._stored.seeds_to_run]
        gathered: Arrays = {}
        for name, first in contents[0].items():
            pieces = [arrays[name] for arrays in contents]
            gathered[name] = np.concatenate(pieces)[places] if first.ndim else np.stack(pieces)
        return gathered

    def _check(self, agent: str, seeds: tuple[int, ...], arrays: Arrays) -> None:
        if agent not in self._stored.plan.agents:
            raise StoreError(f"agent {agent} is not planned: {describe(self._stored.plan.agents)}")
        planned = self._stored.seeds_to_run
        if not seeds or not set(seeds) <= set(planned) or len(set(seeds)) != len(seeds):
            raise StoreError(f"seeds {describe(seeds)} are not among the planned {describe(planned)}")
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise StoreError(f"array {name} of {agent} holds {array.dtype}, not numbers")
            if array.ndim and len(array) != len(seeds):
                raise StoreError(f"array {name} of {agent} has {len(array)} rows for {len(seeds)} seeds")


def part_files(directory: Path) -> list[Path]:
    """The files of a folder that have the name of a part, in order."""
    return sorted(path for path in directory.glob("*.npz") if PART_NAME.fullmatch(path.name) and path.is_file())


def part_header(stored: StoredManifest, agent: str, seeds: tuple[int, ...]) -> dict[str, object]:
    """What a part must say of itself to be accepted."""
    return {
        "generation": stored.generation,
        "fingerprint": stored.plan.fingerprint(agent),
        "agent": agent,
        "seeds": list(seeds),
    }


def read_part(path: Path, stored: StoredManifest) -> Part | None:
    """Accepts one part, or doesn't.

    Args:
        path: file of a part.
        stored: the plan it is to serve.

    Returns:
        The part; None if the file is damaged or belongs to another plan.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file[HEADER]))
            for name in file.files:
                file[name]
        agent, seeds = str(header["agent"]), tuple(int(seed) for seed in header["seeds"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    if agent not in stored.plan.agents or not set(seeds) <= set(stored.seeds_to_run):
        return None
    return Part(agent, seeds, path) if header == part_header(stored, agent, seeds) else None
