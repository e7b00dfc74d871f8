"""Parts of a suite that are exchanged by name: ``--set policy=linear_epsilon``."""

from __future__ import annotations

import dataclasses
from typing import Any

from mgsc.errors import UserError, shown_value
from mgsc.experiments.design.own import OwnPart
from mgsc.experiments.design.parts import NAMED_PARTS
from mgsc.experiments.design.suite import Suite
from mgsc.settings import setting_names

EXCHANGED = tuple(part for part in NAMED_PARTS if part != "environment")
"""The parts that may be. Another environment makes another suite."""


def exchange(suite: Suite, part: str, name: Any) -> Suite:
    """The suite with another part, of default settings.

    Args:
        part: one of ``EXCHANGED``.
        name: of its table.

    Raises:
        UserError: there is no such part.
    """
    rows = NAMED_PARTS[part]
    if not isinstance(name, str) or name not in rows:
        settings = getattr(suite, part)
        settings = settings.options if isinstance(settings, OwnPart) else settings
        own = [f"{part}.{key}" for key in setting_names(settings)] if dataclasses.is_dataclass(settings) else []
        hint = f"; settings of the present one are {', '.join(own)}" if own else ""
        raise UserError(f"{part} is set to {shown_value(name)}: allowed are {', '.join(rows)}{hint}")
    changed: dict[str, Any] = {part: rows[name].settings()}
    return dataclasses.replace(suite, **changed)


def refuse_other_part(suite: Suite, part: str, path: str, key: str) -> None:
    """Refuses a setting that the suite's part lacks, and another one has.

    Args:
        part: a setting of the suite.
        path: of the setting within it.
        key: as given.

    Raises:
        UserError: naming the others.
    """
    if part not in EXCHANGED:
        return
    name, own = path.partition(".")[0], setting_names(getattr(suite, part))
    if name in own:
        return
    others = [f"{part}={other}" for other, row in NAMED_PARTS[part].items() if name in setting_names(row.settings)]
    if others:
        known = f"known: {', '.join(sorted(own))}" if own else f"this {part} has none"
        raise UserError(f"unknown setting {key!r} ({known}); set {' or '.join(others)} with it")
