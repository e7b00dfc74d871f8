"""The published result: a complete, sealed zarr store behind the link ``data.zarr``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mgsc.experiments.store import files
from mgsc.experiments.store.checked import whole
from mgsc.experiments.store.contract import (
    GENERATION,
    SEAL,
    check_dataset,
    checksum,
    manifest_of,
    normalise,
)
from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.manifest import check_format
from mgsc.experiments.store.untrusted import check_files
from mgsc.files import reason_of

if TYPE_CHECKING:
    import xarray as xr

LINK_NAME = "data.zarr"
STORE_NAME = re.compile(r"data-\d{4,}\.zarr", re.ASCII)
"""Form of the name of one generation's store."""

READ_ATTEMPTS = 5


def store_name(generation: int) -> str:
    """Name of the zarr store of one generation."""
    return f"data-{generation:04d}.zarr"


def write_and_publish(directory: Path, dataset: xr.Dataset, generation: int) -> xr.Dataset:
    """Makes ``dataset`` the folder's result; the replacement of the link is the one commit point.

    Args:
        directory: result folder, locked by the caller.
        dataset: complete result.
        generation: number of the plan it fulfils.

    Returns:
        The dataset in the form that readers receive.

    Raises:
        StoreError: the operating system refuses to write.
    """
    dataset = normalise(dataset.assign_attrs({GENERATION: generation}))
    dataset = dataset.assign_attrs({SEAL: checksum(dataset)})
    final = directory / store_name(generation)
    with files.as_store_errors("write the result to", directory):
        temporary = files.temporary_name(directory, final.name)
        # zarr format 2: its consolidated metadata and texts are part of the format, so that
        # xarray alone reads them, and without a warning.
        encoding = {str(name): {"_FillValue": None} for name in dataset.variables}
        dataset.to_zarr(temporary, mode="w", zarr_format=2, consolidated=True, encoding=encoding)
        files.flush_tree(temporary)
        if final.exists():  # left by a run that was killed just before its commit
            files.discard_tree(final)
        files.rename_durably(temporary, final)
        files.point_link(directory / LINK_NAME, final.name)
    return _without_marks(dataset)


def remove_superseded(directory: Path) -> None:
    """Removes the stores to which the link does not lead; call with the lock held."""
    current = (directory / LINK_NAME).resolve()
    for path in directory.glob("data-*.zarr"):
        if STORE_NAME.fullmatch(path.name) and path.is_dir() and path.resolve() != current:
            files.discard_tree(path)


def is_published(directory: Path) -> bool:
    """Whether the folder has a published result, sound or not."""
    return os.path.lexists(directory / LINK_NAME)


def published_generation(directory: Path) -> int:
    """Generation of the published result; 0 where there is none.

    Args:
        directory: result folder.

    Returns:
        The number in the name to which the link leads or, where a copy turned the link into a folder, the number in
        the store itself.

    Raises:
        StoreError: ``data.zarr`` is neither.
    """
    link = directory / LINK_NAME
    if not os.path.lexists(link):
        return 0
    try:
        if link.is_symlink():
            return int(_linked_name(link).removeprefix("data-").removesuffix(".zarr"))
        return whole(files.parse_json(files.read_bytes(link / ".zattrs"))[GENERATION], GENERATION, low=1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{directory} is corrupt: {LINK_NAME} is not a result") from error


def is_replaceable(directory: Path) -> bool:
    """Whether ``data.zarr`` can be replaced atomically: it is a link, or not there at all."""
    link = directory / LINK_NAME
    return link.is_symlink() or not link.exists()


def read_published(directory: Path) -> tuple[xr.Dataset, int]:
    """Reads the whole published result and verifies it.

    A writer may publish the next generation meanwhile. Therefore the link is followed once, and the store must still
    be there *after* the last array was read: a store loses its name before it loses its first file.

    Args:
        directory: result folder with a published result.

    Returns:
        The result in memory, and its generation.

    Raises:
        StoreError: the result is damaged or of another format.
    """
    link = directory / LINK_NAME
    for _ in range(READ_ATTEMPTS):
        store = Path(os.path.realpath(link))
        try:
            if link.is_symlink():
                _linked_name(link)
        except (OSError, ValueError) as error:
            raise StoreError(f"{directory} is corrupt: its {LINK_NAME} {error}") from error
        try:
            dataset = _read_store(store, directory)
        except StoreError:
            if Path(os.path.realpath(link)) != store:
                continue
            raise
        if store.is_dir():
            return _without_marks(dataset), int(dataset.attrs[GENERATION])
    raise StoreError(f"{directory} is being rewritten again and again: try later")


def _read_store(store: Path, directory: Path) -> xr.Dataset:
    import xarray as xr

    corrupt = f"{directory} is corrupt: its {LINK_NAME}"
    if not store.is_dir():
        raise StoreError(f"{corrupt} leads to {store.name}, which is missing")
    try:
        check_files(store)
    except (OSError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, OSError):
            raise StoreError(f"{corrupt} cannot be read ({reason_of(error)})") from error
        raise StoreError(f"{corrupt} {error}") from error
    try:
        with xr.open_zarr(store, chunks=None, consolidated=True) as lazy:
            dataset: xr.Dataset = lazy.load().drop_encoding()
    except Exception as error:  # zarr, its codecs and xarray raise whatever damage leads them to
        raise StoreError(f"{corrupt} cannot be read ({type(error).__name__})") from error
    check_format(dataset.attrs.get("format_version"), directory)
    if dataset.attrs.get(SEAL) != checksum(dataset):
        raise StoreError(f"{corrupt} does not match its checksum: run the suite again")
    try:
        whole(dataset.attrs.get(GENERATION), GENERATION, low=1)
        plan = manifest_of(dataset)
        check_dataset(dataset, plan.agents, plan.seeds)
    except (StoreError, ValueError) as error:
        raise StoreError(f"{corrupt} was not written by mgsc: {error}") from error
    return dataset


def _linked_name(link: Path) -> str:
    """The name of the store that the link leads to, beside it.

    Raises:
        ValueError: it leads elsewhere.
        OSError: it cannot be read.
    """
    name = os.readlink(link)
    if not STORE_NAME.fullmatch(name):
        raise ValueError("leads out of the folder")
    return name


def _without_marks(dataset: xr.Dataset) -> xr.Dataset:
    kept = {key: value for key, value in dataset.attrs.items() if key not in (GENERATION, SEAL)}
    result: xr.Dataset = dataset.copy()
    result.attrs = kept
    return result
