"""Figures of reward: the total of every seed, and the average through time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import blended_transform_factory

from mgsc.experiments.figures.style import (
    FAINT,
    INK,
    LABEL,
    SHADE,
    SMALL,
    Style,
    agent_names,
    brief,
    dress,
    headline,
    jitter,
    legend_below,
    new_figure,
    seeds_text,
    styles,
    title_of,
    value_axis,
    with_commas,
)
from mgsc.experiments.reading import analysis
from mgsc.experiments.reading.chunks import lengths_of, steps_per_chunk
from mgsc.experiments.reading.statistics import mean_interval, mean_of_those_there

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
MOST_MARKERS = 12
SPREAD = "mean and 95 % interval of "


class Curve(NamedTuple):
    """A mean over seeds with its 95 % interval, at some steps; each [chunk]."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats


def total_reward(dataset: xr.Dataset) -> Figure:
    """Total reward per agent: every seed a dot, the mean with its 95 % interval, and the optimum where there is one.

    Args:
        dataset: a result, per ``store.contract``.

    Returns:
        The figure; an agent with one seed has no interval.
    """
    agents = agent_names(dataset)
    style = styles(agents)
    optimum = optimum_of(dataset)
    figure = new_figure(height=1.2 + 0.4 * len(agents))
    axes = figure.add_subplot()
    for place, agent in enumerate(agents):
        _dots(axes, place, analysis.total_reward(dataset, agent), style[agent])
    if has_optimum(dataset):
        _mark_optimum(axes, optimum)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(agents)), [mean_text(dataset, agent) for agent in agents])
    right.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    right.spines["right"].set_visible(False)
    axes.set_yticks(range(len(agents)), agents)
    axes.set_ylim(len(agents) - 0.5, -0.6)
    value_axis(axes, "x")
    steps = int(dataset["step"].values[-1])
    dress(axes, x=f"total reward of {steps:,} steps  [reward]")
    axes.tick_params(axis="y", length=0, labelsize=LABEL)
    title = f"{title_of(dataset)}: total reward, {seeds_text(dataset, SPREAD)}"
    headline(figure, title)
    return figure


def _mark_optimum(axes: Axes, optimum: float) -> None:
    axes.axvline(optimum, color=INK, linewidth=1.0, linestyle=(0, (6, 2)), zorder=1)
    axes.annotate(
        f"best ε-soft policy: {brief(optimum)} ",
        (optimum, 1.0),
        xycoords=blended_transform_factory(axes.transData, axes.transAxes),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=SMALL,
    )


def reward_through_time(dataset: xr.Dataset) -> Figure:
    """Average reward per step through the run and, where rewards switch, around a switch.

    Args:
        dataset: a result, per ``store.contract``.

    Returns:
        The figure: below the whole run, the mean over all phases that follow a switch; of fixed models apart for
        phases in which the model is right and wrong.
    """
    agents = agent_names(dataset)
    told = ("right", "wrong") if analysis.knows_where_wrong(dataset) else ("all",)
    kinds = [kind for kind in told if _segments(dataset, kind)]
    figure = new_figure(height=5.2 if kinds else 3.1)
    rows = figure.add_gridspec(2 if kinds else 1, max(1, len(kinds)))
    top = figure.add_subplot(rows[0, :])
    _through_run(top, dataset, agents)
    first: Any = None
    for column, kind in enumerate(kinds):
        axes = figure.add_subplot(rows[1, column], sharey=first)
        first = first or axes
        _since_switch(axes, dataset, agents, kind)
        if column:
            axes.set_ylabel("")
    title = f"{title_of(dataset)}: average reward, {seeds_text(dataset, SPREAD)}"
    headline(figure, title)
    optimum = Line2D([], [], color=INK, linewidth=0.8, label="best ε-soft policy, expected")
    optima = [optimum] if has_optimum(dataset) else []
    legend_below(figure, [*agent_handles(agents), *optima, *world_handles(dataset)], has_dashes=True)
    return figure


