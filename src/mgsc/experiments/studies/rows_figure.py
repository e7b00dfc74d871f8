"""The figure of a study of many choices: a row for each, a panel for each ground, means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mgsc.experiments.figures.style import (
    FAINT,
    INK,
    LABEL,
    SHADE,
    Style,
    beside,
    counted,
    dress,
    headline,
    new_figure,
    with_commas,
)
from mgsc.experiments.studies.design import AS_TUNED
from mgsc.experiments.studies.summary import intervals_of, steps_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BESIDE = 8
"""Most choices side by side under a panel."""

DODGE = 0.2
"""Distance of the agents within a row, so that none hides another."""


def is_of_rows(summary: Mapping[str, Any]) -> bool:
    """Whether a study has so many choices that each has a row."""
    (axis,) = summary["axes"]
    return not axis["is_ordered"] and len(axis["values"]) > MOST_BESIDE


def draw_rows(summary: Mapping[str, Any], styles: Mapping[str, Style]) -> Figure:
    """Total reward of every choice, from the top; what is unchanged is drawn through all rows.

    Args:
        summary: of a study for which ``is_of_rows``.
        styles: of its agents.
    """
    (axis,) = summary["axes"]
    figure = new_figure(height=1.2 + 0.2 * len(axis["values"]))
    panels = figure.subplots(1, len(summary["grounds"]), squeeze=False, sharey=True)[0]
    for axes, ground in zip(panels, summary["grounds"], strict=True):
        for agent in ground["agents"]:
            aside = DODGE * (ground["agents"].index(agent) - (len(ground["agents"]) - 1) / 2)
            _agent(axes, summary, ground["label"], agent, styles[agent], aside)
        dress(axes)
        axes.set_title(beside(ground["label"], len(panels)), fontsize=LABEL, loc="left", color=INK)
        axes.grid(axis="x", color=SHADE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(2))
        axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
        axes.tick_params(axis="y", length=0, labelsize=LABEL)
    panels[0].set_yticks(range(len(axis["values"])), axis["values"])
    panels[0].set_ylim(len(axis["values"]) - 0.5, -0.5)
    seeds = counted(summary["seeds"]["count"], "seed")
    headline(figure, f"{summary['title']}: {steps_text(summary)}, mean and 95 % interval, {seeds}")
    figure.supxlabel("total reward", fontsize=LABEL)
    return figure


def _agent(axes: Axes, summary: Mapping[str, Any], ground: str, agent: str, style: Style, aside: float) -> None:
    (axis,) = summary["axes"]
    mean, low, high = intervals_of(summary, ground, agent)
    places = np.arange(len(mean)) + aside
    for place in np.flatnonzero([label == AS_TUNED for label in axis["values"]]):
        axes.axvspan(low[place], high[place], color=FAINT, alpha=0.2, linewidth=0, zorder=0)
        axes.axvline(mean[place], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.hlines(places, low, high, color=style.colour, linewidth=1.2, zorder=3)
    axes.scatter(mean, places, s=18, marker=style.marker, color=style.colour, linewidths=0, zorder=4)
