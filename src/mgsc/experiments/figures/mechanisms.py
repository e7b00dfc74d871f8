"""Figures of mechanisms: an agent's measures through time, and the change of its d after switches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mgsc.experiments.design.quantities import REPORTED_BY, SEARCH_CONTROL
from mgsc.experiments.figures.reward import (
    Curve,
    agent_handles,
    curve_of,
    curve_of_those_there,
    draw_curve,
    draw_switches,
    shade_wrong,
    world_handles,
)
from mgsc.experiments.figures.style import (
    FAINT,
    INK,
    LABEL,
    SHADE,
    agent_names,
    dress,
    headline,
    jitter,
    legend_below,
    new_figure,
    seeds_text,
    styles,
    title_of,
    with_commas,
)
from mgsc.experiments.reading import mechanisms
from mgsc.experiments.reading.statistics import Interval, mean_interval

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
FEW_MARKERS = 5
"""On a curve of a small panel."""


class Panel(NamedTuple):
    """One measure of a page.

    Attributes:
        name: of the variable.
        title: in words.
        unit: of its numbers.
        is_log: whether it spans orders of magnitude.
        line: value of a reference line, NaN for none.
        low, high: bounds of the measure, at which intervals are cut.
    """

    name: str
    title: str
    unit: str
    is_log: bool = False
    line: float = math.nan
    low: float = 0.0
    high: float = math.inf


PAGES = {
    "mechanisms": (
        "what planning brings",
        (
            Panel("useful_share", "useful share of planning", "share", high=1.0),
            Panel("alignment", "alignment with the truth", "cosine", line=0.0, low=-1.0, high=1.0),
            Panel("value_error", "value error, mean |q − q*|", "reward"),
            Panel("wrong_mass", "d on wrong states", "probability", high=1.0),
            Panel("weighted_error", "model error, Σ d·e", "reward"),
            Panel("redundant_mass", "d on redundant updates", "probability", high=1.0),
        ),
    ),
    "mechanisms_inside": (
        "inside search control",
        (
            Panel("entropy", "entropy of d", "nats"),
            Panel("effective_candidates", "effective candidates, exp(entropy)", "candidates", low=1.0),
            Panel("uniform_error", "model error, mean over states", "reward"),
            Panel("weighted_update", "planned update, Σ d·|E δ|", "reward"),
            Panel("overshoot", "overshoot, max α K d π", "above 1: too far", line=1.0),
            Panel("meta_loss", "meta-loss", "reward²", is_log=True),
            Panel("meta_gradient_norm", "norm of the meta-gradient", "reward²", is_log=True),
        ),
    ),
}
"""Pages of small multiples: title and panels of each."""

LEARNED = "learned"
"""The page of the numbers that search control reports, where a result has some."""


def pages() -> tuple[str, ...]:
    """The names of all pages."""
    return (*PAGES, LEARNED)


def has_measures(dataset: xr.Dataset, page: str) -> bool:
    """Whether some agent has one of a page's measures."""
    return bool(_panels(dataset, page))


def measures_through_time(dataset: xr.Dataset, page: str) -> Figure:
    """A page of measures through time, each a panel with all agents that have it.

    Args:
        dataset: a result, per ``store.contract``.
        page: one of ``pages``, for which the result ``has_measures``.

    Returns:
        The figure: means over seeds with 95 % bands. Where a seed lacks a measure in a chunk
        (``mechanisms.UNDEFINED_AT_TIMES``), they are over the other seeds.
    """
    panels = _panels(dataset, page)
    num_columns = min(len(panels), 2)
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure(height=1.0 + 1.75 * num_rows)
    places = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True)
    agents = agent_names(dataset)
    shown: set[str] = set()
    for axes, panel in zip(places.flat, panels, strict=False):
        shown |= _draw_panel(axes, dataset, panel)
    for axes in places.flat[len(panels) :]:
        axes.set_visible(False)
    for column in range(num_columns):
        is_full = len(panels) > num_columns * (num_rows - 1) + column
        last = places[-1 if is_full else max(num_rows - 2, 0), column]
        last.set_xlabel("environment step", fontsize=LABEL)
        last.tick_params(labelbottom=True)
    headline(figure, f"{title_of(dataset)}: {_page(dataset, page)[0]}, {seeds_text(dataset)}{_bands(dataset)}")
    every = agent_handles(agents)
    drawn = [handle for handle in every if handle.get_label() in shown]
    legend_below(figure, drawn + world_handles(dataset), has_dashes=True)
    return figure


def correlating_agents(dataset: xr.Dataset) -> list[str]:
    """The agents whose d changes after switches while some error differs between states; none without d on states."""
    if not mechanisms.has_d(dataset):
        return []
    return [
        agent
        for agent in agent_names(dataset)
        if any(mechanisms.num_windows(dataset, agent, error) for error in mechanisms.ERRORS)
    ]


