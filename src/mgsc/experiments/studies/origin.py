"""The origin of the settings of a cell's agents: tuned for this problem, on another suite, or never."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mgsc.experiments.design.suites import settings_as_dict
from mgsc.experiments.store.resumable import different_keys, plain
from mgsc.experiments.studies.design import Cell
from mgsc.experiments.tuning.chosen import read_sweep

TUNED, REUSED, DEFAULT = "tuned", "reused", "default"
"""Kinds of origin: tuned for exactly this problem; on a suite that differs, or changed since; never tuned."""


def origins_of(cell: Cell) -> dict[str, dict[str, Any]]:
    """The origin of the settings of each agent of a cell.

    Returns:
        By agent: ``kind``: one of the three above; ``sweep``: the suite whose committed sweep has them, None for
        ``DEFAULT``; ``changed``: settings that differ from the tuned ones, by dotted names in the suite.
    """
    sweep = read_sweep(cell.suite_name)
    base, own = (plain(settings_as_dict(suite)) for suite in (cell.unchanged, cell.suite))
    world = different_keys(_world(base if sweep is None else sweep["settings"]), _world(own))
    found = {}
    for agent in cell.suite.agents:
        is_tuned = sweep is not None and agent in sweep["chosen"]
        changed = [
            *world,
            *(f"{agent}.{key}" for key in different_keys(base["agents"][agent], own["agents"][agent])),
        ]
        kind = DEFAULT if not is_tuned else REUSED if changed else TUNED
        found[agent] = {"kind": kind, "sweep": cell.suite_name if is_tuned else None, "changed": changed}
    return found


def sweeps_of(cells: list[Cell]) -> dict[str, Any]:
    """Of each committed sweep that cells take settings from: its protocol, seeds, versions and a digest of these.

    What the sweep has of other agents is not part of the digest: a sweep may grow.
    """
    agents: dict[str, set[str]] = {}
    for cell in cells:
        agents.setdefault(cell.suite_name, set()).update(cell.suite.agents)
    found = {name: read_sweep(name) for name in agents}
    return {
        name: {
            **{key: sweep[key] for key in ("protocol", "tuning_seeds", "versions") if key in sweep},
            "digest": _digest({agent: chosen for agent, chosen in sweep["chosen"].items() if agent in agents[name]}),
        }
        for name, sweep in found.items()
        if sweep is not None
    }


def _digest(chosen: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def _world(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all agents share, and nothing that is only a name."""
    return {key: value for key, value in settings.items() if key not in ("agents", "title")}
