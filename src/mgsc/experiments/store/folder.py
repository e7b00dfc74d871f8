"""A result folder while it is being filled: the plan, its finished parts, and the publication."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mgsc.experiments.store import files
from mgsc.experiments.store.concatenate import concatenate_seeds
from mgsc.experiments.store.contract import check_dataset, label, manifest_of
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import (
    MANIFEST_NAME,
    RUN,
    Command,
    Manifest,
    StoredManifest,
    describe,
    describe_differences,
    differences,
    read_manifest,
)
from mgsc.experiments.store.part_place import PartPlace
from mgsc.experiments.store.parts import PARTS_NAME, Part, Parts
from mgsc.experiments.store.places import refuse_inside, refuse_links
from mgsc.experiments.store.provenance import lacks
from mgsc.experiments.store.published import (
    LINK_NAME,
    is_published,
    is_replaceable,
    published_generation,
    read_published,
    remove_superseded,
    write_and_publish,
)

if TYPE_CHECKING:
    import xarray as xr

Mode = Literal["new", "overwrite", "resume", "append", "join"]

PATIENCE = 600.0
"""Seconds that a share waits for another one that plans or publishes."""


class ResultFolder:
    """A locked result folder, a context manager; ``create`` makes it.

    Attributes:
        path: the folder.
        stored: its newest plan.
        is_complete: whether the plan has been published.
    """

    def __init__(self, path: Path, stored: StoredManifest, lock: files.FolderLock) -> None:
        """Use ``create``; it decides whether the folder may be used at all."""
        self.path = path
        self.stored = stored
        self.is_complete = published_generation(path) == stored.generation
        self._lock = lock
        self._parts = Parts(path / PARTS_NAME, stored)

    @property
    def manifest(self) -> Manifest:
        """The plan of the folder's result."""
        return self.stored.plan

    @property
    def seeds_to_run(self) -> tuple[int, ...]:
        """Seeds this run computes itself: all of them, or the new ones of an append."""
        return self.stored.seeds_to_run

    def write_part(self, agent: str, seeds: tuple[int, ...], arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Keeps the finished runs of one agent, durably and all at once.

        Args:
            agent: an agent of the plan.
            seeds: the seeds that are finished, a subset of ``seeds_to_run``.
            arrays: by name; arrays have the seeds as their leading axis, numbers without axes
                (seconds, say) belong to the part as a whole.

        Raises:
            StoreError: the agent or a seed isn't planned, a shape doesn't fit, or the operating
                system refuses to write.
        """
        self._parts.write(agent, seeds, arrays)

    def place(self, agent: str) -> PartPlace:
        """The place of an agent's parts, which are written without the folder's lock."""
        return self._parts.place(agent)

    def finished_parts(self) -> tuple[Part, ...]:
        """The sound parts of this plan; all others are ignored."""
        return self._parts.finished()

    def missing_seeds(self, agent: str) -> tuple[int, ...]:
        """Seeds of ``seeds_to_run`` that have no part yet, in order."""
        done = {seed for part in self.finished_parts() if part.agent == agent for seed in part.seeds}
        return tuple(seed for seed in self.seeds_to_run if seed not in done)

    def gather(self, agent: str) -> dict[str, npt.NDArray[np.generic]]:
        """Puts the parts of one agent together.

        Args:
            agent: an agent of the plan.

        Returns:
            By name: arrays with the leading axis in the order of ``seeds_to_run``; a number without axes becomes one
            entry for each part.

        Raises:
            StoreError: seeds are missing, or parts hold different arrays.
        """
        self._parts.look_again()
        missing = self.missing_seeds(agent)
        if missing:
            raise StoreError(f"{self.path}: {agent} still lacks seeds {describe(missing)}")
        return self._parts.gather(agent)

    def publish(self, dataset: xr.Dataset) -> xr.Dataset:
        """Publishes the complete result; that of an append is joined to the result it extends.

        Args:
            dataset: result of all agents and of ``seeds_to_run``, in the form of ``contract``. Attributes of the
                manifest are added.

        Returns:
            The result, in the form of ``open_result``.

        Raises:
            StoreError: the dataset is not the planned one, or cannot be written.
        """
        plan = self.manifest
        dataset = label(dataset, plan)
        check_dataset(dataset, plan.agents, self.seeds_to_run)
        if self.stored.base_seeds:
            base, _ = read_published(self.path)
            created = dataset.attrs["created"]
            dataset = concatenate_seeds([base, dataset]).assign_attrs(created=created)
        result = write_and_publish(self.path, dataset, self.stored.generation)
        self.is_complete = True
        with files.as_store_errors("tidy", self.path):
            remove_superseded(self.path)
            self._parts.remove_all()
        return result

    def close(self) -> None:
        """Gives the folder's lock back; further calls do nothing."""
        self._lock.release()

    def __enter__(self) -> ResultFolder:
        """Returns the folder, which is locked already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Gives the folder's lock back."""
        self.close()


def create(
    directory: str | os.PathLike[str],
    manifest: Manifest,
    *,
    overwrite: bool = False,
    resume: bool = False,
    append: bool = False,
    join: bool = False,
    command: Command = RUN,
) -> ResultFolder:
    """Plans a run in a folder, or goes on with one that was stopped.

    A new or empty folder needs no more. For a folder with a result of mgsc, at most one of ``overwrite``, ``resume``,
    ``append`` and ``join`` is given.

    Args:
        directory: the result folder; it and its parents are made where they are missing.
        manifest: the plan. For ``append`` its seeds are the new ones.
        overwrite: replace the result, which stays readable until the new one is complete.
        resume: go on with the unfinished run of exactly this plan; of a complete one the folder's ``is_complete`` is
            True.
        append: run further seeds and publish them together with those that are there.
        join: run one of several shares of this plan at the same time: as ``resume`` where there is a plan, else as the
            first one. It waits for the lock.
        command: that calls it; advice in errors names its options only.

    Returns:
        The folder, locked until it is closed.

    Raises:
        StoreError: the folder is a file, foreign, inside another result, cannot be written, is being written by
            another run, holds links for its own files, or holds a result and none of these is given.
    """
    path = files.usable_path(directory)
    mode: Mode = "join" if join else _mode(overwrite, resume, append)
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file: name a folder for the result")
    refuse_inside(path)
    refuse_links(path)
    refuse_foreign(path)
    if mode == "append" and not (path / MANIFEST_NAME).exists():
        raise StoreError(f"{path} holds no result to append to")
    with files.as_store_errors("make the folder", path):
        path.mkdir(parents=True, exist_ok=True)
    lock = files.FolderLock(path, PATIENCE if join else 0.0)
    try:
        refuse_foreign(path)
        with files.as_store_errors("write in", path):
            files.clean_debris(path)
        stored = _plan(path, manifest, mode, command)
        with files.as_store_errors("write in", path):
            if is_published(path):
                remove_superseded(path)
            folder = ResultFolder(path, stored, lock)
            # Whoever joins trusts names and headers: of many that begin at once each would read all parts.
            folder._parts.prepare(is_complete=folder.is_complete, is_thorough=not join)
    except BaseException:
        lock.release()
        raise
    return folder


def refuse_foreign(path: Path) -> None:
    """Checks that a folder with files has a manifest of mgsc.

    Raises:
        StoreError: it has none, or a damaged one.
    """
    if (path / MANIFEST_NAME).exists():
        read_manifest(path)
    elif not holds_only_debris(path):
        raise StoreError(
            f"{path} holds other files and no {MANIFEST_NAME}: it is not a result folder of mgsc;"
            " name an empty or new folder"
        )


def holds_only_debris(path: Path) -> bool:
    """Whether the folder is missing, empty, or that of a run killed before it wrote its plan."""
    if not path.is_dir():
        return True
    with files.as_store_errors("read", path):
        names = os.listdir(path)
    return all(name == files.LOCK_NAME or files.is_temporary(name) for name in names)


def _mode(overwrite: bool, resume: bool, append: bool) -> Mode:
    chosen: list[Mode] = []
    if overwrite:
        chosen.append("overwrite")
    if resume:
        chosen.append("resume")
    if append:
        chosen.append("append")
    if len(chosen) > 1:
        raise StoreError(f"--{chosen[0]} and --{chosen[1]} exclude each other")
    return chosen[0] if chosen else "new"


def _plan(path: Path, manifest: Manifest, mode: Mode, command: Command) -> StoredManifest:
    """Decides what the folder is to hold, and writes it down where that is new."""
    if not (path / MANIFEST_NAME).exists():
        if mode == "append":
            raise StoreError(f"{path} holds no result to append to")
        return _write_plan(path, StoredManifest(manifest, generation=1, begun_by=command.name))
    stored = read_manifest(path)
    is_complete = published_generation(path) == stored.generation
    if mode in ("resume", "join"):
        _refuse_other_plan(path, stored, manifest)
        if is_complete:
            return stored
    if mode == "new":
        if is_complete:
            raise StoreError(f"{path} holds a result: {command.way_out(path, '--append', '--overwrite')}")
        raise StoreError(
            f"{path} holds an unfinished {stored.begun_by}: {command.way_out(path, '--resume', '--overwrite')}"
        )
    if not is_replaceable(path):
        raise StoreError(
            f"{path / LINK_NAME} is a folder, not a link (a copy that followed links?), and"
            " cannot be replaced safely: write to another folder"
        )
    if mode in ("resume", "join"):
        return stored
    if mode == "overwrite":
        return _write_plan(path, StoredManifest(manifest, stored.generation + 1, begun_by=command.name))
    if not is_complete:
        raise StoreError(f"{path} holds an unfinished run: use --resume before --append")
    return _write_plan(path, _extended(path, stored, manifest))


def _write_plan(path: Path, stored: StoredManifest) -> StoredManifest:
    with files.as_store_errors("write in", path):
        stored.write(path)
    return stored


def _extended(path: Path, stored: StoredManifest, manifest: Manifest) -> StoredManifest:
    """The plan of an append: the published result and further seeds."""
    base = manifest_of(read_published(path)[0])
    _refuse_other_numbers(path, base, manifest, "append to")
    overlap = tuple(seed for seed in manifest.seeds if seed in set(base.seeds))
    if overlap:
        raise StoreError(f"{path} already holds seeds {describe(overlap)}: append others")
    extended = replace(manifest, agents=base.agents, seeds=base.seeds + manifest.seeds)
    return StoredManifest(extended, stored.generation + 1, base_seeds=base.seeds)


def _refuse_other_plan(path: Path, stored: StoredManifest, manifest: Manifest) -> None:
    _refuse_other_numbers(path, stored.plan, manifest, "resume")
    if manifest.seeds not in (stored.plan.seeds, stored.seeds_to_run):
        advice = "; add others with --append" if published_generation(path) == stored.generation else ""
        raise StoreError(
            f"cannot resume {path}: it was started for seeds {describe(stored.seeds_to_run)},"
            f" not {describe(manifest.seeds)}{advice}"
        )


def _refuse_other_numbers(path: Path, there: Manifest, asked: Manifest, verb: str) -> None:
    if set(there.agents) != set(asked.agents):
        raise StoreError(
            f"cannot {verb} {path}: it is for agents {describe(there.agents)}, not {describe(asked.agents)}"
        )
    if asked.provenance and lacks(there):
        raise StoreError(f"cannot {verb} {path}: it {lacks(there)}; run again into another folder, or --overwrite it")
    found = differences(there, asked, there.agents)
    if found:
        raise StoreError(f"cannot {verb} {path}: {describe_differences(found)}")