def _dots(axes: Axes, place: int, totals: Floats, style: Style) -> None:
    """The seeds as a cloud; above it, so that neither hides the other, the mean and interval."""
    heights = place + 0.15 + 0.38 * jitter(len(totals))
    axes.scatter(totals, heights, s=9, color=style.colour, alpha=0.5, linewidths=0, zorder=2)
    mean, low, high = mean_interval(totals)
    above = place - 0.24
    axes.plot(
        [low, high],
        [above, above],
        color=INK,
        linewidth=1.2,
        marker="|",
        markersize=6,
        markeredgewidth=1.2,
        zorder=4,
    )
    size = 45 if style.marker == "*" else 16
    axes.scatter([mean], [above], s=size, marker=style.marker, color=style.colour, zorder=3)


def mean_text(dataset: xr.Dataset, agent: str) -> str:
    """The mean total reward of an agent, and its share of the optimum where there is one above 0."""
    optimum = optimum_of(dataset)
    mean = float(analysis.total_reward(dataset, agent).mean())
    share = f" ({100 * mean / optimum:.0f} %)" if optimum > 0 else ""
    return f"{brief(mean)}{share}"


def _through_run(axes: Axes, dataset: xr.Dataset, agents: list[str]) -> None:
    steps = np.asarray(dataset["step"].values, np.float64)
    lengths = steps_per_chunk(dataset)
    shade_wrong(axes, dataset)
    draw_switches(axes, dataset)
    if has_optimum(dataset):
        _optimum(axes, steps, np.asarray(dataset["optimal_reward"].values, np.float64) / lengths)
    for agent in agents:
        curve = curve_of(steps, _reward_per_step(dataset, agent))
        draw_curve(axes, curve, styles(agents)[agent])
    axes.set_xlim(0, steps[-1])
    axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
    dress(axes, x="environment step", y="reward per step")


def _since_switch(axes: Axes, dataset: xr.Dataset, agents: list[str], kind: str) -> None:
    segments = _segments(dataset, kind)
    length = max(len(segment) for segment in segments)
    chosen = [segment for segment in segments if len(segment) == length]
    lengths = steps_per_chunk(dataset)
    steps = np.cumsum(lengths[chosen[0]])
    if kind == "wrong":
        axes.axvspan(0, steps[-1], color=SHADE, linewidth=0, zorder=0)
    if has_optimum(dataset):
        optimum = np.asarray(dataset["optimal_reward"].values, np.float64) / lengths
        _optimum(axes, steps, np.mean([optimum[segment] for segment in chosen], axis=0))
    for agent in agents:
        rewards = _reward_per_step(dataset, agent)
        aligned = np.mean([rewards[:, segment] for segment in chosen], axis=0)
        draw_curve(axes, curve_of(steps, aligned), styles(agents)[agent])
    axes.set_xlim(0, steps[-1])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
    phases = f"{len(chosen)} phase{'s' if len(chosen) != 1 else ''}"
    dress(
        axes,
        f"mean of {phases}" if kind == "all" else f"model {kind}: mean of {phases}",
        "steps since the switch",
        "reward per step",
    )


def has_optimum(dataset: xr.Dataset) -> bool:
    """Whether the result has an optimum, as those of problems with tables do."""
    return "optimal_reward" in dataset


def optimum_of(dataset: xr.Dataset) -> float:
    """Total reward of the best ε-soft policy, NaN where the result has none."""
    return float(dataset["optimal_reward"].values.sum()) if has_optimum(dataset) else math.nan


def _segments(dataset: xr.Dataset, kind: str) -> list[npt.NDArray[np.int64]]:
    """Chunks between two switches, the first stretch aside, of a kind: the model is right, wrong, or either."""
    switches = np.asarray(dataset.attrs["switch_steps"], np.float64)
    ends = np.asarray(dataset["step"].values, np.float64)
    number = np.searchsorted(switches, ends, side="left")
    is_of_kind = analysis.chunks_of_kind(dataset, kind)
    stretches = [np.flatnonzero(number == one) for one in range(1, len(switches) + 1)]
    return [chunks for chunks in stretches if len(chunks) and is_of_kind[chunks].all()]


