"""The results of a report: given folders, or all in a folder that holds several."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.files import printable, usable_path

LOGGER = logging.getLogger("mgsc")

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Found:
    """One result of a report.

    Attributes:
        label: its name in the report, unlike those of the others.
        dataset: the result, in the form of ``store.contract``.
    """

    label: str
    dataset: xr.Dataset


def open_results(directories: Sequence[str | os.PathLike[str]]) -> list[Found]:
    """Opens every result that the folders are or hold.

    A warning is logged of each result within a folder that is left out because its run is unfinished.

    Args:
        directories: result folders, and folders that hold result folders.

    Returns:
        The results in the given order, those within one folder by name; none twice.

    Raises:
        UserError: a folder is missing, is no result and holds no finished one, or a result is incomplete or damaged.
    """
    opened: dict[str, xr.Dataset] = {}
    for directory in directories:
        folders, unfinished = result_folders(directory), []
        for folder in folders:
            place = os.path.realpath(folder)
            try:
                opened[place] = opened[place] if place in opened else store.open_result(folder)
            except store.IncompleteResultError as error:
                unfinished.append(error)
        if len(unfinished) == len(folders):
            raise unfinished[0]
        for stopped in unfinished:
            LOGGER.warning("mgsc: left out: %s", printable(str(stopped)))
    titles = {place: str(dataset.attrs["title"]) for place, dataset in opened.items()}
    names = Counter(titles.values())
    return [
        Found(title if names[title] == 1 else f"{title} ({os.path.basename(place)})", opened[place])
        for place, title in titles.items()
    ]


def result_folders(directory: str | os.PathLike[str]) -> list[Path]:
    """The folder itself where it is a result, finished or not, else the results right inside it.

    Raises:
        UserError: it is missing, or neither.
    """
    path = usable_path(directory)
    if not path.exists():
        raise UserError(f"there is no folder {path}")
    if not path.is_dir():
        raise UserError(f"{path} is a file, not a result folder of mgsc")
    if _is_result(path):
        return [path]
    found = [inner for inner in sorted(path.iterdir()) if inner.is_dir() and _is_result(inner)]
    if not found:
        raise UserError(f"{path} holds no result: name result folders of mgsc, or a folder with some right inside it")
    return found


def _is_result(path: Path) -> bool:
    return (path / store.MANIFEST_NAME).exists() or os.path.lexists(path / "data.zarr")
