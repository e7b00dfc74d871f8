"""Places at which results and other files may be written: never among the files that a result folder removes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mgsc.experiments.store.errors import StoreError
from mgsc.experiments.store.files import LOCK_NAME, is_temporary, parse_json, read_bytes, usable_path
from mgsc.experiments.store.manifest import KIND, MANIFEST_NAME
from mgsc.experiments.store.parts import PARTS_NAME
from mgsc.experiments.store.published import LINK_NAME, STORE_NAME

OWN_NAMES = (MANIFEST_NAME, PARTS_NAME, LINK_NAME, LOCK_NAME)
"""Names in a result folder, beside stores of generations and temporary names."""


def refuse_inside(path: str | os.PathLike[str]) -> None:
    """Checks that a place for a result folder lies inside no other one.

    Raises:
        StoreError: it does; the error names both.
    """
    for result, _ in _enclosing_results(path):
        raise StoreError(f"{path} lies inside the result {result}: name a folder outside")


def refuse_internals(path: str | os.PathLike[str]) -> None:
    """Checks that a place for a file or a folder is none of the names of a result folder, and no link out of one.

    Other names in it, such as ``RESULT/figures``, are allowed: a result folder never removes them. Where the result is
    of somebody else, a link there could lead to any file.

    Raises:
        StoreError: it is one; the error names both.
    """
    place = Path(os.path.realpath(usable_path(path)))
    for result, _ in _results_around(Path(os.path.abspath(path))):
        if not place.is_relative_to(os.path.realpath(result)):
            raise StoreError(f"{path} is a link out of the result {result}: name the place to which it leads, {place}")
    for result, name in _enclosing_results(path):
        if name in OWN_NAMES or STORE_NAME.fullmatch(name) or is_temporary(name):
            raise StoreError(f"{path} lies inside the result {result}, in its own {name}: name a place outside")


def refuse_links(path: Path) -> None:
    """Refuses to write in a result folder where links stand for its own files: what they lead to is somebody else's.

    Raises:
        StoreError: naming the link.
    """
    for name in (MANIFEST_NAME, PARTS_NAME, LOCK_NAME):
        if (path / name).is_symlink():
            raise StoreError(f"{path / name} is a link, which mgsc never makes: remove it, or name another folder")


def _enclosing_results(path: str | os.PathLike[str]) -> Iterator[tuple[Path, str]]:
    """The result folders around the place to which a path leads, see ``_results_around``."""
    return _results_around(Path(os.path.realpath(usable_path(path))))


def _results_around(place: Path) -> Iterator[tuple[Path, str]]:
    """The result folders around a place, the nearest first, each with the name in it that leads to the place."""
    while place != place.parent:
        if _is_result(place.parent):
            yield place.parent, place.name
        place = place.parent


def _is_result(folder: Path) -> bool:
    """Whether the folder has a manifest of ours. Where it is damaged, no command removes anything there."""
    manifest = folder / MANIFEST_NAME
    try:
        if not manifest.is_file():
            return False
        contents = parse_json(read_bytes(manifest))
    except (OSError, ValueError):
        return False
    return isinstance(contents, dict) and contents.get("kind") == KIND