def _reward_per_step(dataset: xr.Dataset, agent: str) -> Floats:
    rewards = np.asarray(dataset["reward"].sel(agent=agent).values, np.float64)
    per_step: Floats = rewards / steps_per_chunk(dataset)
    return per_step


def curve_of(steps: Floats, values: Floats) -> Curve:
    """Mean and interval over the seeds of [B, chunk] values, plotted at the chunks' middles."""
    middles = steps - lengths_of(steps) / 2
    bounds = np.array([mean_interval(column) for column in values.T])
    return Curve(middles, *bounds.T)


def curve_of_those_there(steps: Floats, values: Floats) -> Curve:
    """``curve_of`` the seeds that have a number, chunk by chunk; NaN where none has."""
    middles = steps - lengths_of(steps) / 2
    return Curve(middles, *np.array([mean_of_those_there(column) for column in values.T]).T)


def draw_curve(axes: Axes, curve: Curve, style: Style, most_markers: int = MOST_MARKERS) -> None:
    """A mean with its interval as a band; of its markers, no more than a few, those of other agents stand apart."""
    axes.fill_between(curve.steps, curve.low, curve.high, color=style.colour, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(
        curve.steps,
        curve.mean,
        color=style.colour,
        linewidth=style.width,
        linestyle=style.dashes,
        marker=style.marker,
        markersize=6 if style.marker == "*" else 3.5,
        markevery=marked(len(curve.steps), most_markers, style.rank),
        zorder=4 if style.marker == "*" else 3,
    )


def marked(count: int, most: int, rank: float) -> list[int]:
    """Which points of a curve carry a marker.

    Args:
        count: of the points.
        most: markers.
        rank: in [0, 1), another one for each agent: markers of different agents stand apart.

    Returns:
        One point in each of as many equal stretches, in each at another place: rewards switch at equal times, and
        markers are not to show the same moment after every switch.
    """
    every = max(1, -(-count // most))
    golden = (math.sqrt(5) - 1) / 2
    points = [int((number + (rank + golden * number) % 1) * every) for number in range(-(-count // every))]
    return [point for point in points if point < count]


def _optimum(axes: Axes, steps: Floats, optimum: Floats) -> None:
    edges = np.concatenate([[0.0], steps])
    axes.stairs(optimum, edges, baseline=None, color=INK, linewidth=0.8, zorder=1.5)


def shade_wrong(axes: Axes, dataset: xr.Dataset) -> None:
    """Shades every stretch of chunks in which a fixed model is wrong somewhere."""
    if not analysis.knows_where_wrong(dataset):
        return
    is_wrong = analysis.chunks_of_kind(dataset, "wrong")
    edges = np.concatenate([[0.0], np.asarray(dataset["step"].values, np.float64)])
    turns = np.flatnonzero(np.diff(np.concatenate([[False], is_wrong, [False]]).astype(int)))
    for begin, end in turns.reshape(-1, 2):
        axes.axvspan(edges[begin], edges[end], color=SHADE, linewidth=0, zorder=0)


def draw_switches(axes: Axes, dataset: xr.Dataset) -> None:
    """A line at every switch of the rewards."""
    for step in dataset.attrs["switch_steps"]:
        axes.axvline(step, color=FAINT, linewidth=0.5, zorder=1)


def agent_handles(agents: list[str]) -> list[Any]:
    """Entries of a legend: the style of each agent."""
    return [
        Line2D(
            [],
            [],
            color=style.colour,
            linewidth=style.width,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=7 if style.marker == "*" else 4,
            label=agent,
        )
        for agent, style in styles(agents).items()
    ]


def world_handles(dataset: xr.Dataset) -> list[Any]:
    """Entries of a legend: the switches and the stretches in which a fixed model is wrong, where there are any."""
    handles: list[Any] = []
    if dataset.attrs["switch_steps"]:
        handles.append(Line2D([], [], color=FAINT, linewidth=0.8, label="switch of the rewards"))
    if analysis.knows_where_wrong(dataset) and analysis.chunks_of_kind(dataset, "wrong").any():
        handles.append(Patch(color=SHADE, label="model wrong"))
    return handles
