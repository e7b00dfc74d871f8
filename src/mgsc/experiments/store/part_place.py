"""The place of one agent's parts, at which a worker writes them, whole or not at all, without the folder's lock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from mgsc.experiments.store import files
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import StoredManifest

HEADER = "header"
ARRAY_PREFIX = "array:"

ATTEMPTS = 3
"""Attempts to write a part: another process that resumes the folder removes half-written files."""

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class PartPlace:
    """The folder and the header of one agent's parts; plain data, which can be sent anywhere.

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

    def header(self, seeds: tuple[int, ...], names: Iterable[str]) -> dict[str, object]:
        """The header that a part with arrays of these names must have to be accepted."""
        return {
            "generation": self.generation,
            "fingerprint": self.fingerprint,
            "agent": self.agent,
            "seeds": list(seeds),
            "arrays": sorted({*names} - {HEADER}),
        }

    def write(self, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Path:
        """Writes one part, durably and all at once, see ``ResultFolder.write_part``; no lock is needed.

        A name holds agent, generation and first seed: no two units of a plan share one, and a worker of an older plan
        replaces no part of a newer one.

        Raises:
            StoreError: a shape does not fit, or the operating system refuses to write.
        """
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        _check_arrays(self.agent, seeds, arrays)
        path = self.path(seeds)
        with files.as_store_errors("write", path):
            for attempt in range(ATTEMPTS):
                try:
                    self._write(path, seeds, arrays)
                    break
                except FileNotFoundError:
                    if attempt == ATTEMPTS - 1 or not path.parent.is_dir():
                        raise
        return path

    def path(self, seeds: tuple[int, ...]) -> Path:
        """The file of the part with these seeds."""
        return Path(self.folder) / f"{quote(self.agent, safe='')}-g{self.generation}-{seeds[0]}.npz"

    def _write(self, path: Path, seeds: tuple[int, ...], arrays: Arrays) -> None:
        named = {ARRAY_PREFIX + name: array for name, array in arrays.items()}
        header = json.dumps(self.header(seeds, named), sort_keys=True)
        with files.whole_file(path) as file:
            np.savez(file, allow_pickle=False, **{HEADER: np.array(header)}, **named)


def _check_arrays(agent: str, seeds: tuple[int, ...], arrays: Arrays) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise StoreError(f"array {name} of {agent} holds {array.dtype}, not numbers")
        if array.ndim and len(array) != len(seeds):
            raise StoreError(f"array {name} of {agent} has {len(array)} rows for {len(seeds)} seeds")


def place_of(directory: Path, stored: StoredManifest, agent: str) -> PartPlace:
    """The place of the parts of an agent of a plan."""
    return PartPlace(os.path.abspath(directory), agent, stored.generation, stored.plan.fingerprint(agent))
