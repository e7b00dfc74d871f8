"""The option ``--set KEY=VALUE`` of every command that changes settings of a suite."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mgsc.errors import UserError


def add_set(parser: argparse.ArgumentParser) -> None:
    """Adds the option; ``parse_changes`` reads the texts that it leaves in ``changes``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting, as in environment.slip=0.2",
    )


def parse_changes(texts: Sequence[str], *, steps: int | None = None) -> dict[str, Any]:
    """The settings that these texts change, by key, for ``change_suite``.

    Args:
        texts: KEY=VALUE each.
        steps: of ``--steps``, where a command has that option and it was given.

    Raises:
        UserError: a text that is no KEY=VALUE, or a key that is set twice.
    """
    changes: dict[str, Any] = {} if steps is None else {"steps": steps}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UserError(f"--set {text!r}: write KEY=VALUE, as in environment.slip=0.2")
        if key in changes:
            other = f" (--steps {steps})" if key == "steps" and steps is not None else ""
            raise UserError(f"--set {text!r}: {key} is set twice{other}; set it once")
        changes[key] = value
    return changes
