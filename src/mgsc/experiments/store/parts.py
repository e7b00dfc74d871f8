"""Finished parts of a run: one file for each agent and block of seeds, trusted only if they fit.

Whoever runs a block writes its part, in whichever process: a ``PartPlace`` is all it needs. Only the holder of the
folder's lock plans, removes and publishes.
"""

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
"""Form of a part's name, AGENT-gGENERATION-SEED.npz; files of other names are never touched."""

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
                if tuple(files.parse_json(str(file[HEADER]))["seeds"]) != self.seeds:
                    raise StoreError(f"{self.path} was written by two runs: use --resume to run its seeds again")
                return {
                    name.removeprefix(ARRAY_PREFIX): file[name] for name in file.files if name.startswith(ARRAY_PREFIX)
                }
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise StoreError(f"{self.path} is damaged: use --resume to run its seeds again") from (error)


@dataclass(frozen=True)
class PartPlace:
    """Where the parts of one agent go, and what they must say of themselves; plain data, to be sent anywhere.

    Attributes:
        folder: the folder of the parts, an absolute path.
        agent: the agent's name.
        generation: of the plan that the parts serve.
        fingerprint: of the agent in that plan.
    """

    folder: str
    agent: str
    generation: int
    fingerprint: str

    def header(self, seeds: tuple[int, ...]) -> dict[str, object]:
        """What a part must say of itself to be accepted."""
        return {
            "generation": self.generation,
            "fingerprint": self.fingerprint,
            "agent": self.agent,
            "seeds": list(seeds),
        }

    def write(self, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Path:
        """Writes one part, durably and all at once, see ``ResultFolder.write_part``; no lock is needed.

        A name holds agent, generation and first seed: no two units of a plan share one, and a worker that outlived
        its plan replaces nothing of a newer one.

        Raises:
            StoreError: a shape does not fit, or the operating system refuses to write.
        """
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        _check_arrays(self.agent, seeds, arrays)
        path = Path(self.folder) / f"{quote(self.agent, safe='')}-g{self.generation}-{seeds[0]}.npz"
        with files.as_store_errors("write", path):
            temporary = files.temporary_name(path.parent, path.name)
            with open(temporary, "xb") as file:
                named = {ARRAY_PREFIX + name: array for name, array in arrays.items()}
                header = json.dumps(self.header(seeds), sort_keys=True)
                np.savez(file, allow_pickle=False, **{HEADER: np.array(header)}, **named)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            files.flush(path.parent)
        return path


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

    def place(self, agent: str) -> PartPlace:
        """Where the parts of an agent go."""
        return place_of(self._directory, self._stored, agent)

    def write(self, agent: str, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Writes one part; see ``ResultFolder.write_part``."""
        self._check(agent, seeds)
        path = self.place(agent).write(seeds, arrays)
        self._accepted[path] = Part(agent, seeds, path)

    def look_again(self) -> None:
        """Takes up the parts that others have written since."""
        for path in part_files(self._directory):
            part = None if path in self._accepted else read_part(path, self._stored)
            if part is not None:
                self._accepted[path] = part

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

    def _check(self, agent: str, seeds: tuple[int, ...]) -> None:
        if agent not in self._stored.plan.agents:
            raise StoreError(f"agent {agent} is not planned: {describe(self._stored.plan.agents)}")
        planned = self._stored.seeds_to_run
        if not seeds or not set(seeds) <= set(planned) or len(set(seeds)) != len(seeds):
            raise StoreError(f"seeds {describe(seeds)} are not among the planned {describe(planned)}")


def _check_arrays(agent: str, seeds: tuple[int, ...], arrays: Arrays) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise StoreError(f"array {name} of {agent} holds {array.dtype}, not numbers")
        if array.ndim and len(array) != len(seeds):
            raise StoreError(f"array {name} of {agent} has {len(array)} rows for {len(seeds)} seeds")


def part_files(directory: Path) -> list[Path]:
    """The files of a folder that have the name of a part, in order."""
    return sorted(path for path in directory.glob("*.npz") if PART_NAME.fullmatch(path.name) and path.is_file())


def place_of(directory: Path, stored: StoredManifest, agent: str) -> PartPlace:
    """Where the parts of an agent of a plan go."""
    return PartPlace(os.path.abspath(directory), agent, stored.generation, stored.plan.fingerprint(agent))


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
            header = files.parse_json(str(file[HEADER]))
            for name in file.files:
                file[name]
        agent, seeds = str(header["agent"]), tuple(int(seed) for seed in header["seeds"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, OverflowError, zipfile.BadZipFile):
        return None
    if agent not in stored.plan.agents or not set(seeds) <= set(stored.seeds_to_run):
        return None
    expected = place_of(path.parent, stored, agent).header(seeds)
    return Part(agent, seeds, path) if header == expected else None
