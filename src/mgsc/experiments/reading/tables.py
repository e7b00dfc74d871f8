"""A comparison as tables for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mgsc.experiments.reading.analysis import AgentRow, Comparison, Measures
from mgsc.experiments.reading.episodes import Episodes
from mgsc.experiments.reading.mechanisms import Mechanism
from mgsc.experiments.reading.missing import what_is_missing
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.statistics import Interval
from mgsc.experiments.reading.table_text import markdown_lines, titled_table

if TYPE_CHECKING:
    from rich.console import RenderableType

WHERE_WRONG = (
    "wrong_mass",
    "uniform_wrong_mass",
    "weighted_error",
    "uniform_error",
    "weighted_error_ratio",
)
"""Measures that are taken over the phases in which the model is wrong, where a table has one number."""


def to_json(comparison: Comparison) -> str:
    """The comparison as strict JSON; numbers that do not apply are null.

    Returns:
        ``{"suite": …, "agents": {NAME: {"n", "mean", "low", "high", "fraction_of_optimal", …}}}``.
        An interval is a number beside ``…_low`` and ``…_high``. The measures of d stand over all
        steps (those of ``WHERE_WRONG``: over the phases in which the model is wrong), and under
        ``"phases"`` over the phases in which it is right and wrong. ``"mechanism"`` holds ``"means"``
        of all measures and the ``"correlations"`` of d's change, ``"episodes"`` those of episodes. ``"missing"``, if it
        is there, names what the result lacks, ``"not_finite"`` the rewards that are not finite,
        ``"selected_steps"`` the first and last of those that were compared, and ``"side_by_side"`` in which settings
        several results differ.
    """
    agents = {row.name: _agent_json(comparison, row) for row in comparison.rows}
    more = {
        "missing": what_is_missing(comparison.has),
        "not_finite": comparison.broken,
        "selected_steps": dict(zip(("first", "last"), comparison.selected or (), strict=False)),
        "side_by_side": list(comparison.side_by_side),
    }
    contents = _without_nan(
        {"suite": comparison.suite, "agents": agents, **{key: value for key, value in more.items() if value}}
    )
    return json.dumps(contents, indent=2, allow_nan=False, ensure_ascii=False)


def to_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown tables, for a README; ends without a newline."""
    texts = []
    for section in sections(comparison):
        heads = ["agent", *(_one_line(column.heading) for column in section.columns)]
        rows = [[_code(row.name), *(column.show(row) for column in section.columns)] for row in section.rows]
        lines = markdown_lines(heads, [False, *[True] * len(section.columns)], rows)
        texts.append("\n".join([f"**{section.title}**", "", *lines, "", section.note]))
    return "\n\n".join([*texts, *_notes(comparison)])


def to_tables(comparison: Comparison) -> RenderableType:
    """The comparison as tables for a rich console; they fit 80 columns and read in plain text."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    for section in sections(comparison):
        table = titled_table(section.title, section.note)
        table.add_column("agent", overflow="fold", vertical="bottom")  # names give way to numbers
        for column in section.columns:
            table.add_column(Text(column.heading), justify="right", no_wrap=True, vertical="bottom")
        for row in section.rows:
            style = "bold" if row.name == comparison.baseline else None
            table.add_row(Text(row.name), *(column.show(row) for column in section.columns), style=style)
        parts.append(Padding(table, (0, 0, 1, 0)))
    return Group(*parts, *map(Text, _notes(comparison)))


def _code(name: str) -> str:
    """A name as code in a cell of Markdown, which a bare bar would end."""
    return "`" + name.replace("|", r"\|") + "`"


def _notes(comparison: Comparison) -> list[str]:
    """In which settings several results differ, what they lack, and their rewards that are not finite."""
    texts = (" ".join(comparison.side_by_side), what_is_missing(comparison.has), comparison.broken)
    return [text for text in texts if text]


def _agent_json(comparison: Comparison, row: AgentRow) -> dict[str, Any]:
    in_wrong = _flat(row.phases["wrong"]) if "wrong" in row.phases else {}
    return {
        "n": row.n,
        "mean": row.total.estimate,
        "low": row.total.low,
        "high": row.total.high,
        **_flat(row.phases["all"]),
        **{name: in_wrong.get(name, math.nan) for name in WHERE_WRONG},
        **_interval_json("interquartile_mean", row.interquartile_mean),
        "optimal_reward": comparison.optimal_reward,
        "unconstrained_reward": comparison.unconstrained_reward,
        "level": comparison.level,
        "baseline": comparison.baseline,
        **_interval_json("difference", row.difference),
        **_interval_json("probability_of_improvement", row.improvement),
        "win_rate": row.win_rate,
        "mechanism": _mechanism_json(row.mechanism),
        "phases": {kind: _flat(row.phases[kind]) if kind in row.phases else None for kind in ("right", "wrong")},
        "budget": asdict(row.budget),
        **({"episodes": _episodes_json(row.episodes)} if row.episodes else {}),
    }


def _episodes_json(episodes: Mapping[str, Episodes]) -> dict[str, Any]:
    return {stretch: _flat(of_stretch) for stretch, of_stretch in episodes.items()}


def _mechanism_json(mechanism: Mechanism) -> dict[str, Any]:
    return {
        "means": {
            name: {**_interval_json("mean", mean.interval), "undefined_chunks": mean.undefined, "chunks": mean.chunks}
            for name, mean in mechanism.means.items()
        },
        "correlations": {
            error: {
                **_interval_json("found", correlation.found),
                **_interval_json("shuffled", correlation.shuffled),
                **_interval_json("difference", correlation.difference),
                "windows": correlation.windows,
            }
            for error, correlation in mechanism.correlations.items()
        },
    }


def _flat(numbers: Measures | Episodes) -> dict[str, Any]:
    """Numbers by name; an interval becomes three."""
    contents: dict[str, Any] = {}
    for name, value in vars(numbers).items():
        is_interval = isinstance(value, Interval)
        contents.update(_interval_json(name, value) if is_interval else {name: value})
    return contents


def _interval_json(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _one_line(heading: str) -> str:
    return heading.replace("-\n", "").replace("\n", " ")
