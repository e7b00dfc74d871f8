"""The figure of a study along one axis: a panel for each ground, the mean of every agent with its interval."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from mgsc.experiments.figures.style import (
    FAINT,
    LABEL,
    Style,
    beside,
    counted,
    dress,
    headline,
    legend_below,
    new_figure,
    save_all,
    styles,
    value_axis,
)
from mgsc.experiments.studies.across import is_comparison
from mgsc.experiments.studies.across_figure import draw_all
from mgsc.experiments.studies.design import AS_TUNED
from mgsc.experiments.studies.heatmap import draw_map
from mgsc.experiments.studies.rows_figure import draw_rows, is_of_rows
from mgsc.experiments.studies.summary import intervals_of, steps_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DODGE = 0.09
"""Distance of the agents within a value, so that none hides another."""

LINE = 84
"""Letters of a label in the width of a figure."""

FEW = 2
"""Most panels that each have a title and a label of full size."""

HEIGHT = 32
"""Letters of a label in the height of a panel."""

MOST_LETTERS = 100
"""Most letters of labels side by side in the width of a figure; with more, labels are turned."""


def draw_study(summary: Mapping[str, Any]) -> Figure:
    """The figure of a summary: lines along one axis, rows of many choices, or a map of two axes."""
    if len(summary["axes"]) == 2:
        return draw_map(summary)
    return draw_rows(summary, styles(_agents(summary))) if is_of_rows(summary) else draw_lines(summary)


def write_study(summary: Mapping[str, Any], directory: str | os.PathLike[str]) -> list[Path]:
    """Draws a summary as ``NAME`` in PDF and PNG; a comparison across problems has several figures.

    Args:
        directory: folder for the files, made where missing; files of the same names are replaced.

    Raises:
        UserError: the folder cannot be written.
    """
    if is_comparison(summary):
        return save_all(draw_all(summary).items(), directory)
    return save_all([(str(summary["study"]), draw_study(summary))], directory)


def draw_lines(summary: Mapping[str, Any]) -> Figure:
    """Total reward along the axis, for each agent; values stand side by side at equal distances."""
    (axis,) = summary["axes"]
    agents = _agents(summary)
    style = styles(agents)
    letters = sum(len(value) + 2 for value in axis["values"])
    is_turned = letters * len(summary["grounds"]) > MOST_LETTERS
    figure = new_figure(height=3.75 if is_turned else 3.4)
    panels = figure.subplots(1, len(summary["grounds"]), squeeze=False)[0]
    for axes, ground in zip(panels, summary["grounds"], strict=True):
        for agent in ground["agents"]:
            place = ground["agents"].index(agent) - (len(ground["agents"]) - 1) / 2
            _agent(axes, summary, ground["label"], agent, style[agent], aside=DODGE * place)
        axes.set_xticks(range(len(axis["values"])), axis["values"])
        axes.set_xlim(-0.5, len(axis["values"]) - 0.5)
        value_axis(axes, "y")
        dress(axes, ground["label"])
        if len(panels) > FEW:
            axes.set_title(beside(ground["label"], len(panels)), fontsize=LABEL, loc="left")
        if is_turned:
            axes.tick_params(axis="x", rotation=90)
    _label_axis(panels, axis["label"])
    panels[0].set_ylabel(textwrap.fill(f"total reward of {steps_text(summary)}", HEIGHT), fontsize=LABEL)
    headline(figure, f"{summary['title']}: mean and 95 % interval, {counted(summary['seeds']['count'], 'seed')}")
    legend_below(figure, _legend(summary, agents, style), columns=4, has_dashes=True)
    return figure


def _label_axis(panels: Sequence[Axes], label: str) -> None:
    """The label of the axis: of two panels each has it, of more the middle ones have it together."""
    if len(panels) <= FEW:
        for axes in panels:
            axes.set_xlabel(textwrap.fill(label, LINE // len(panels)))
        return
    middle = panels[(len(panels) - 1) // 2]
    lines = textwrap.fill(label, LINE)
    for axes in panels:
        axes.set_xlabel("\n".join(" " for _ in lines.splitlines()))
    middle.set_xlabel(lines, x=0.5 if len(panels) % 2 else 1.1)
    middle.xaxis.label.set_in_layout(False)  # it may be wider than its panel


def _agents(summary: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(agent for ground in summary["grounds"] for agent in ground["agents"]))


def _agent(axes: Axes, summary: Mapping[str, Any], ground: str, agent: str, style: Style, aside: float) -> None:
    (axis,) = summary["axes"]
    mean, low, high = intervals_of(summary, ground, agent)
    where = np.arange(len(mean)) + aside
    is_base = np.array([label == AS_TUNED for label in axis["values"]])
    for place in np.flatnonzero(is_base):
        axes.axhspan(low[place], high[place], color=FAINT, alpha=0.2, linewidth=0, zorder=0)
        axes.axhline(mean[place], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.vlines(where, low, high, color=style.colour, linewidth=1.2, zorder=3)
    is_joined = ~is_base & axis["is_ordered"]
    axes.plot(
        where[is_joined], mean[is_joined], color=style.colour, linewidth=style.width, linestyle=style.dashes, zorder=2.5
    )
    size = 60 if style.marker == "*" else 18
    axes.scatter(where, mean, s=size, marker=style.marker, color=style.colour, linewidths=0, zorder=4)


def _legend(summary: Mapping[str, Any], agents: list[str], style: Mapping[str, Style]) -> list[Any]:
    (axis,) = summary["axes"]
    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=style[agent].colour,
            linewidth=style[agent].width,
            linestyle=style[agent].dashes if axis["is_ordered"] else "none",
            marker=style[agent].marker,
            markersize=7 if style[agent].marker == "*" else 4,
            label=agent,
        )
        for agent in agents
    ]
    if AS_TUNED in axis["values"]:
        handles.append(Line2D([], [], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), label=AS_TUNED))
    return handles
