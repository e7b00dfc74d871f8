"""Figures of episodes: their return and length through time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FuncFormatter

from mgsc.experiments.figures.reward import (
    Curve,
    agent_handles,
    curve_of_those_there,
    draw_curve,
    draw_switches,
    shade_wrong,
    world_handles,
)
from mgsc.experiments.figures.style import (
    INK,
    SMALL,
    Style,
    agent_names,
    dress,
    headline,
    legend_below,
    new_figure,
    seeds_text,
    styles,
    title_of,
    with_commas,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

SHOWN = {
    "episode_return": ("return of an episode", "return  [reward]", -math.inf),
    "episode_length": ("length of an episode", "length  [environment steps]", 0.0),
}
"""The figures: quantity, axis, and least value."""

SPREAD = "Mean and 95 % interval of the seeds"
WITH_GAPS = "in which an episode ended in the chunk; gaps where none did"
CUT = "Intervals wider than the axis are cut."

MOST_BEYOND = 0.5
"""Share of the means' range by which the axis goes beyond them for intervals: those of two seeds may be very wide."""


def episode_figure(dataset: xr.Dataset, name: str) -> Figure:
    """Return or length of an episode through time.

    Args:
        dataset: a result in which episodes are recorded.
        name: one of ``SHOWN``.

    Returns:
        The figure: for each chunk the mean over the episodes that ended in it, and of that the mean over seeds with
        its 95 % interval. A seed in which none ended is left out of that chunk, and nothing is carried forward.
    """
    agents = agent_names(dataset)
    words, unit, floor = SHOWN[name]
    has_gaps = bool(np.isnan(dataset[name].values).any())
    figure = new_figure(height=3.3)
    axes = figure.add_subplot()
    shade_wrong(axes, dataset)
    draw_switches(axes, dataset)
    steps = np.asarray(dataset["step"].values, np.float64)
    values = {agent: np.asarray(dataset[name].sel(agent=agent).values, np.float64) for agent in agents}
    curves = {agent: curve_of_those_there(steps, of_agent) for agent, of_agent in values.items()}
    for agent, curve in curves.items():
        style = styles(agents)[agent]
        draw_curve(axes, curve, style)
        _mark_lone(axes, curve, style)
    axes.set_xlim(0, steps[-1])
    axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
    axes.yaxis.set_major_formatter(FuncFormatter(with_commas))
    dress(axes, x="environment step", y=unit)
    is_cut = _limit(axes, list(curves.values()), floor)
    axes.set_title(_caption(dataset, has_gaps, is_cut), fontsize=SMALL, loc="left", color=INK)
    headline(figure, f"{title_of(dataset)}: {words}, {seeds_text(dataset)}")
    handles = [*agent_handles(agents), *world_handles(dataset)]
    legend_below(figure, handles, columns=4 if len(handles) == 4 else 3, has_dashes=True)
    return figure


def _caption(dataset: xr.Dataset, has_gaps: bool, is_cut: bool) -> str:
    if dataset.sizes["seed"] == 1:
        return "A gap: no episode ended in the chunk." if has_gaps else ""
    return f"{SPREAD}{f' {WITH_GAPS}' if has_gaps else ''}.{chr(10) + CUT if is_cut else ''}"


def _limit(axes: Axes, curves: Sequence[Curve], floor: float) -> bool:
    """Scales the axis of values to the means and, near them, the intervals; gives whether some interval is cut."""
    _, means, low, high = (np.concatenate(numbers) for numbers in zip(*curves, strict=True))
    least, most = np.nanmin(means, initial=math.inf), np.nanmax(means, initial=-math.inf)
    if not least <= most:
        return False
    beyond = MOST_BEYOND * (most - least)
    bottom = max(np.nanmin(low, initial=least), least - beyond, floor)
    top = min(np.nanmax(high, initial=most), most + beyond)
    margin = 0.05 * (top - bottom) or 0.05
    axes.set_ylim(bottom - margin, top + margin)
    return bool((low < bottom - margin).any() or (high > top + margin).any())


def _mark_lone(axes: Axes, curve: Curve, style: Style) -> None:
    """Chunks between two gaps: a line through one point is not seen."""
    there = np.concatenate([[False], np.isfinite(curve.mean), [False]])
    lone = (there[1:-1] & ~there[:-2]) & ~there[2:]
    axes.scatter(curve.steps[lone], curve.mean[lone], s=8, color=style.colour, linewidths=0, zorder=3)
    several = lone & np.isfinite(curve.low)
    axes.vlines(curve.steps[several], curve.low[several], curve.high[several], color=style.colour, alpha=0.4)
