"""The settings chosen by tuning, from the committed sweeps."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from mgsc.environments.row import OBJECTIVES
from mgsc.errors import UserError, check_type, shown_value
from mgsc.experiments.design.names import check_agent_name
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import SUITES, Suite, change_suite, get_suite
from mgsc.experiments.store.resumable import refuse_unfinished
from mgsc.experiments.store.sealed import unsealed
from mgsc.files import read_json, usable_path
from mgsc.settings import unknown

UNTUNED = "none"
"""In place of a sweep's file: no sweep."""


def tuned_suite(name: str, seeds: Seeds | None = None, file: str | None = None) -> Suite:
    """A suite with the settings tuning chose for it; with its defaults where it was never tuned.

    Args:
        seeds: reporting seeds; they must not be among those the settings were tuned on.
        file: a sweep in place of the committed one; ``UNTUNED`` for the suite's own settings.

    Raises:
        UserError: no such suite or file, or an overlap of reporting with tuning seeds.
    """
    suite = get_suite(name)
    if file == UNTUNED:
        return suite
    sweep = read_sweep(name) if file is None else read_sweep_file(name, file)
    return suite if sweep is None else apply_sweep(suite, sweep, seeds)


def apply_sweep(suite: Suite, sweep: Mapping[str, Any], seeds: Seeds | None = None) -> Suite:
    """A suite with the settings that a sweep chose for its agents.

    Args:
        suite: has all agents of the sweep.
        sweep: from ``tune_suite``.
        seeds: reporting seeds; they must not be among those the settings were tuned on.

    Raises:
        UserError: that is no sweep, the suite lacks one of its agents, or an overlap of reporting with tuning seeds.
    """
    check_type("suite", suite, Suite, "be a Suite")
    if not isinstance(sweep, Mapping) or not _has_chosen(sweep):
        raise UserError(f"the sweep is a {type(sweep).__name__} without choices: give it as tune_suite returns it")
    if missing := [agent for agent in sweep["chosen"] if agent not in suite.agents]:
        raise UserError(f"the sweep chose for {', '.join(missing)}: the suite has {', '.join(suite.agents) or 'none'}")
    if seeds is not None:
        check_type("seeds", seeds, Seeds, "be Seeds")
        refuse_overlap(seeds, _seeds_of(sweep))
    changes = {f"{agent}.{key}": value for agent, chosen in sweep["chosen"].items() for key, value in chosen.items()}
    return change_suite(suite, changes)


def read_sweep(name: str) -> dict[str, Any] | None:
    """The committed sweep of a suite, or None."""
    file = resources.files("mgsc.experiments.tuning") / "sweeps" / f"{name}.json"
    return dict(json.loads(file.read_text())) if file.is_file() else None


def read_sweep_file(name: str, file: str) -> dict[str, Any]:
    """The sweep of a suite in a file of ``mgsc tune``.

    Raises:
        UserError: the file cannot be read, is no sweep, or is of another suite.
    """
    sweep = _read_json(file)
    if sweep["suite"] != name:
        raise UserError(f"{file} is a sweep of {sweep['suite']}, not of {name}")
    return sweep


def load_sweep(file: str) -> dict[str, Any]:
    """The sweep of any suite in a file of ``mgsc tune``.

    Raises:
        UserError: the file cannot be read, or is no sweep.
    """
    sweep = _read_json(file)
    if not isinstance(sweep.get("agents"), dict) or not isinstance(sweep.get("settings"), dict):
        raise UserError(f"{file} is no sweep of `mgsc tune`: it lacks its agents or settings")
    for agent, entry in sweep["agents"].items():
        check_agent_name(agent)
        if not _is_entry(entry):
            raise UserError(f"{file} is no sweep of `mgsc tune`: what it says of {agent} is incomplete")
    return sweep


def find_sweep(name_or_file: str) -> dict[str, Any]:
    """The committed sweep of a suite, or the one in a file.

    Raises:
        UserError: neither a suite nor a file; a suite that was never tuned; a file that is no sweep.
    """
    if is_suite(name_or_file):
        sweep = read_sweep(name_or_file)
        if sweep is None:
            raise UserError(f"{name_or_file} was never tuned: `mgsc tune {name_or_file}` writes a sweep")
        return sweep
    if not os.path.exists(usable_path(name_or_file)):
        refuse_unfinished(Path(name_or_file), "tuning", "`mgsc tune --resume`")
        raise UserError(f"no such file; {unknown('suite', name_or_file, SUITES)}")
    return load_sweep(name_or_file)


def is_suite(name_or_file: str) -> bool:
    """Whether a text names a suite; a file of the same name is given as ``./NAME``."""
    return name_or_file in SUITES


def _read_json(file: str) -> dict[str, Any]:
    sweep = read_json(file, "sweep")
    if not isinstance(sweep, dict) or not _has_chosen(sweep):
        raise UserError(f"{file} is no sweep of `mgsc tune`")
    protocol = sweep.get("protocol", {})
    objective = protocol.get("objective", "reward") if isinstance(protocol, dict) else protocol
    if objective not in OBJECTIVES:
        known = ", ".join(OBJECTIVES)
        raise UserError(f"{file} is a sweep with the objective {shown_value(objective)}: known are {known}")
    return unsealed(sweep, file)


def _has_chosen(sweep: Mapping[str, Any]) -> bool:
    """Whether this names a suite, settings for its agents, and the seeds that they were tuned on."""
    try:
        for used in _seeds_of(sweep):
            used.check()
        is_named = isinstance(sweep["suite"], str) and len(sweep["tuning_seeds"]) > 0
        return is_named and all(isinstance(own, dict) for own in sweep["chosen"].values())
    except (AttributeError, KeyError, TypeError, UserError):
        return False


def _seeds_of(sweep: Mapping[str, Any]) -> list[Seeds]:
    return [Seeds(**used) for used in sweep["tuning_seeds"]]


def _is_entry(entry: Any) -> bool:
    """Whether this is what a sweep says of one agent."""
    try:
        names = set(entry["space"])
        rows = [*entry["configurations"], *entry["finalists"]]
        numbers = [number for row in rows for number in (row["mean"], row["n"], *row["settings"].values())]
        numbers += [end for span in entry["space"].values() for end in (span["low"], span["high"])]
        are_numbers = all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
        are_complete = all({*row} >= {"low", "high"} and set(row["settings"]) == names for row in rows)
        is_among = any(row["settings"] == entry["chosen"] for row in entry["finalists"])
        return are_numbers and are_complete and is_among and set(entry["at_edge"]) <= names
    except (AttributeError, KeyError, TypeError, OverflowError):
        return False


def refuse_overlap(reporting: Seeds, tuning: list[Seeds]) -> None:
    """Checks that reporting seeds are no tuning seeds.

    Raises:
        UserError: some are; the error names them.
    """
    for used in tuning:
        first = max(used.first, reporting.first)
        last = min(used.first + used.count, reporting.first + reporting.count) - 1
        if used.root == reporting.root and first <= last:
            raise UserError(
                f"seeds {first}..{last} of root seed {used.root} were used for tuning: "
                "report on another --root-seed, or on others with --first-seed"
            )
