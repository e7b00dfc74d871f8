"""The description of a result on the page: agents, places, tables, totals, settings."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.figures.reward import mean_text
from mgsc.experiments.figures.style import FEATURED, agent_names, brief, styles
from mgsc.experiments.reading import analysis, sections
from mgsc.experiments.reading.mechanisms import has_d
from mgsc.experiments.reading.missing import what_is_missing
from mgsc.experiments.report.measures import UNDEFINED_WITHOUT_EPISODES, measures_of

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.figures.style import Style
    from mgsc.experiments.report.find import Found


OF_SEEDS_THERE = "In each chunk only the seeds in which an episode ended; gaps where none did."


def describe_suite(found: Found) -> dict[str, Any]:
    """A result without its large arrays.

    Args:
        found: a result.

    Returns:
        Plain JSON values; None in place of NaN.
    """
    dataset = found.dataset
    comparison = analysis.compare(dataset)
    described = {
        "label": found.label,
        "title": comparison.title,
        "suite": comparison.suite,
        "level": comparison.level,
        "agents": _agents(dataset),
        "seeds": dataset["seed"].values.tolist(),
        "steps": dataset["step"].values.tolist(),
        "switches": [int(step) for step in dataset.attrs["switch_steps"]],
        **_of_tables(dataset),
        "missing": what_is_missing(comparison.has),
        "totals": _totals(dataset, comparison),
        "measures": [_measure(dataset, measure) for measure in measures_of(dataset)],
        "tables": [_table(section, comparison.baseline) for section in sections.sections(comparison)],
        "facts": _facts(dataset),
    }
    return plain(described)  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """The value with None in place of NaN and infinities, which JSON has not."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _agents(dataset: xr.Dataset) -> list[dict[str, Any]]:
    names = agent_names(dataset)
    of_planning = dataset["query_distribution" if has_d(dataset) else "entropy"]
    plans = np.isfinite(of_planning.values).reshape(len(names), -1).any(axis=1)
    looks = styles(names)
    return [
        {"name": name, "plans": bool(does_plan), "isFeatured": name == FEATURED, **_look(looks[name])}
        for name, does_plan in zip(names, plans, strict=True)
    ]


def _look(style: Style) -> dict[str, Any]:
    dashes = [] if style.dashes == "solid" else list(style.dashes[1])
    return {"colour": style.colour, "marker": style.marker, "dashes": dashes, "width": style.width}


def _of_tables(dataset: xr.Dataset) -> dict[str, Any]:
    """What tables say of phases and states; None without them, and of a learned model none says when it is wrong."""
    if "is_model_wrong" not in dataset.coords:
        return {"phaseOfChunk": None, "isModelWrong": None, "states": None}
    is_known = analysis.knows_where_wrong(dataset)
    return {
        "phaseOfChunk": dataset["phase_of_chunk"].values.tolist(),
        "isModelWrong": np.asarray(dataset["is_model_wrong"].values, bool).tolist() if is_known else None,
        "states": _states(dataset),
    }


def _states(dataset: xr.Dataset) -> dict[str, Any]:
    rewards = dataset["goal_reward"].values.astype(float).tolist() if "goal_reward" in dataset else None
    start = dataset["start"].values.astype(float).tolist() if "start" in dataset else None
    return {
        "row": dataset["state_row"].values.tolist(),
        "column": dataset["state_column"].values.tolist(),
        "isCandidate": np.asarray(dataset["is_candidate"].values, bool).tolist(),
        "wrongInPhase": [np.flatnonzero(wrong).tolist() for wrong in dataset["wrong_state"].values],
        "goalReward": rewards,
        "start": start,
    }


def _totals(dataset: xr.Dataset, comparison: analysis.Comparison) -> dict[str, Any]:
    agents = [
        {
            "seeds": analysis.total_reward(dataset, row.name).tolist(),
            "interval": list(row.total),
            # Rounded here, as in figures and tables: a browser rounds halves otherwise.
            "label": _with_minus(mean_text(dataset, row.name)),
            "texts": [_with_minus(brief(number)) for number in row.total],
        }
        for row in comparison.rows
    ]
    return {
        "agents": agents,
        "optimal": comparison.optimal_reward,
        "unconstrained": comparison.unconstrained_reward,
        "steps": comparison.steps,
    }


def _with_minus(text: str) -> str:
    return text.replace("-", "−")


def _measure(dataset: xr.Dataset, measure: Any) -> dict[str, Any]:
    has_reference = measure.reference is not None and measure.reference in dataset
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "reference": measure.reference_title if has_reference else None,
        "note": OF_SEEDS_THERE if measure.name in UNDEFINED_WITHOUT_EPISODES else None,
    }


def _table(section: sections.Section, baseline: str) -> dict[str, Any]:
    return {
        "title": section.title,
        "note": section.note,
        "heads": [column.heading.replace("-\n", "").replace("\n", " ") for column in section.columns],
        "rows": [
            {
                "agent": row.name,
                "isBaseline": row.name == baseline,
                "cells": [column.show(row) for column in section.columns],
            }
            for row in section.rows
        ],
    }


def _facts(dataset: xr.Dataset) -> dict[str, Any]:
    attributes = dataset.attrs
    return {
        "created": str(attributes.get("created", "")),
        "rootSeed": int(attributes["root_seed"]),
        "versions": json.loads(attributes["versions"]),
        "settings": json.dumps(json.loads(attributes["settings"]), indent=2, ensure_ascii=False),
    }
