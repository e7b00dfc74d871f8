"""The summary of a study: plain data, with all contents of its figure and table, and their origin."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, row_of, settings_as_dict, updates_of
from mgsc.experiments.reading.statistics import Interval, mean_interval, paired_difference
from mgsc.experiments.store.resumable import plain, refuse_unfinished
from mgsc.experiments.store.sealed import sealed, unsealed
from mgsc.experiments.studies.design import AS_TUNED, BEST_FIXED, Cell, Study
from mgsc.experiments.studies.origin import origins_of, sweeps_of
from mgsc.files import read_json, usable_path
from mgsc.settings import unknown

KIND = "mgsc study"
NAME = re.compile(r"[\w-]+", re.ASCII)
"""Form of a study's name: its figures and tables are called so, and lead nowhere else."""

OWN_ORIGIN = "computed_by"
"""The provenance of an entry that was taken from another summary, if it differs from that of the others."""

WIN, TIE, LOSS = "win", "tie", "loss"
VERDICTS = (WIN, TIE, LOSS, None)

Floats = npt.NDArray[np.float64]

Totals = Mapping[str, Sequence[float]]
"""By ``Cell.entry``, the total reward of each seed."""


def summarise(
    name: str,
    study: Study,
    cells: Sequence[Cell],
    seeds: Seeds,
    totals: Totals,
    numbers_of: Mapping[str, Any],
    own_origins: Mapping[str, Mapping[str, Any]] = {},
) -> dict[str, Any]:
    """The summary of a study's results.

    Args:
        cells: all cells, from ``cells_of``.
        totals: of every agent of every cell, by ``Cell.entry``.
        numbers_of: versions, backend and provenance of the numbers.
        own_origins: by ``Cell.entry``, those of entries with another provenance.
    """
    summary: dict[str, Any] = plain(
        {
            "kind": KIND,
            "study": name,
            "title": study.title,
            "note": study.note,
            "reference": study.reference,
            **({"compares": True} if study.compares else {}),
            "seeds": {"count": seeds.count, "root": seeds.root, "first": seeds.first},
            **numbers_of,
            "sweeps": sweeps_of(list(cells)),
            "grounds": [{"label": ground.label, "agents": ground.agents} for ground in study.grounds],
            "axes": [
                {"label": axis.label, "values": [value.label for value in axis.values], "is_ordered": axis.is_ordered}
                for axis in study.axes
            ],
            "cells": [_cell(study, cell, cells, totals, own_origins) for cell in cells],
        }
    )
    return summary


