"""How an agent's reward depends on each of its settings: one figure per agent, drawn from a sweep.

A panel is a setting, with a dot for every configuration. Along the setting the configurations fall into bins; a bin's
median is over all values of the other settings. Its interval is a seeded bootstrap's, of the median: the dots show the
spread, and the interval shows whether a bend in the line is more than chance.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mgsc.experiments.figures.style import (
    FAINT,
    INK,
    SMALL,
    Style,
    counted,
    dress,
    headline,
    jitter,
    new_figure,
    save_all,
    styles,
    with_commas,
)
from mgsc.experiments.reading.statistics import Interval, bootstrap_interval
from mgsc.experiments.tuning.table import brief, edge_text, final_row, objective_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
MOST_WHOLE = 10
"""Most whole numbers that each have their own bin."""

MOST_BINS, LEAST_IN_BIN = 8, 6
MOST_COLUMNS = 3
ZERO_GAP = 0.2
"""Zero stands this share of the (log) range to the left of the smallest value."""


class Bin(NamedTuple):
    """Configurations with about one value of a setting.

    Attributes:
        centre: of the bin, in the setting's unit.
        median: of the configurations' mean rewards, with its bootstrap interval.
        num_configurations: in the bin.
    """

    centre: float
    median: Interval
    num_configurations: int


def sensitivity(sweep: Mapping[str, Any], agent: str) -> Figure:
    """The objective against each tuned setting of an agent, a panel each.

    Args:
        sweep: as ``mgsc tune`` writes it.
        agent: one of its agents.

    Returns:
        The figure: faint dots for the configurations, rings for the finalists, the median of each bin
        with its 95 % interval, and a star for the chosen configuration, at its mean on the final seeds.
    """
    entry = sweep["agents"][agent]
    style = styles(list(sweep["agents"]))[agent]
    columns = min(MOST_COLUMNS, len(entry["space"]))
    rows = math.ceil(len(entry["space"]) / columns)
    figure = new_figure(height=0.95 + 2.35 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, setting in zip(panels, entry["space"], strict=False):
        _panel(axes, entry, setting, style)
    for axes in panels[::columns]:
        axes.set_ylabel(f"{objective_in_words(sweep)}, mean over seeds")
    for axes in panels[len(entry["space"]) :]:
        axes.set_visible(False)
    headline(figure, f"{sweep['settings'].get('title', sweep['suite'])}: settings of {agent}")
    figure.legend(handles=_legend(entry, style), loc="outside lower left", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def write_sensitivity(sweep: Mapping[str, Any], directory: str | os.PathLike[str]) -> list[Path]:
    """Draws every agent of a sweep, as ``sensitivity_AGENT`` in PDF and PNG.

    Args:
        sweep: as ``mgsc tune`` writes it.
        directory: folder for the files, made where missing; files of the same names are replaced.

    Raises:
        UserError: the folder cannot be written.
    """
    return save_all(
        ((f"sensitivity_{quote(agent, safe='')}", sensitivity(sweep, agent)) for agent in sweep["agents"]), directory
    )


def bins_of(values: Sequence[float], rewards: Sequence[float], low: float, high: float) -> list[Bin]:
    """Sorts configurations into bins along one setting.

    Args:
        values: the setting's value in each configuration; whole numbers where it is a count.
        rewards: the mean reward of each.
        low, high: ends of the searched range, outside of which only zero may lie.

    Returns:
        The bins that are not empty, from left to right: zero by itself, whole numbers each by
        themselves where there are few, and otherwise stretches of equal length on the log scale.
    """
    where, reward = np.asarray(values, np.float64), np.asarray(rewards, np.float64)
    found = [_bin(0.0, reward[where == 0])] if (where == 0).any() else []
    where, reward = where[where != 0], reward[where != 0]
    if is_few(values, low, high):
        return found + [_bin(float(value), reward[where == value]) for value in np.unique(where)]
    edges = _edges(values, low, high, len(where))
    place = np.clip(np.searchsorted(edges, where, side="right") - 1, 0, len(edges) - 2)
    centres = np.sqrt(edges[:-1] * edges[1:])
    return found + [_bin(float(centres[one]), reward[place == one]) for one in np.unique(place)]


def is_few(values: Sequence[float], low: float, high: float) -> bool:
    """Whether a setting has so few possible values that each is shown by itself."""
    return low == high or (all(isinstance(value, int) for value in values) and high - low < MOST_WHOLE)


def _edges(values: Sequence[float], low: float, high: float, count: int) -> Floats:
    number = min(MOST_BINS, max(1, count // LEAST_IN_BIN))
    half = 0.5 if all(isinstance(value, int) for value in values) else 0.0
    edges: Floats = np.geomspace(low - half, high + half, number + 1)
    return edges


def _bin(centre: float, rewards: Floats) -> Bin:
    return Bin(centre, bootstrap_interval(rewards, np.median), len(rewards))


def _panel(axes: Axes, entry: Mapping[str, Any], setting: str, style: Style) -> None:
    low, high = (float(entry["space"][setting][end]) for end in ("low", "high"))
    values = [row["settings"][setting] for row in entry["configurations"]]
    rewards = [float(row["mean"]) for row in entry["configurations"]]
    few = is_few(values, low, high)
    places = _Places(low, high, is_log=not few)
    at = places.of(values) + places.spread(values)
    axes.scatter(at, rewards, s=9, color=FAINT, alpha=0.55, linewidths=0, zorder=2)
    is_final = np.array(
        [row["settings"] in [r["settings"] for r in entry["finalists"]] for row in entry["configurations"]]
    )
    axes.scatter(
        at[is_final], np.array(rewards)[is_final], s=30, facecolors="none", edgecolors=INK, linewidths=0.9, zorder=4
    )
    _medians(axes, bins_of(values, rewards, low, high), places, style)
    _mark_chosen(axes, entry, setting, places, style)
    _ticks(axes, places, has_zero=0 in values, values=values if few else None)
    edge = edge_text(entry, setting)
    dress(axes, x=setting, title="")
    words = f"chosen: {brief(entry['chosen'][setting])}" + (f", at the {edge}" if edge else "")
    axes.set_title(words, fontsize=SMALL, loc="left", color=INK)


class _Places(NamedTuple):
    """Where the values of a setting stand along its axis: by their logarithms, zero at the left."""

    low: float
    high: float
    is_log: bool

    @property
    def zero(self) -> float:
        gap = ZERO_GAP * (math.log10(self.high) - math.log10(self.low)) if self.is_log else 1.0
        return (math.log10(self.low) if self.is_log else self.low) - gap

    def of(self, values: Sequence[float]) -> Floats:
        where = np.asarray(values, np.float64)
        shown = np.log10(np.where(where == 0, 1.0, where)) if self.is_log else where
        placed: Floats = np.where(where == 0, self.zero, shown)
        return placed

    def spread(self, values: Sequence[float]) -> Floats:
        """Small steps aside for dots that would hide each other, those of one value."""
        gap = abs(self.zero - float(self.of([self.low])[0]))
        shared = np.equal(values, 0) if self.is_log else np.ones(len(values), bool)
        aside: Floats = np.where(shared, 0.3 * gap * jitter(len(values)), 0.0)
        return aside


def _medians(axes: Axes, bins: Sequence[Bin], places: _Places, style: Style) -> None:
    """The medians, joined by a line except for zero's, and their intervals."""
    at = places.of([one.centre for one in bins])
    estimates = np.array([one.median.estimate for one in bins])
    positive = np.array([one.centre != 0 for one in bins])
    axes.vlines(
        at,
        [one.median.low for one in bins],
        [one.median.high for one in bins],
        color=style.colour,
        linewidth=1.1,
        zorder=3,
    )
    axes.plot(at[positive], estimates[positive], color=style.colour, linewidth=style.width, zorder=3)
    axes.scatter(at, estimates, s=16, marker="s", color=style.colour, linewidths=0, zorder=3.5)


