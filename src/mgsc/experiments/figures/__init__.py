"""The paper's figures, drawn from a stored result alone.

``total_reward`` (every seed a dot; left out where returns are recorded and all runs have the same total),
``reward_through_time`` (with the switches), where episodes are recorded ``episode_return`` and ``episode_length``, and
for an agent that learns its d ``distribution_maze`` and ``distribution_through_time``; the measures of its planning in
``mechanisms``, ``mechanisms_inside`` and ``correlations``; where a strategy reports learned numbers, such as the
weights of its features, ``learned``. Each as PDF (vector) and PNG.
Equal results give equal files, byte by byte, with one version of matplotlib.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mgsc.errors import UserError, check_type
from mgsc.experiments.figures.distribution import (
    distribution_maze,
    distribution_through_time,
    has_maze,
    shown_agent,
)
from mgsc.experiments.figures.episodes import SHOWN, episode_figure
from mgsc.experiments.figures.mechanisms import (
    correlating_agents,
    correlations,
    has_measures,
    measures_through_time,
    pages,
)
from mgsc.experiments.figures.reward import has_optimum, reward_through_time, total_reward
from mgsc.experiments.figures.style import agent_names, save_all
from mgsc.experiments.reading.analysis import has_one_total
from mgsc.experiments.reading.episodes import has_episodes
from mgsc.experiments.store.contract import check_result
from mgsc.settings import check_names, unknown

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from matplotlib.figure import Figure

__all__ = [
    "correlations",
    "distribution_maze",
    "distribution_through_time",
    "draw_figures",
    "episode_figure",
    "measures_through_time",
    "reward_through_time",
    "total_reward",
    "write_figures",
]


def draw_figures(dataset: xr.Dataset, agent: str | None = None) -> dict[str, Callable[[], Figure]]:
    """The figures of a result by name, as functions that draw them.

    Args:
        dataset: a result, per ``store.contract``.
        agent: of the search-control distribution; by default ``meta_gradient`` or, in a result without it, the last
            agent that has one.

    Returns:
        The two figures of reward, without tables reward through time only where no episodes are
        recorded, and total reward where they are not or it differs between runs; return and length of
        episodes where they are recorded; those of d where an agent has one,
        the maze where the states have places; the pages of measures that some agent has; and the
        correlations where some agent's d moves after a switch.

    Raises:
        UserError: that is no result, or the agent is unknown or has no search-control distribution.
    """
    check_result(dataset)
    if agent is not None:
        check_type("agent", agent, str, "be the name of an agent")
    figures: dict[str, Callable[[], Figure]] = {}
    needs_reward = has_optimum(dataset) or not has_episodes(dataset)
    if needs_reward or not has_one_total(dataset):
        figures["total_reward"] = lambda: total_reward(dataset)
    if needs_reward:
        figures["reward_through_time"] = lambda: reward_through_time(dataset)
    if has_episodes(dataset):
        figures |= {name: functools.partial(episode_figure, dataset, name) for name in SHOWN}
    shown = shown_agent(dataset, agent)
    if shown is not None and has_maze(dataset):
        figures["distribution_maze"] = lambda: distribution_maze(dataset, shown)
    if shown is not None:
        figures["distribution_through_time"] = lambda: distribution_through_time(dataset, shown)
    for page in pages():
        if has_measures(dataset, page):
            figures[page] = functools.partial(measures_through_time, dataset, page)
    if correlating_agents(dataset):
        figures["correlations"] = lambda: correlations(dataset)
    return figures


def write_figures(
    dataset: xr.Dataset,
    directory: str | os.PathLike[str],
    agent: str | None = None,
    *,
    agents: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
) -> list[Path]:
    """Draws the figures of a result and writes each as PDF and PNG.

    Args:
        dataset: a result, per ``store.contract``.
        directory: folder for the files, made where missing; files of the same names are replaced.
        agent: as in ``draw_figures``.
        agents: those that are shown, in this order; None for all.
        only: names of the figures; None for all.

    Returns:
        The files, in the order of the figures.

    Raises:
        UserError: an agent or a figure is unknown, or the folder cannot be written.
    """
    check_result(dataset)
    if agents is not None:
        dataset = dataset.sel(agent=_chosen("agent", agents, agent_names(dataset)))
    figures = draw_figures(dataset, agent)
    names = list(figures) if only is None else _chosen("figure of this result", only, list(figures))
    return save_all(((name, figures[name]()) for name in names), directory)


def _chosen(kind: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    check_names(f"names of each {kind}", names)
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)
    if not names:
        raise UserError(f"name at least one {kind}: {', '.join(known)}")
    return list(dict.fromkeys(names))
