"""The figures of a comparison: statistics across its problems, performance profiles, and each problem by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from mgsc.experiments.figures.style import (
    FAINT,
    INK,
    OTHERS,
    SHADE,
    SMALL,
    Style,
    dress,
    headline,
    legend_below,
    new_figure,
    styles,
)
from mgsc.experiments.reading.statistics import NOTHING, Interval, mean_interval
from mgsc.experiments.studies import across

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNED = styles(["meta_gradient", "meta_gradient_recent"])
"""MGSC and its variant stand out everywhere, in the colours that they have in every figure."""

PRIVILEGED = Style(FAINT, "s", "solid", 1.0)
OTHER = Style(INK, "o", "solid", 1.0)
"""Of all other agents in a figure of rows, which need no colour to be told apart."""

NUM_PROFILES = 4
"""Number of agents in a profile beside MGSC, the variant and Q-learning: those of the best interquartile means."""

ROW_HEIGHT = 0.19
"""Inches."""

THRESHOLDS = np.linspace(-0.5, 1.05, 156)


def draw_overall(summary: Mapping[str, Any]) -> Figure:
    """Interquartile mean, mean rank, and probability of improvement over the reference, of every agent."""
    scores = across.normalised(summary)
    means = across.interquartile_means(scores)
    better = across.improvements(scores, summary["reference"])
    better[scores.agents.index(summary["reference"])] = NOTHING
    order = sorted(range(len(scores.agents)), key=lambda place: means[place].estimate)
    names = [scores.agents[place] for place in order]
    figure = new_figure(height=1.1 + ROW_HEIGHT * len(names))
    panels = figure.subplots(1, 3, sharey=True)
    columns = (
        ("interquartile mean", "score (1: ε-soft optimum)", means),
        ("mean rank", "rank among all (1: best)", across.mean_ranks(scores)),
        (f"better than {summary['reference']}", "probability", better),
    )
    for axes, (title, label, intervals) in zip(panels, columns, strict=True):
        _rows(axes, names, [intervals[place] for place in order])
        dress(axes, title, label)
    panels[1].invert_xaxis()
    panels[2].axvline(0.5, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    _legend(figure, names)
    seeds = f"{summary['seeds']['count']} seeds each"
    headline(figure, f"{across.title_of(summary).capitalize()}, {seeds}, with 95 % intervals")
    return figure


def draw_profiles(summary: Mapping[str, Any]) -> Figure:
    """Share of runs above each score, with bands, of MGSC, Q-learning and the best of the others."""
    scores = across.normalised(summary)
    means = dict(zip(scores.agents, across.interquartile_means(scores), strict=True))
    rivals = [
        agent for agent in scores.agents if agent not in LEARNED and agent not in (*across.PRIVILEGED, across.BASE)
    ]
    best = sorted(rivals, key=lambda agent: -means[agent].estimate)[:NUM_PROFILES]
    chosen = [*(agent for agent in LEARNED if agent in scores.agents), *best, across.BASE]
    profile = across.performance_profile(scores, list(THRESHOLDS))
    figure = new_figure(height=3.6)
    axes = figure.subplots()
    for number, (agent, colour) in enumerate(_colours(chosen).items()):
        place = scores.agents.index(agent)
        axes.fill_between(
            profile.thresholds, profile.low[place], profile.high[place], color=colour, alpha=0.15, linewidth=0
        )
        dashes = "solid" if agent in LEARNED else (0, (5, 1 + number))
        axes.plot(profile.thresholds, profile.share[place], color=colour, linewidth=1.4, linestyle=dashes, label=agent)
    axes.set_xlim(THRESHOLDS[0], THRESHOLDS[-1])
    axes.set_ylim(0, 1)
    axes.grid(color=SHADE, linewidth=0.6)
    dress(axes, "", "score τ (0: Q-learning's mean, 1: ε-soft optimum)", "share of runs with score > τ")
    figure.legend(loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False, handlelength=3.2)
    headline(figure, f"Performance profiles over {across.title_of(summary)}, with 95 % bands")
    return figure


def draw_problems(summary: Mapping[str, Any]) -> Figure:
    """The mean score of every agent on every problem with its interval: a panel for each problem."""
    cells = summary["cells"]
    agents = list(dict.fromkeys(agent for cell in cells for agent in cell["agents"]))[::-1]
    columns = 4
    rows = -(-len(cells) // columns)
    figure = new_figure(height=rows * (0.7 + 0.13 * len(agents)))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, cell in zip(panels, cells, strict=False):
        found = [
            mean_interval(across.scores_of(cell, agent)) if agent in cell["agents"] else NOTHING for agent in agents
        ]
        _rows(axes, agents, found, size=6)
        axes.axvline(0, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        dress(axes, "", "score")
        axes.set_title(str(cell["ground"]), fontsize=SMALL, loc="left", color=INK)
        axes.tick_params(axis="y", labelsize=6)
    for axes in panels[len(cells) :]:
        axes.remove()
    _legend(figure, agents)
    headline(figure, "Score on each problem: mean and 95 % interval (0: Q-learning, 1: ε-soft optimum)")
    return figure


def draw_all(summary: Mapping[str, Any]) -> dict[str, Figure]:
    """All figures of a comparison, by the name of their files."""
    name = str(summary["study"])
    return {
        name: draw_overall(summary),
        f"{name}-profiles": draw_profiles(summary),
        f"{name}-problems": draw_problems(summary),
    }


def _rows(axes: Axes, names: Sequence[str], intervals: Sequence[Interval], size: float = SMALL) -> None:
    """One agent a row, from below: its estimate and its interval."""
    for row, (name, found) in enumerate(zip(names, intervals, strict=True)):
        style = _style_of(name)
        # The interval lies on the marker: most are no wider.
        axes.hlines(row, found.low, found.high, color=style.colour, linewidth=1.4, zorder=4)
        look: dict[str, Any] = {"facecolor": "white", "edgecolor": style.colour, "linewidth": 0.8}
        axes.scatter(found.estimate, row, s=52 if name in LEARNED else 22, marker=style.marker, zorder=3, **look)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.grid(axis="both", color=SHADE, linewidth=0.5)
    axes.set_axisbelow(True)


def _colours(agents: Sequence[str]) -> dict[str, str]:
    """The colour that each agent has in a figure of these; a free one where an agent before it has the same."""
    found: dict[str, str] = {}
    own = {agent: style.colour for agent, style in styles(agents).items()}
    free = (colour for colour in OTHERS if colour not in own.values())
    for agent, colour in own.items():
        found[agent] = next(free) if colour in found.values() else colour
    return found


def _style_of(agent: str) -> Style:
    return LEARNED.get(agent) or (PRIVILEGED if agent in across.PRIVILEGED else OTHER)


def _legend(figure: Figure, agents: Sequence[str]) -> None:
    """What the markers of rows mean."""
    looks = {agent: style for agent, style in LEARNED.items() if agent in agents}
    if any(agent in across.PRIVILEGED for agent in agents):
        looks["privileged"] = PRIVILEGED
    looks["other agents"] = OTHER
    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, markerfacecolor="white", linewidth=1.4, label=label)
        for label, style in looks.items()
    ]
    legend_below(figure, handles, columns=4)
