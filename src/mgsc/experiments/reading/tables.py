"""A comparison for people (tables in a terminal or a README) and for scripts (JSON)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mgsc.experiments.reading.analysis import AgentRow, Comparison, Measures
from mgsc.experiments.reading.mechanisms import Mechanism
from mgsc.experiments.reading.statistics import Interval
from mgsc.experiments.reading.table_text import markdown_lines, titled_table

if TYPE_CHECKING:
    from rich.console import RenderableType

ABSENT = "–"
WHERE_WRONG = (
    "wrong_mass",
    "uniform_wrong_mass",
    "weighted_error",
    "uniform_error",
    "weighted_error_ratio",
)
"""Measures taken over the phases in which the model is wrong, wherever one number stands."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, and what it shows of an agent."""

    heading: str
    show: Callable[[AgentRow], str]


@dataclass(frozen=True)
class Section:
    """One table: its title, its rows, its columns after the agent's name, and an explanation."""

    title: str
    rows: tuple[AgentRow, ...]
    columns: tuple[Column, ...]
    note: str


def to_json(comparison: Comparison) -> str:
    """The comparison as strict JSON; what doesn't apply is null.

    Returns:
        ``{"suite": …, "agents": {NAME: {"n", "mean", "low", "high", "fraction_of_optimal", …}}}``.
        An interval is a number beside ``…_low`` and ``…_high``. The measures of d stand over all
        steps (those of ``WHERE_WRONG``: over the phases in which the model is wrong), and under
        ``"phases"`` over the phases in which it is right and wrong. ``"mechanism"`` holds ``"means"``
        of all measures and the ``"correlations"`` of d's change.
    """
    agents = {row.name: _agent_json(comparison, row) for row in comparison.rows}
    contents = _without_nan({"suite": comparison.suite, "agents": agents})
    return json.dumps(contents, indent=2, allow_nan=False, ensure_ascii=False)


