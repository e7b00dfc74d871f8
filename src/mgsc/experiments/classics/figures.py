"""Figures 8.2, 8.4, 8.5 and example 8.4 of Sutton & Barto (2018) from new runs: means with 95 % intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.classics.table import CLASSICS, SWEEPING
from mgsc.experiments.figures.style import (
    FAINT,
    HIGHLIGHT,
    OTHERS,
    SMALL,
    Style,
    counted,
    dress,
    headline,
    new_figure,
    save_all,
    value_axis,
)
from mgsc.experiments.reading.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mgsc.experiments.classics.runner import Record, Results

DASHED, DOTTED = (0, (5, 1.5)), (0, (1, 1))
BEST = Style(HIGHLIGHT, "^", "solid", 1.4)
STYLES: Mapping[str, Style] = {
    "n = 0": Style(OTHERS[1], "o", DOTTED, 1.2),
    "n = 5": Style(OTHERS[0], "s", DASHED, 1.2),
    "n = 50": BEST,
    "Dyna-Q": Style(OTHERS[0], "s", DASHED, 1.4),
    "Dyna-Q+": BEST,
    SWEEPING: BEST,
}


def draw_classics(results: Results) -> dict[str, Callable[[], Figure]]:
    """The figures for which there are results, by name, as functions that draw them."""
    figures: dict[str, Callable[[], Figure]] = {}
    if "dyna-maze" in results:
        figures["dyna_maze"] = lambda: draw_episodes(results["dyna-maze"])
    for name in ("blocking-maze", "shortcut-maze"):
        if name in results:
            figures[name.replace("-", "_")] = lambda name=name: draw_reward(name, results[name])  # type: ignore[misc]
    if any(_resolution(name) for name in results):
        figures["prioritized_sweeping"] = lambda: draw_updates(results)
    return figures


def write_classics(results: Results, directory: str | os.PathLike[str]) -> list[Path]:
    """Draws all figures as PDF and PNG into a folder, made where missing.

    Raises:
        UserError: the folder cannot be written.
    """
    return save_all(((name, draw()) for name, draw in draw_classics(results).items()), directory)


def draw_episodes(records: Mapping[str, Record]) -> Figure:
    """Steps per episode; the first, a random walk, is left out, as in the book."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for agent, record in records.items():
        episodes = np.arange(2, record["length"].shape[1] + 1)
        label = f"{agent} planning updates" if agent != "n = 0" else "n = 0 (Q-learning)"
        _band(axes, episodes, record["length"][:, 1:], agent, label)
    axes.set_yscale("log")
    axes.axhline(14, color=FAINT, linewidth=0.8)
    axes.text(50, 13.5, "shortest path, 14", fontsize=SMALL, color=FAINT, ha="right", va="top")
    axes.set_ylim(bottom=11)
    axes.set_yticks([20, 50, 100, 200, 500])
    axes.minorticks_off()
    axes.set_xlim(1, 50.5)
    _finish(axes, "episode", "environment steps in the episode")
    headline(figure, f"Dyna maze, after figure 8.2: mean and 95 % interval, {runs_text(records)}")
    return figure


def draw_reward(name: str, records: Mapping[str, Record]) -> Figure:
    """Cumulative reward through time, with the step at which the wall moves."""
    classic = CLASSICS[name]
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    for agent, record in records.items():
        cumulative = np.concatenate([np.zeros((len(record["reward"]), 1)), record["reward"].cumsum(1)], 1)
        _band(axes, np.arange(cumulative.shape[1]) * classic.length, cumulative, agent, _settings(name, agent))
    switch = classic.suite.environment.switch_every
    axes.axvline(switch, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    moved = "wall moves" if name == "blocking-maze" else "shortcut opens"
    axes.text(switch, 0.02, f" {moved}", fontsize=SMALL, color=FAINT, transform=axes.get_xaxis_transform())
    axes.set_xlim(0, classic.suite.steps)
    axes.set_ylim(bottom=0)
    _finish(axes, "environment steps", "cumulative reward")
    title = "Blocking maze, after figure 8.4" if name == "blocking-maze" else "Shortcut maze, after figure 8.5"
    headline(figure, f"{title}: mean and 95 % interval, {runs_text(records)}")
    return figure


def draw_updates(results: Results) -> Figure:
    """Updates until a solution against the number of states, on log axes."""
    figure = new_figure(height=3.2)
    axes = figure.subplots()
    shown = {name: records for name, records in results.items() if _resolution(name)}
    for place, agent in enumerate((SWEEPING, "Dyna-Q")):
        found = [mean_interval(records[agent]["updates"]) for records in shown.values()]
        states = np.array([_num_states(name) for name in shown])
        style = STYLES[agent]
        where = states * (0.98 + 0.04 * place)  # side by side, so that neither hides the other
        axes.vlines(where, [i.low for i in found], [i.high for i in found], color=style.colour, linewidth=1.2)
        axes.plot(
            where,
            [i.estimate for i in found],
            color=style.colour,
            linestyle=style.dashes,
            linewidth=style.width,
            marker=style.marker,
            markersize=4,
            label=agent,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(states, [f"{number:,}" for number in states])
    axes.minorticks_off()
    _finish(axes, "states of the Dyna maze at growing resolution", "updates until the greedy path is short")
    runs = sorted({len(records["Dyna-Q"]["updates"]) for records in shown.values()}, reverse=True)
    runs_of = " or ".join(f"{number:,}" for number in runs)
    headline(figure, f"Prioritized sweeping, after example 8.4: mean and 95 % interval, {runs_of} runs")
    return figure


def runs_text(records: Mapping[str, Record]) -> str:
    """The number of runs in words."""
    return counted(len(next(iter(next(iter(records.values())).values()))), "run")


def _band(axes: Axes, x: Any, values: Any, agent: str, label: str) -> None:
    style = STYLES[agent]
    found = [mean_interval(column) for column in np.asarray(values, float).T]
    low, high = [i.low for i in found], [i.high for i in found]
    axes.fill_between(x, low, high, color=style.colour, alpha=0.25, linewidth=0)
    mean = [i.estimate for i in found]
    axes.plot(x, mean, color=style.colour, linewidth=style.width, linestyle=style.dashes, label=label)


def _finish(axes: Axes, x: str, y: str) -> None:
    dress(axes, "", x, y)
    value_axis(axes, "y")
    axes.legend(fontsize=SMALL, frameon=False, handlelength=3.2)


def _settings(name: str, agent: str) -> str:
    own = CLASSICS[name].suite.agents[agent]
    bonus = getattr(own.options, "bonus", None)
    return f"{agent}, α {own.step_size:g}" + ("" if bonus is None else f", κ {bonus:g}")


def _resolution(name: str) -> int:
    """The resolution of an experiment of example 8.4; 0 for others."""
    head, _, number = name.rpartition("-")
    return int(number) if head == "sweeping" else 0


def _num_states(name: str) -> int:
    """States in which something can be done."""
    from mgsc.experiments.design.parts import build_tables

    tables = build_tables(CLASSICS[name].suite.environment)
    return int((~tables.is_terminal).sum())