def _cell(
    study: Study, cell: Cell, cells: Sequence[Cell], totals: Totals, own_origins: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    settings = settings_as_dict(cell.suite)
    own, origins = settings.pop("agents"), origins_of(cell)
    costs = costs_of(cell.suite) if study.compares else {}
    return {
        "ground": cell.ground,
        "at": cell.at,
        "suite": cell.suite_name,
        "settings": settings,
        **({"optimum": optimum_of(cell.suite)} if study.compares else {}),
        "agents": {
            agent: {
                **costs.get(agent, {}),
                "n": len(totals[cell.entry(agent)]),
                **_numbers(mean_interval(totals[cell.entry(agent)])),
                "difference": _difference(study.reference, cell, agent, cells, totals),
                "totals": totals[cell.entry(agent)],
                "origin": origins[agent],
                "settings": own[agent],
                **({OWN_ORIGIN: own_origins[cell.entry(agent)]} if own_origins.get(cell.entry(agent)) else {}),
            }
            for agent in cell.suite.agents
        },
    }


def optimum_of(suite: Suite) -> float:
    """The expected total reward of the best ε-soft policy."""
    from mgsc.experiments.running.optimal import optimum

    return round(float(optimum(suite).sum()), 2)


def costs_of(suite: Suite) -> dict[str, dict[str, int]]:
    """Of each agent, the sampled planning updates and the expected backups per real step."""
    from mgsc.experiments.running.build import build_problem, expected_backups

    problem, costs = build_problem(suite), {}
    for name, agent in suite.agents.items():
        updates = updates_of(suite, agent)
        backups = expected_backups(suite, agent, problem) if updates else 0
        costs[name] = {"updates": updates, "backups": int(backups)}
    return costs


def _numbers(interval: Interval) -> dict[str, float | None]:
    return {
        key: None if math.isnan(value) else round(value, 2)
        for key, value in zip(("mean", "low", "high"), interval, strict=True)
    }


def _difference(reference: str, cell: Cell, agent: str, cells: Sequence[Cell], totals: Totals) -> dict[str, Any] | None:
    """An agent's paired difference to what it is compared with; None for that itself."""
    if reference == BEST_FIXED:
        rival, name = _best_fixed(cell, agent, cells, totals)
    elif reference == AS_TUNED:
        rival, name = next((other, agent) for other in cells if (other.ground, other.at[0]) == (cell.ground, AS_TUNED))
    else:
        rival, name = cell, reference
    if rival.entry(name) == cell.entry(agent):
        return None
    label = AS_TUNED if reference == AS_TUNED else name
    if rival.at != cell.at and reference == BEST_FIXED:
        label = f"{name} with K = {updates_of(rival.suite, rival.suite.agents[name])}"
    paired = paired_difference(totals[cell.entry(agent)], totals[rival.entry(name)])
    return {"to": label, **_numbers(paired), "verdict": verdict(paired)}


def _best_fixed(cell: Cell, agent: str, cells: Sequence[Cell], totals: Totals) -> tuple[Cell, str]:
    """The agent without learned search control that has the highest mean with at most as many updates."""
    most = updates_of(cell.suite, cell.suite.agents[agent])
    rivals = [
        (other, name)
        for other in cells
        if (other.ground, other.suite_name) == (cell.ground, cell.suite_name) and _world(other) == _world(cell)
        for name, settings in other.suite.agents.items()
        if not learns_search_control(settings) and updates_of(other.suite, settings) <= most
    ]
    # Of equal ones, such as an agent that makes no updates at all, that of this cell.
    return max(rivals, key=lambda rival: (sum(totals[rival[0].entry(rival[1])]), rival[0].at == cell.at))


def learns_search_control(agent: AgentSettings) -> bool:
    """Whether an agent learns its d by a meta-gradient."""
    return row_of(agent).is_meta_learned


def _world(cell: Cell) -> Suite:
    """All of a cell's suite but its agents."""
    return dataclasses.replace(cell.suite, agents={})


def verdict(difference: Interval) -> str | None:
    """Whether an interval lies above 0, holds 0, or lies below; None where there is no interval."""
    if math.isnan(difference.low):
        return None
    return WIN if difference.low > 0 else LOSS if difference.high < 0 else TIE


def write_summary(summary: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a summary as JSON with its checksum, all at once; an agent of a cell is one line."""
    from mgsc.experiments.store.files import as_store_errors, write_atomically

    with as_store_errors("write", Path(path)):
        write_atomically(Path(path), to_text(sealed(summary)).encode())


def to_text(summary: Mapping[str, Any]) -> str:
    """A summary as JSON."""
    head = json.dumps({key: value for key, value in summary.items() if key != "cells"}, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "cells": [\n' + ",\n".join(map(_cell_text, summary["cells"])) + "\n ]\n}\n"


def _cell_text(cell: Mapping[str, Any]) -> str:
    head = json.dumps({key: value for key, value in cell.items() if key != "agents"}, ensure_ascii=False)
    agents = ",\n".join(f"   {json.dumps(agent)}: {json.dumps(entry)}" for agent, entry in cell["agents"].items())
    return f'  {head[:-1]}, "agents": {{\n{agents}\n  }}}}'


def find_summary(name_or_file: str) -> dict[str, Any]:
    """The committed summary of a study, or the one in a file.

    Raises:
        UserError: neither a study nor a file; a study without a committed summary; a file that is none.
    """
    from mgsc.experiments.studies.table import STUDIES

    if name_or_file in STUDIES:
        file = summaries() / f"{name_or_file}.json"
        if not file.is_file():
            raise UserError(
                f"{name_or_file} has no committed summary: `mgsc study run {name_or_file}` writes one to show"
            )
        return load_summary(str(file))
    if not os.path.exists(usable_path(name_or_file)):
        refuse_unfinished(Path(name_or_file), "study", "`mgsc study run --resume`")
        raise UserError(f"no such file; {unknown('study', name_or_file, STUDIES)}")
    return load_summary(name_or_file)


def summaries() -> Path:
    """The folder of the committed summaries."""
    return Path(str(resources.files("mgsc.experiments") / "studies" / "summaries"))


def load_summary(file: str) -> dict[str, Any]:
    """The summary in a file of ``mgsc study run``.

    Raises:
        UserError: the file cannot be read, or is no summary.
    """
    summary = read_json(file, "summary")
    if not _is_summary(summary):
        raise UserError(f"{file} is no complete summary of `mgsc study run`")
    return unsealed(summary, file)


def _is_summary(summary: Any) -> bool:
    """Whether this holds all that figures and tables show, for every cell."""
    try:
        words = [summary[key] for key in ("study", "title", "note", "reference", "backend")]
        words += [part["label"] for part in (*summary["axes"], *summary["grounds"])]
        words += [value for axis in summary["axes"] for value in axis["values"]]
        expected = [
            (ground["label"], [*at], [*ground["agents"]])
            for ground in summary["grounds"]
            for at in product(*(axis["values"] for axis in summary["axes"]))
        ]
        found = [(cell["ground"], cell["at"], [*cell["agents"]]) for cell in summary["cells"]]
        entries = [entry for cell in summary["cells"] for entry in cell["agents"].values()]
        count = summary["seeds"]["count"]
        return (
            summary["kind"] == KIND
            and all(isinstance(word, str) for word in words)
            and NAME.fullmatch(summary["study"]) is not None
            and isinstance(summary["versions"], dict)
            and found == expected
            and (not summary.get("compares") or all(_is_compared(cell) for cell in summary["cells"]))
            and all(isinstance(cell["settings"], dict) and cell["settings"]["steps"] > 0 for cell in summary["cells"])
            and all(_is_entry(entry, count) for entry in entries)
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return False


def _is_compared(cell: Mapping[str, Any]) -> bool:
    costs = [entry[key] for entry in cell["agents"].values() for key in ("updates", "backups")]
    return math.isfinite(cell["optimum"]) and all(isinstance(cost, int) for cost in costs)


def _is_entry(entry: Mapping[str, Any], count: int) -> bool:
    difference = entry["difference"]
    rows = [entry] if difference is None else [entry, difference]
    return (
        entry["n"] == len(entry["totals"]) == count
        and all(_is_interval(row) for row in rows)
        and all(math.isfinite(total) for total in entry["totals"])
        and (difference is None or (isinstance(difference["to"], str) and difference["verdict"] in VERDICTS))
        and isinstance(entry["origin"]["kind"], str)
        and isinstance(entry["settings"], dict)
    )


def _is_interval(row: Mapping[str, Any]) -> bool:
    bounds = (row["low"], row["high"])
    return math.isfinite(row["mean"]) and (bounds == (None, None) or all(math.isfinite(bound) for bound in bounds))


def entries_of(summary: Mapping[str, Any], ground: str) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """``(at, agents)`` of every cell of a ground."""
    for cell in summary["cells"]:
        if cell["ground"] == ground:
            yield cell["at"], cell["agents"]


def intervals_of(summary: Mapping[str, Any], ground: str, agent: str) -> tuple[Floats, Floats, Floats]:
    """An agent's means in all cells of a ground, and the two ends of their intervals; NaN where there are none."""
    rows = [agents[agent] for _, agents in entries_of(summary, ground)]
    mean, low, high = (
        np.array([np.nan if row[key] is None else row[key] for row in rows], float) for key in ("mean", "low", "high")
    )
    return mean, low, high


def seeds_phrase(summary: Mapping[str, Any]) -> str:
    """The seeds in words."""
    seeds = summary["seeds"]
    return f"seeds {seeds['first']}..{seeds['first'] + seeds['count'] - 1} of root seed {seeds['root']}"


def steps_text(summary: Mapping[str, Any]) -> str:
    """The length of a run of the study in words."""
    steps = sorted({cell["settings"]["steps"] for cell in summary["cells"]})
    return " or ".join(f"{number:,}" for number in steps) + " steps"
