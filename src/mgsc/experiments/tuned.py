"""The settings chosen by tuning, committed beside the sweeps they came from."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.run import Seeds
from mgsc.experiments.suites import Suite, change_suite, get_suite


def tuned_suite(name: str, seeds: Seeds | None = None, file: str | None = None) -> Suite:
    """A suite with the settings tuning chose for it; with its defaults where it was never tuned.

    Args:
        seeds: reporting seeds; they must not be among those the settings were tuned on.
        file: a sweep to take in place of the committed one.

    Raises:
        UserError: no such suite or file, or an overlap of reporting with tuning seeds.
    """
    suite = get_suite(name)
    sweep = read_sweep(name) if file is None else read_sweep_file(name, file)
    if sweep is None:
        return suite
    if seeds is not None:
        refuse_overlap(seeds, [Seeds(**used) for used in sweep["tuning_seeds"]])
    changes = {f"{agent}.{key}": value for agent, chosen in sweep["chosen"].items() for key, value in chosen.items()}
    return change_suite(suite, changes)


def read_sweep(name: str) -> dict[str, Any] | None:
    """The committed sweep of a suite, or None."""
    file = resources.files("mgsc.experiments") / "sweeps" / f"{name}.json"
    return dict(json.loads(file.read_text())) if file.is_file() else None


def read_sweep_file(name: str, file: str) -> dict[str, Any]:
    """A sweep that ``mgsc tune`` wrote.

    Raises:
        UserError: the file cannot be read, is no sweep, or is of another suite.
    """
    try:
        with open(file) as text:
            sweep = json.load(text)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{file} is no sweep: it is not JSON") from None
    if not isinstance(sweep, dict) or not {"suite", "chosen", "tuning_seeds"} <= set(sweep):
        raise UserError(f"{file} is no sweep of `mgsc tune`")
    if sweep["suite"] != name:
        raise UserError(f"{file} is a sweep of {sweep['suite']}, not of {name}")
    return sweep


def refuse_overlap(reporting: Seeds, tuning: list[Seeds]) -> None:
    """Refuses to report on seeds that settings were tuned on.

    Raises:
        UserError: naming the seeds both use.
    """
    for used in tuning:
        first = max(used.first, reporting.first)
        last = min(used.first + used.count, reporting.first + reporting.count) - 1
        if used.root == reporting.root and first <= last:
            raise UserError(
                f"seeds {first}..{last} of root seed {used.root} were used for tuning: "
                "report on another --root-seed, or on others with --first-seed"
            )
