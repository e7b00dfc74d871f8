"""The state of a result folder, read without changing it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mgsc.experiments.store import files
from mgsc.experiments.store.contract import manifest_of
from mgsc.experiments.store.errors import IncompleteResultError, StoreError
from mgsc.experiments.store.folder import holds_only_debris, refuse_foreign
from mgsc.experiments.store.manifest import MANIFEST_NAME, MERGE, RUN, StoredManifest, read_manifest
from mgsc.experiments.store.parts import PARTS_NAME, PartReader, part_files
from mgsc.experiments.store.provenance import lacks
from mgsc.experiments.store.published import is_published, published_generation, read_published
from mgsc.experiments.store.resumable import SUFFIX
from mgsc.files import printable

if TYPE_CHECKING:
    import xarray as xr

LOGGER = logging.getLogger("mgsc")

MOST_NAMES = 12
"""Most results that are named where a folder holds several."""


@dataclass(frozen=True)
class Status:
    """The state of a result folder.

    Attributes:
        has_result: whether there is a result for ``open_result``.
        is_complete: whether that result is the one of the newest plan.
        num_runs: pairs of agent and seed of the newest plan.
        num_finished: number of those that are done.
        message: one line in words.
    """

    has_result: bool
    is_complete: bool
    num_runs: int
    num_finished: int
    message: str


def status(directory: str | os.PathLike[str]) -> Status:
    """The state of a folder.

    Args:
        directory: a folder.

    Returns:
        Its state; counting reads the parts, not the published arrays.

    Raises:
        StoreError: the folder is missing, foreign, damaged, or of another format.
    """
    path = existing(directory)
    stored = read_manifest(path) if (path / MANIFEST_NAME).exists() else None
    if stored is None or published_generation(path) == stored.generation:
        return state_of(path, stored, 0)
    return state_of(path, stored, _count_finished(path, stored))


def state_of(path: Path, stored: StoredManifest | None, num_finished: int) -> Status:
    """The state of a folder with this newest plan and number of finished runs."""
    if stored is None:
        message = f"{path} is incomplete: its run was stopped before it began; start it again"
        return Status(False, False, 0, 0, message)
    published = published_generation(path)
    num_runs = len(stored.plan.agents) * len(stored.seeds_to_run)
    if published == stored.generation:
        runs = f"{len(stored.plan.agents)} agents × {len(stored.plan.seeds)} seeds"
        note = f"; it {lacks(stored.plan)}" if lacks(stored.plan) else ""
        return Status(True, True, num_runs, num_runs, f"{path} is complete: {runs}{note}")
    command = MERGE if stored.begun_by == MERGE.name else RUN
    done = f"{num_finished} of {num_runs} runs (agents × seeds) are done; {command.again}"
    if published:
        verb = "extend" if stored.base_seeds else "replace"
        message = f"{path} holds a complete result; a {command.name} that is to {verb} it is unfinished: {done}"
    else:
        message = f"{path} is incomplete: {done}"
    return Status(published > 0, False, num_runs, num_finished, message)


def open_result(directory: str | os.PathLike[str]) -> xr.Dataset:
    """Reads a complete result into memory and verifies it to the last bit.

    Args:
        directory: result folder.

    Returns:
        The newest *complete* result. While a run that replaces or extends it is unfinished, that is the result before,
        and a warning is logged. What a result of mgsc 0.1.0 lacks is logged, too.

    Raises:
        IncompleteResultError: the run was stopped; the error names how much is done.
        StoreError: the folder is missing, foreign, damaged, or of another format.
    """
    path = existing(directory)
    if not is_published(path):
        raise IncompleteResultError(status(path).message)
    dataset = read_published(path)[0]
    if words := lacks(manifest_of(dataset)):
        LOGGER.warning("mgsc: %s", printable(f"{path} {words}"))
    _warn_of_unfinished(path)
    return dataset


def _warn_of_unfinished(path: Path) -> None:
    """Warns where the newest plan is another one than the result's, if it can be read."""
    try:
        found = status(path)
    except StoreError:  # a copied result may have no manifest, and explains itself without
        return
    if not found.is_complete:
        LOGGER.warning("mgsc: %s", printable(found.message))


def existing(directory: str | os.PathLike[str]) -> Path:
    """The path of a result folder of mgsc.

    Raises:
        StoreError: the folder is missing, foreign or empty.
    """
    path = files.usable_path(directory)
    if not path.exists():
        parts = path.with_name(path.name + SUFFIX)
        if parts.is_dir():
            raise StoreError(f"{path} is not there yet: its tuning or study keeps what has finished in {parts}")
        raise StoreError(f"there is no folder {path}")
    if not path.is_dir():
        raise StoreError(f"{path} is a file, not a result folder of mgsc")
    if holds_only_debris(path) and not any(path.iterdir()):
        raise StoreError(f"{path} is empty: it holds no result")
    if not (path / MANIFEST_NAME).exists() and not holds_only_debris(path):
        raise StoreError(f"{path} is not a result folder of mgsc{_results_in(path)}")
    refuse_foreign(path)
    return path


def _results_in(path: Path) -> str:
    """Words that name the results in a folder, if there are any."""
    with files.as_store_errors("read", path):
        names = sorted(entry.name for entry in path.iterdir() if (entry / MANIFEST_NAME).is_file())
    few = [*names[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else [])]
    return f"; it holds results: {', '.join(few)}" if few else ""


def _count_finished(path: Path, stored: StoredManifest) -> int:
    reader = PartReader(path / PARTS_NAME, stored)
    parts = (reader.read(file) for file in part_files(path / PARTS_NAME))
    return len({(part.agent, seed) for part in parts if part for seed in part.seeds})