def correlations(dataset: xr.Dataset) -> Figure:
    """Rank correlations of d's change after a switch with errors, beside those of chance.

    Args:
        dataset: a result with ``correlating_agents``.

    Returns:
        The figure: a panel for each error; every seed a dot, means with 95 % intervals, and the same of d's
        change shuffled over the states.
    """
    agents = correlating_agents(dataset)
    figure = new_figure(height=1.45 + 0.42 * len(agents))
    places = figure.subplots(1, len(mechanisms.ERRORS), squeeze=False, sharey=True, sharex=True)
    for axes, (error, words) in zip(places[0], mechanisms.ERRORS.items(), strict=True):
        axes.axvline(0.0, color=FAINT, linewidth=0.8, zorder=1)
        for place, agent in enumerate(agents):
            found, shuffled, _ = mechanisms.correlation_of_seeds(dataset, agent, error)
            style = styles(agent_names(dataset))[agent]
            axes.scatter(
                found, place + 0.22 + 0.2 * jitter(len(found)), s=6, color=style.colour, alpha=0.45, linewidths=0
            )
            _interval(axes, mean_interval(found), place - 0.08, style.colour, style.marker)
            _interval(axes, mean_interval(shuffled), place - 0.3, FAINT, "|")
        dress(axes, f"with {words}", "rank correlation over states")
        axes.grid(axis="x", color=SHADE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", length=0, labelsize=LABEL)
    places[0, 0].set_yticks(range(len(agents)), agents)
    places[0, 0].set_ylim(len(agents) - 0.5, -0.6)
    headline(figure, f"{title_of(dataset)}: d's change after a switch, {seeds_text(dataset)}")
    handles = [
        Line2D([], [], color=INK, marker="o", markersize=4, linewidth=1.2, label="of d's change, 95 % interval"),
        Line2D([], [], color=FAINT, marker="|", markersize=6, linewidth=1.2, label="shuffled over the states"),
    ]
    legend_below(figure, handles, columns=2)
    return figure


def _bands(dataset: xr.Dataset) -> str:
    return ", 95 % bands" if dataset.sizes["seed"] > 1 else ""


def _page(dataset: xr.Dataset, page: str) -> tuple[str, tuple[Panel, ...]]:
    """What a page shows, in words, and its panels."""
    return ("what is learned", _reported(dataset)) if page == LEARNED else PAGES[page]


def _panels(dataset: xr.Dataset, page: str) -> list[Panel]:
    there = [panel for panel in _page(dataset, page)[1] if panel.name in dataset]
    return [panel for panel in there if not np.isnan(dataset[panel.name].values).all()]


def _reported(dataset: xr.Dataset) -> tuple[Panel, ...]:
    """A panel for each number that a strategy reports of itself."""
    return tuple(
        Panel(
            str(name), str(variable.attrs.get("long_name", name)), str(variable.attrs.get("units", "")), low=-math.inf
        )
        for name, variable in dataset.data_vars.items()
        if variable.attrs.get(REPORTED_BY) == SEARCH_CONTROL
    )


def _draw_panel(axes: Axes, dataset: xr.Dataset, panel: Panel) -> set[str]:
    """Draws one measure; gives the agents that have it."""
    agents = agent_names(dataset)
    shade_wrong(axes, dataset)
    draw_switches(axes, dataset)
    if not np.isnan(panel.line):
        axes.axhline(panel.line, color=INK, linewidth=0.7, linestyle=(0, (6, 2)), zorder=1.5)
    curves: dict[str, Curve] = {}
    for agent in agents:
        values = np.asarray(dataset[panel.name].sel(agent=agent).values, np.float64)
        if np.isnan(values).all():
            continue
        curve = _curve(np.asarray(dataset["step"].values, np.float64), values, panel)
        draw_curve(axes, curve, styles(agents)[agent], FEW_MARKERS)
        curves[agent] = curve
    _limit(axes, panel, list(curves.values()))
    axes.set_xlim(0, float(dataset["step"].values[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
    dress(axes, y=panel.unit)
    axes.set_title(panel.title, fontsize=LABEL, loc="left", color=INK)
    axes.tick_params(labelbottom=False)
    return set(curves)


def _limit(axes: Axes, panel: Panel, curves: Sequence[Curve]) -> None:
    """Scales the axis of values: to the bands within what is possible; a logarithmic one by the means."""
    low = min(_least(bound) for curve in curves for bound in (curve.low, curve.mean))
    high = max(-_least(-bound) for curve in curves for bound in (curve.high, curve.mean))
    if panel.is_log:
        low = min(_least(curve.mean[curve.mean > 0]) for curve in curves)
        if math.isfinite(low) and math.isfinite(high):
            axes.set_yscale("log", nonpositive="clip")
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_ylim(low / 2, high * 2)
        return
    low, high = max(low, panel.low), min(high, panel.high)
    if math.isfinite(low) and math.isfinite(high):
        both = [low, high] if math.isnan(panel.line) else [low, high, panel.line]
        margin = 0.05 * (max(both) - min(both)) or 0.05
        axes.set_ylim(min(both) - margin, max(both) + margin)


def _least(values: Floats) -> float:
    """The smallest number that is finite, infinity where there is none."""
    return float(np.min(values[np.isfinite(values)], initial=math.inf))


def _curve(steps: Floats, values: Floats, panel: Panel) -> Curve:
    """Mean and interval over seeds of [B, chunk] values."""
    curve = curve_of(steps, values)
    return curve_of_those_there(steps, values) if panel.name in mechanisms.UNDEFINED_AT_TIMES else curve


def _interval(axes: Axes, interval: Interval, height: float, colour: str, marker: Any) -> None:
    mean, low, high = interval
    axes.plot([low, high], [height, height], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=4)
    size = 45 if marker == "*" else 30 if marker == "|" else 16
    axes.scatter([mean], [height], s=size, marker=marker, color=colour, zorder=5)