def _mark_chosen(axes: Axes, entry: Mapping[str, Any], setting: str, places: _Places, style: Style) -> None:
    best = final_row(entry)
    at = places.of([entry["chosen"][setting]])
    axes.axvline(at[0], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    if best["low"] is not None:
        axes.vlines(at, best["low"], best["high"], color=INK, linewidth=2.0, zorder=5)
    axes.scatter(at, [best["mean"]], s=85, marker="*", color=style.colour, edgecolors=INK, linewidths=0.7, zorder=6)


def _ticks(axes: Axes, places: _Places, *, has_zero: bool, values: Sequence[float] | None) -> None:
    """Ticks at round numbers of a log scale, at zero, or at the few numbers there are."""
    shown = sorted(set(values)) if values is not None else _round_numbers(places.low, places.high)
    if has_zero and values is None:
        shown = [0.0, *shown]
        axes.axvline((places.zero + math.log10(places.low)) / 2, color=FAINT, linewidth=0.5, zorder=1)
    where = places.of(shown)
    axes.xaxis.set_major_locator(FixedLocator(where.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(where, [_tick_text(value) for value in shown])
    axes.yaxis.set_major_formatter(FuncFormatter(with_commas))


def _tick_text(value: float) -> str:
    """A number without the zeros that ``%g`` writes into an exponent."""
    return re.sub(r"e([+-])0*", lambda found: "e-" if found[1] == "-" else "e", f"{value:g}")


def _round_numbers(low: float, high: float) -> list[float]:
    """Powers of ten in a range; with twice and five times them where those alone are few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [number for number in found if low * 0.999 <= number <= high * 1.001]
        if len(inside) >= 3:
            return inside
    return inside or [low]


def _legend(entry: Mapping[str, Any], style: Style) -> list[Any]:
    tried, final = entry["configurations"][0]["n"], final_row(entry)["n"]

    def handle(label: str, marker: str, **look: Any) -> Line2D:
        return Line2D([], [], linestyle="none", marker=marker, label=label, **look)

    median = handle("median of a bin, 95 % bootstrap interval", "s", color=style.colour, markersize=4)
    median.set(linestyle="solid", linewidth=style.width)
    return [
        handle(
            f"a configuration, mean of {counted(tried, 'seed')}",
            "o",
            color=FAINT,
            alpha=0.7,
            markersize=3.5,
            markeredgewidth=0,
        ),
        handle("finalist", "o", markerfacecolor="none", markeredgecolor=INK, markersize=5.5, markeredgewidth=0.9),
        median,
        handle(
            f"chosen, mean and 95 % interval of {counted(final, 'fresh seed')}",
            "*",
            markerfacecolor=style.colour,
            markeredgecolor=INK,
            markersize=9,
            markeredgewidth=0.7,
        ),
    ]
