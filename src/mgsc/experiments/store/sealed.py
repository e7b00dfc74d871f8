"""Sweeps, summaries and other JSON files with a checksum of all they say: silent damage is seen where they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.store.manifest import CHECKSUM, checksum_of


def sealed(contents: Mapping[str, Any]) -> dict[str, Any]:
    """The contents, and their checksum before them.

    Raises:
        StoreError: they hold what JSON cannot.
    """
    return {CHECKSUM: checksum_of(contents), **contents}


def unsealed(contents: Mapping[str, Any], file: object) -> dict[str, Any]:
    """What was sealed, without its checksum. Files of mgsc 0.1.0 have none.

    Args:
        contents: what the file holds.
        file: its name, for the error.

    Raises:
        UserError: the contents are not those that were sealed.
    """
    found = dict(contents)
    seal = found.pop(CHECKSUM, None)
    if seal is not None and seal != checksum_of(found):
        raise UserError(f"{file} is damaged: it does not match its checksum")
    return found
