"""The figure of a map: for each condition whether an agent wins, ties or loses, by how much, and against whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch, Rectangle

from mgsc.experiments.figures.style import INK, SMALL, counted, dress, headline, legend_below, new_figure
from mgsc.experiments.studies.summary import LOSS, TIE, WIN, entries_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {WIN: "#A8D5F2", TIE: "#EDEDED", LOSS: "#F6C08F", None: "#FFFFFF"}
MARKS = {WIN: "▲", TIE: "=", LOSS: "▼", None: ""}
"""Marks of the verdicts, which colours show, too."""

TINY = 5.4
ROW_HEIGHT = 0.4
"""Inches."""

ABOVE, BETWEEN, BELOW = -0.26, 0.1, 0.34
"""Distances of the lines of a cell from its middle, in rows."""


def draw_map(summary: Mapping[str, Any]) -> Figure:
    """A panel for each agent that learns its search control; rows: grounds and first axis, columns: second axis."""
    agents = compared_agents(summary)
    rows, columns = summary["axes"]
    labels = [(ground["label"], value) for ground in summary["grounds"] for value in rows["values"]]
    figure = new_figure(height=1.5 + ROW_HEIGHT * len(labels))
    panels = figure.subplots(1, len(agents), squeeze=False)[0]
    for axes, agent in zip(panels, agents, strict=True):
        _panel(axes, summary, agent)
        axes.set_xticks(range(len(columns["values"])), columns["values"])
        axes.set_xlim(-0.5, len(columns["values"]) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_yticks(range(len(labels)), [])
        dress(axes, agent, columns["label"])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    panels[0].set_yticks(range(len(labels)), [f"{ground}\n{value}" for ground, value in labels])
    seeds = counted(summary["seeds"]["count"], "seed")
    headline(figure, f"{summary['title']}: paired difference of total reward, {seeds}")
    words = {WIN: "95 % interval above 0", TIE: "holds 0", LOSS: "below 0"}
    handles = [Patch(facecolor=COLOURS[key], label=f"{MARKS[key]} {key}: {text}") for key, text in words.items()]
    legend_below(figure, handles)
    return figure


def compared_agents(summary: Mapping[str, Any]) -> list[str]:
    """The agents of a map that are compared: those that learn their search control, which are no rivals."""
    agents = list(dict.fromkeys(agent for ground in summary["grounds"] for agent in ground["agents"]))
    strategies = {agent: entry for cell in summary["cells"] for agent, entry in cell["agents"].items()}
    return [agent for agent in agents if strategies[agent]["settings"]["strategy"] == "meta_gradient"]


def signed(number: float) -> str:
    """A difference as a whole number; what rounds to 0 is +0."""
    return f"{round(number):+,}"


def _panel(axes: Axes, summary: Mapping[str, Any], agent: str) -> None:
    rows, columns = summary["axes"]
    for number, ground in enumerate(summary["grounds"]):
        for at, agents in entries_of(summary, ground["label"]):
            row = number * len(rows["values"]) + rows["values"].index(at[0])
            _place(axes, columns["values"].index(at[1]), row, agents[agent]["difference"])
        if number:
            axes.axhline(number * len(rows["values"]) - 0.5, color=INK, linewidth=0.8, zorder=3)


def _place(axes: Axes, column: int, row: int, difference: Mapping[str, Any]) -> None:
    found = difference["verdict"]
    axes.add_patch(
        Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=COLOURS[found], edgecolor="none", zorder=1)
    )
    text = f"{MARKS[found]} {signed(difference['mean'])}".strip().replace("-", "−")
    rival, _, updates = difference["to"].partition(" with ")
    for height, line, size in ((ABOVE, text, SMALL), (BETWEEN, rival, TINY), (BELOW, updates, TINY)):
        axes.text(column, row + height, line, ha="center", va="center", fontsize=size, color=INK, zorder=2)
