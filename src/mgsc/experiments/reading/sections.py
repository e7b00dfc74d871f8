"""The tables of a comparison, in cells of text; tables without contents are left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mgsc.experiments.reading.analysis import AgentRow, Comparison, Measures
from mgsc.experiments.reading.episodes import STRETCHES
from mgsc.experiments.reading.statistics import Interval

ABSENT = "–"
FEW_SEEDS = 5
"""Of fewer, a bootstrap draws the same ones too often."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, and its cell for an agent."""

    heading: str
    show: Callable[[AgentRow], str]


@dataclass(frozen=True)
class Section:
    """One table: its title, its rows, its columns after the agent's name, and an explanation."""

    title: str
    rows: tuple[AgentRow, ...]
    columns: tuple[Column, ...]
    note: str


def sections(comparison: Comparison) -> tuple[Section, ...]:
    """The tables of a comparison: reward, against the baseline, episodes, where d goes, why that helps, and the budget.

    Args:
        comparison: of a result.

    Returns:
        Those with contents for the result's problem.
    """
    planning = tuple(row for row in comparison.rows if not math.isnan(row.phases["all"].entropy))
    found = [_reward_section(comparison)]
    if "truth" in comparison.has or not comparison.has_one_total:
        found.append(_against_section(comparison))
    if "episodes" in comparison.has:
        found += [_episodes_section(comparison, stretch) for stretch in STRETCHES]
        found.append(_returns_section(comparison))
    if {"truth", "listed"} <= set(comparison.has):
        found += [_wrong_section(planning), _redundant_section(planning), _why_section(planning)]
    else:
        found.append(_spread_section(comparison))
        found += [_values_section(comparison)] if "truth" in comparison.has else []
    found.append(_budget_section(comparison.rows))
    return tuple(section for section in found if section.rows)


def _reward_section(comparison: Comparison) -> Section:
    which = f"of {_where(comparison)}" if comparison.selected else f"after {comparison.steps:,} steps"
    title = f"{comparison.title}: total reward {which}"
    columns = (
        Column("n", lambda row: str(row.n)),
        Column("mean", lambda row: _number(row.total.estimate)),
        Column(_interval_heading(comparison), lambda row: _bounds(row.total, _number)),
    )
    if "truth" not in comparison.has:
        note = f"Sum of the rewards of {_where(comparison)}, mean over n seeds."
        if comparison.has_one_total:
            note += " Every run has the same: it does not depend on what is done."
        return Section(title, comparison.rows, columns, note)
    return Section(
        title,
        comparison.rows,
        (
            *columns,
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
        f" probability that a run beats one of it. Wins: share of seeds on which it does.{_of_few_seeds(comparison)}",
    )


def _of_few_seeds(comparison: Comparison) -> str:
    fewest = min(row.n for row in comparison.rows)
    return f" With {fewest} seeds the bootstrap's interval of P is too narrow." if 1 < fewest < FEW_SEEDS else ""


def _episodes_section(comparison: Comparison, stretch: str) -> Section:
    interval = _interval_heading(comparison)
    found = {row.name: row.episodes[stretch] for row in comparison.rows}
    steps = next(iter(found.values())).steps
    where = _where(comparison)
    if stretch != "whole":
        where = f"the last third{' of these' if comparison.selected else ''}, {steps:,} steps"
    note = "Return and length: means over the episodes that ended. Terminated, truncated: episodes that the task ended,"
    note += " and that were cut short, per seed."
    without = [f"{name} ({one.seeds_without})" for name, one in found.items() if one.seeds_without]
    if without:
        note += f" No mean where no episode ended in some seeds: {', '.join(without)}."
    return Section(
        f"Episodes of {where}",
        comparison.rows,
        (
            Column("return", lambda row: _number(found[row.name].mean_return.estimate)),
            Column(interval, lambda row: _bounds(found[row.name].mean_return, _number)),
            Column("length", lambda row: _number(found[row.name].mean_length.estimate)),
            Column(interval, lambda row: _bounds(found[row.name].mean_length, _number)),
            Column("termi-\nnated", lambda row: _count(found[row.name].terminated)),
            Column("trun-\ncated", lambda row: _count(found[row.name].truncated)),
        ),
        note,
    )


def _returns_section(comparison: Comparison) -> Section:
    interval, whole = _interval_heading(comparison), "all" if comparison.selected else "whole\nrun"

    def difference(row: AgentRow, stretch: str) -> Interval:
        return row.episodes[stretch].difference

    return Section(
        f"Against {comparison.baseline}: return of an episode",
        tuple(row for row in comparison.rows if row.name != comparison.baseline),
        (
            Column(whole, lambda row: _signed(difference(row, "whole").estimate)),
            Column(interval, lambda row: _bounds(difference(row, "whole"), _signed)),
            Column("last\nthird", lambda row: _signed(difference(row, "last_third").estimate)),
            Column(interval, lambda row: _bounds(difference(row, "last_third"), _signed)),
        ),
        f"Mean return of an episode minus {comparison.baseline}'s, paired by seed.",
    )


def _where(comparison: Comparison) -> str:
    """Which steps were compared."""
    if comparison.selected is None:
        return "the whole run"
    first, last = comparison.selected
    return f"steps {first + 1:,} to {last:,}"


def _spread_section(comparison: Comparison) -> Section:
    interval = _interval_heading(comparison)
    return Section(
        "Spread of d",
        tuple(row for row in comparison.rows if row.budget.sampled_updates > 0),
        (
            Column("entropy", _mean("entropy", _decimal)),
            Column(interval, _mean_bounds("entropy", _decimal)),
            Column("effective\ncandidates", _mean("effective_candidates", _number)),
            Column(interval, _mean_bounds("effective_candidates", _number)),
        ),
        "Entropy of d over the candidates of a step, in nats. Effective candidates: how many d is spread over,"
        " exp(entropy). Means over all steps.",
    )


def _values_section(comparison: Comparison) -> Section:
    return Section(
        "Values",
        comparison.rows,
        (
            Column("value\nerror", _mean("value_error", _decimal)),
            Column(_interval_heading(comparison), _mean_bounds("value_error", _decimal)),
        ),
        "Value error: distance of values from the phase's optimum, mean |q − q*|.",
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
        " phase's optimum (`replay` queries no model: this measures nothing of its updates). Alignment: cosine of the"
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
        "Time: run time over the steps of all seeds, which run side by side. Compilation: wall time, several at once.",
    )


def _interval_heading(comparison: Comparison) -> str:
    return f"{100 * comparison.level:g} %\ninterval"


def _of(kind: str, show: Callable[[Measures], str]) -> Callable[[AgentRow], str]:
    """A cell about one kind of phase, empty where there is none of that kind."""
    return lambda row: show(row.phases[kind]) if kind in row.phases else ABSENT


def _mean(name: str, show: Callable[[float], str]) -> Callable[[AgentRow], str]:
    return lambda row: show(row.mechanism.means[name].interval.estimate)


def _mean_bounds(name: str, show: Callable[[float], str]) -> Callable[[AgentRow], str]:
    return lambda row: _bounds(row.mechanism.means[name].interval, show)


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


def _count(value: float) -> str:
    """A mean of counts: with a decimal only where it is no whole number."""
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"


def _signed(value: float) -> str:
    return _number(value, "+,")


def _decimal(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.2f}"


def _percent(value: float, digits: int = 0) -> str:
    return ABSENT if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _plain(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.3g}"
