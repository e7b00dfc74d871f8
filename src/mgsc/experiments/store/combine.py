"""Merging of complete results along seeds or along agents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mgsc.experiments.store.concatenate import concatenate_agents, concatenate_seeds
from mgsc.experiments.store.contract import manifest_of
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import MANIFEST_NAME, MERGE, Manifest, differences, read_manifest
from mgsc.experiments.store.places import refuse_inside
from mgsc.files import check_paths, usable_path

if TYPE_CHECKING:
    import xarray as xr


def merge_datasets(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Puts results together: first along seeds where agents agree, then along agents.

    Args:
        datasets: at least one result; together they fill the table of agents and seeds.

    Returns:
        One result, its seeds in ascending order.

    Raises:
        StoreError: they do not fit together; the error names why.
    """
    groups: dict[frozenset[str], list[xr.Dataset]] = {}
    for dataset in datasets:
        groups.setdefault(frozenset(manifest_of(dataset).agents), []).append(dataset)
    merged = concatenate_agents([concatenate_seeds(group) for group in groups.values()])
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return merged.sortby("seed").assign_attrs(created=created)


def merge(
    directories: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> xr.Dataset:
    """Merges complete result folders into a new one.

    Args:
        directories: at least two result folders of one suite and the same settings.
        out: folder for the merged result. An unfinished one of this same merge is completed, a finished one stays.
        overwrite: replace the result in ``out``, finished or not.

    Returns:
        The merged result.

    Raises:
        StoreError: a folder holds no complete result, they do not fit together, or ``out`` cannot be used.
    """
    from mgsc.experiments.store.folder import create
    from mgsc.experiments.store.status import open_result

    check_paths("directories", directories)
    if len(directories) < 2:
        raise StoreError("merging takes at least two result folders")
    if len({os.path.realpath(usable_path(directory)) for directory in directories}) < len(directories):
        raise StoreError("the same folder is to be merged twice")
    refuse_inside(out)
    dataset = merge_datasets([open_result(directory) for directory in directories])
    plan: Manifest = manifest_of(dataset)
    resume = not overwrite and _is_begun(Path(out), plan)
    with create(out, plan, overwrite=overwrite, resume=resume, command=MERGE) as folder:
        if folder.is_complete:  # before it was killed, or by another process
            return open_result(out)
        return folder.publish(dataset)


def _is_begun(out: Path, plan: Manifest) -> bool:
    """Whether ``out`` holds the plan of just this merge, finished or not: a kill may come after its last write."""
    if not (out / MANIFEST_NAME).exists():
        return False
    stored = read_manifest(out)
    if stored.begun_by != MERGE.name:
        return False
    there = stored.plan
    is_same_table = (there.agents, there.seeds) == (plan.agents, plan.seeds)
    return is_same_table and not differences(there, plan, plan.agents)