def to_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown tables, for a README; ends without a newline."""
    texts = []
    for section in sections(comparison):
        heads = ["agent", *(_one_line(column.heading) for column in section.columns)]
        rows = [[f"`{row.name}`", *(column.show(row) for column in section.columns)] for row in section.rows]
        lines = markdown_lines(heads, [False, *[True] * len(section.columns)], rows)
        texts.append("\n".join([f"**{section.title}**", "", *lines, "", section.note]))
    return "\n\n".join(texts)


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
            table.add_row(row.name, *(column.show(row) for column in section.columns), style=style)
        parts.append(Padding(table, (0, 0, 1, 0)))
    return Group(*parts)


def sections(comparison: Comparison) -> tuple[Section, ...]:
    """The tables of a comparison: reward, against the baseline, where d goes, why that helps, and the budget."""
    planning = tuple(row for row in comparison.rows if not math.isnan(row.phases["all"].entropy))
    found = [
        _reward_section(comparison),
        _against_section(comparison),
        _wrong_section(planning),
        _redundant_section(planning),
        _why_section(planning),
        _budget_section(comparison.rows),
    ]
    return tuple(section for section in found if section.rows)


def _reward_section(comparison: Comparison) -> Section:
    return Section(
        f"{comparison.title}: total reward after {comparison.steps:,} steps",
        comparison.rows,
        (
            Column("n", lambda row: str(row.n)),
            Column("mean", lambda row: _number(row.total.estimate)),
            Column(_interval_heading(comparison), lambda row: _bounds(row.total, _number)),
            Column("of\noptimum", _of("all", _share_of_optimum)),
            Column("model\nright", _of("right", _share_of_optimum)),
            Column("model\nwrong", _of("wrong", _share_of_optimum)),
        ),
        f"Optimum: the best ε-soft policy expects {_number(comparison.optimal_reward)}, the best"
        f" unconstrained one {_number(comparison.unconstrained_reward)}. Model right, wrong: share"
        " of the optimum in the phases in which the model is.",
    )


def _against_section(comparison: Comparison) -> Section:
    interval = _interval_heading(comparison)
    return Section(
        f"Against {comparison.baseline}",
        tuple(row for row in comparison.rows if row.name != comparison.baseline),
        (
            Column("differ-\nence", lambda row: _signed(row.difference.estimate)),
            Column(interval, lambda row: _bounds(row.difference, _signed)),
            Column("P\n(better)", lambda row: _decimal(row.improvement.estimate)),
            Column(interval, lambda row: _bounds(row.improvement, _decimal)),
            Column("wins", lambda row: _percent(row.win_rate)),
        ),
        f"Difference: total reward minus {comparison.baseline}'s, paired by seed. P (better):"
        " probability that a run beats one of it. Wins: share of seeds on which it does.",
    )


def _wrong_section(rows: tuple[AgentRow, ...]) -> Section:
    return Section(
        "Planning where the model is wrong",
        rows,
        (
            Column("entropy\nright", _of("right", lambda m: _decimal(m.entropy))),
            Column("entropy\nwrong", _of("wrong", lambda m: _decimal(m.entropy))),
            Column("on wrong\nstates", _of("wrong", lambda m: _percent(m.wrong_mass, 1))),
            Column("(uniform)", _of("wrong", lambda m: _percent(m.uniform_wrong_mass, 1))),
            Column("error\nratio", _of("wrong", lambda m: _decimal(m.weighted_error_ratio))),
        ),
        "Entropy of d in nats, in phases in which the model is right and wrong. On wrong states:"
        " d's mass on them in the phases in which they are wrong. Error ratio: Σ d·e in these"
        " phases over uniform's.",
    )


def _redundant_section(rows: tuple[AgentRow, ...]) -> Section:
    return Section(
        "Planning that changes little",
        rows,
        (
            Column("redun-\ndant,\nright", _of("right", _redundant)),
            Column("(uni-\nform)", _of("right", _uniform_redundant)),
            Column("update\nratio,\nright", _of("right", _update_ratio)),
            Column("redun-\ndant,\nwrong", _of("wrong", _redundant)),
            Column("(uni-\nform)", _of("wrong", _uniform_redundant)),
            Column("update\nratio,\nwrong", _of("wrong", _update_ratio)),
        ),
        "Redundant: d's mass on updates near zero, wrong states aside. Update ratio: Σ d·|E δ| over"
        " uniform's. Right, wrong: the phases in which the model is.",
    )


def _why_section(rows: tuple[AgentRow, ...]) -> Section:
    return Section(
        "Why: what planning brings, and where it moves after a switch",
        rows,
        (
            Column("useful", _mean("useful_share", _percent)),
            Column("align-\nment", _mean("alignment", _decimal)),
            Column("value\nerror", _mean("value_error", _decimal)),
            Column("with\nmodel\nerror", _correlation("model_error", "found")),
            Column("(shuf-\nfled)", _correlation("model_error", "shuffled")),
            Column("with\nvalue\nerror", _correlation("value_error", "found")),
            Column("(shuf-\nfled)", _correlation("value_error", "shuffled")),
        ),
        "Useful: share of planning updates, drawn from d and answered by the model, that bring values closer to the"
        " phase's optimum (`replay` asks no model: of its updates this says nothing). Alignment: cosine of the"
        " planned direction with the true one. Value error: mean |q − q*|. With model, value error: rank"
        " correlation of d's change after a switch with that error, over states; below 0, planning moves away from it."
        " Shuffled: the same with d's change shuffled.",
    )


def _budget_section(rows: tuple[AgentRow, ...]) -> Section:
    return Section(
        "Budget per real step",
        rows,
        (
            Column("planning\nupdates", lambda row: _plain(row.budget.sampled_updates)),
            Column("model\nqueries", lambda row: _plain(row.budget.model_queries)),
            Column("expected\nbackups", lambda row: _plain(row.budget.expected_backups)),
            Column("time\n[µs]", lambda row: _plain(row.budget.microseconds_per_step)),
            Column("compilation\n[s]", lambda row: f"{row.budget.compile_seconds:.1f}"),
        ),
        "Time: run time over the steps of all seeds, which run side by side.",
    )


def _agent_json(comparison: Comparison, row: AgentRow) -> dict[str, Any]:
    in_wrong = _measures_json(row.phases["wrong"]) if "wrong" in row.phases else {}
    return {
        "n": row.n,
        "mean": row.total.estimate,
        "low": row.total.low,
        "high": row.total.high,
        **_measures_json(row.phases["all"]),
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
        "phases": {
            kind: _measures_json(row.phases[kind]) if kind in row.phases else None for kind in ("right", "wrong")
        },
        "budget": asdict(row.budget),
    }


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


def _measures_json(measures: Measures) -> dict[str, Any]:
    contents: dict[str, Any] = {}
    for name, value in vars(measures).items():
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


def _interval_heading(comparison: Comparison) -> str:
    return f"{100 * comparison.level:g} %\ninterval"


def _of(kind: str, show: Callable[[Measures], str]) -> Callable[[AgentRow], str]:
    """A cell about one kind of phase, empty where there is none of that kind."""
    return lambda row: show(row.phases[kind]) if kind in row.phases else ABSENT


def _mean(name: str, show: Callable[[float], str]) -> Callable[[AgentRow], str]:
    return lambda row: show(row.mechanism.means[name].interval.estimate)


def _correlation(error: str, which: str) -> Callable[[AgentRow], str]:
    def show(row: AgentRow) -> str:
        interval: Interval = getattr(row.mechanism.correlations[error], which)
        return ABSENT if math.isnan(interval.estimate) else f"{interval.estimate:+.2f}"

    return show


def _share_of_optimum(measures: Measures) -> str:
    return _percent(measures.fraction_of_optimal.estimate)


def _redundant(measures: Measures) -> str:
    return _percent(measures.redundant_mass, 1)


def _uniform_redundant(measures: Measures) -> str:
    return _percent(measures.uniform_redundant_mass, 1)


def _update_ratio(measures: Measures) -> str:
    return _decimal(measures.weighted_update_ratio)


def _bounds(interval: Interval, show: Callable[[float], str]) -> str:
    if math.isnan(interval.low):
        return ABSENT
    return f"{show(interval.low)} … {show(interval.high)}"


def _number(value: float, form: str = ",") -> str:
    """A reward: without decimals once it is large, with three figures while it is small."""
    if math.isnan(value):
        return ABSENT
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{form}.{digits}f}"


def _signed(value: float) -> str:
    return _number(value, "+,")


def _decimal(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.2f}"


def _percent(value: float, digits: int = 0) -> str:
    return ABSENT if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _plain(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.3g}"
