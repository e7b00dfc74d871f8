"""Finished parts of a run: one file for each agent and block of seeds, accepted only if they fit the plan.

The process that runs a block writes its part at a ``PartPlace``. Only the holder of the folder's lock plans, removes
and publishes.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgsc.experiments.store import files
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import StoredManifest, describe
from mgsc.experiments.store.marks import remove_marks
from mgsc.experiments.store.part_place import ARRAY_PREFIX, HEADER, Arrays, PartPlace, place_of

PARTS_NAME = "parts"
PART_NAME = re.compile(r"[\w.~%-]+-\d+\.npz", re.ASCII)
"""Form of a part's name, AGENT-gGENERATION-SEED.npz; files of other names are never touched."""


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
        """The part's arrays by name.

        Raises:
            StoreError: the file was damaged after it was accepted.
        """
        try:
            with self.path.open("rb") as packed, np.load(packed, allow_pickle=False) as file:
                _refuse_packed(file.zip)
                if tuple(files.parse_json(str(file[HEADER]))["seeds"]) != self.seeds:
                    raise StoreError(f"{self.path} was written by two runs: use --resume to run its seeds again")
                return {
                    name.removeprefix(ARRAY_PREFIX): file[name] for name in file.files if name.startswith(ARRAY_PREFIX)
                }
        except StoreError:
            raise
        except Exception as error:  # zip and NumPy raise whatever damage leads them to
            raise StoreError(f"{self.path} is damaged: use --resume to run its seeds again") from (error)


class Parts:
    """The parts of one plan.

    A part is accepted if it is readable to its last byte (zip keeps a checksum of every array), its header names this
    generation of the folder and the agent's present fingerprint, and it holds the arrays that its header names.
    """

    def __init__(self, directory: Path, stored: StoredManifest) -> None:
        """Looks at the parts in ``directory`` for the plan ``stored``."""
        self._directory = directory
        self._stored = stored
        self._reader = PartReader(directory, stored)
        self._accepted: dict[Path, Part] = {}

    def prepare(self, *, is_complete: bool, is_thorough: bool = True) -> None:
        """Makes the folder of parts, and removes the parts of other plans from it."""
        if is_complete:
            self.remove_all()
            return
        self._directory.mkdir(exist_ok=True)
        files.clean_debris(self._directory)
        remove_marks(self._directory, but=self._stored.generation)
        self._accepted = {}
        for path in part_files(self._directory):
            part = self._reader.read(path, is_thorough=is_thorough)
            if part is None:
                path.unlink()
            else:
                self._accepted[path] = part

    def remove_all(self) -> None:
        """Removes every part, after the plan is published.

        The folder goes, too, unless it holds other files.
        """
        self._accepted = {}
        if not self._directory.is_dir():
            return
        files.clean_debris(self._directory)
        remove_marks(self._directory)
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
        """The place of an agent's parts."""
        return place_of(self._directory, self._stored, agent)

    def write(self, agent: str, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Writes one part; see ``ResultFolder.write_part``."""
        self._check(agent, seeds)
        path = self.place(agent).write(seeds, arrays)
        self._accepted[path] = Part(agent, seeds, path)

    def look_again(self) -> None:
        """Reads the parts that other processes have written since."""
        for path in part_files(self._directory):
            part = None if path in self._accepted else self._reader.read(path)
            if part is not None:
                self._accepted[path] = part

    def gather(self, agent: str) -> Arrays:
        """Puts the parts of one agent together; see ``ResultFolder.gather``."""
        parts = [part for part in self.finished() if part.agent == agent]
        contents = [part.read() for part in parts]
        if any(arrays.keys() != contents[0].keys() for arrays in contents):
            raise StoreError(f"{self._directory}: the parts of {agent} hold different arrays")
        seeds = [seed for part in parts for seed in part.seeds]
        place_of_seed = {seed: place for place, seed in reversed([*enumerate(seeds)])}
        places = [place_of_seed[seed] for seed in self._stored.seeds_to_run]
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


def part_files(directory: Path) -> list[Path]:
    """The files of a folder with the name of a part, in order; links are none, for they lead elsewhere."""
    if directory.is_symlink():
        return []
    named = (path for path in directory.glob("*.npz") if PART_NAME.fullmatch(path.name))
    return sorted(path for path in named if path.is_file() and not path.is_symlink())


def _refuse_packed(archive: zipfile.ZipFile) -> None:
    """Refuses arrays that are packed: those of a part never are, and others' could unpack to more than memory holds.

    Raises:
        ValueError: one is.
    """
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("it holds packed arrays")


class PartReader:
    """Accepts or rejects the parts of one plan."""

    def __init__(self, directory: Path, stored: StoredManifest) -> None:
        """For parts in ``directory`` that serve the plan ``stored``."""
        self._places = {agent: place_of(directory, stored, agent) for agent in stored.plan.agents}
        self._planned = frozenset(stored.seeds_to_run)

    def read(self, path: Path, *, is_thorough: bool = True) -> Part | None:
        """Accepts or rejects one part.

        Args:
            path: file of a part.
            is_thorough: reads it to its last byte. Otherwise it reads the header and the length only: a part is
                written whole or not at all.

        Returns:
            The part; None if the file is damaged or belongs to another plan.
        """
        try:
            with path.open("rb") as packed, np.load(packed, allow_pickle=False) as file:
                _refuse_packed(file.zip)
                header, names = files.parse_json(str(file[HEADER])), file.files
                for name in names if is_thorough else ():
                    file[name]
            agent, seeds = str(header["agent"]), tuple(int(seed) for seed in header["seeds"])
        except Exception:  # zip and NumPy raise whatever damage leads them to
            return None
        if agent not in self._places or not self._planned.issuperset(seeds):
            return None
        return Part(agent, seeds, path) if header == self._places[agent].header(seeds, names) else None
