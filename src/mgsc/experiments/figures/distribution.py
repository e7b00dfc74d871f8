"""Figures of the search-control distribution d: on the maze at a few times, and through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

from mgsc.errors import UserError
from mgsc.experiments.figures.style import (
    FAINT,
    FEATURED,
    HIGHLIGHT,
    INK,
    LABEL,
    SHADE,
    SMALL,
    agent_names,
    dress,
    headline,
    legend_below,
    new_figure,
    seeds_text,
    title_of,
    with_commas,
)
from mgsc.experiments.reading.analysis import knows_where_wrong
from mgsc.experiments.reading.mechanisms import has_d
from mgsc.experiments.reading.missing import what_is_missing
from mgsc.experiments.store.contract import what_it_has
from mgsc.settings import unknown

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
COLOURS = "Blues"
"""Light where d is small: the paper's colour means "never queried"; grey prints keep the order."""

DASHED = (0, (4, 3))
MOST_LABELS = 20
MOST_OUTLINES = 500
NUM_TIMES = 3


def shown_agent(dataset: xr.Dataset, agent: str | None = None) -> str | None:
    """The agent whose d is shown.

    Args:
        dataset: a result, per ``store.contract``.
        agent: its name, or None.

    Returns:
        That agent; for None ``meta_gradient`` or else the last agent that has a d; None where no agent has one, or
        states are not listed.

    Raises:
        UserError: the named agent is unknown or has no d.
    """
    agents = agent_names(dataset)
    with_d = [name for name in agents if has_d(dataset) and not np.isnan(_distribution(dataset, name)).all()]
    if agent is None:
        return FEATURED if FEATURED in with_d else with_d[-1] if with_d else None
    if agent not in agents:
        raise unknown("agent", agent, agents)
    if agent not in with_d:
        why = f": {what_is_missing(what_it_has(dataset))}" if not has_d(dataset) else ""
        raise UserError(f"{agent} has no search-control distribution to draw{why}")
    return agent


def has_maze(dataset: xr.Dataset) -> bool:
    """Whether every state has a place in a maze."""
    places = np.stack([dataset["state_row"].values, dataset["state_column"].values])
    return bool((places >= 0).all())


def distribution_maze(dataset: xr.Dataset, agent: str) -> Figure:
    """d as heatmaps of the maze, just before and after a few switches, on one colour scale.

    Args:
        dataset: a result with the places of its states.
        agent: an agent with a d.

    Returns:
        The figure: a column for the first switch and the last two, or without switches three
        times of the run. Of a fixed model it says when and where that is wrong.
    """
    d = _distribution(dataset, agent)
    chosen = _chosen_chunks(dataset)
    num_rows, num_columns = len(chosen), len(chosen[0])
    height, width = _size(dataset)
    panel = min(2.6, 5.7 / num_columns * height / width)
    figure = new_figure(height=0.75 + num_rows * (panel + 0.42))
    panels = figure.subplots(num_rows, num_columns, squeeze=False)
    top = float(max(d[chunk].max() for row in chosen for chunk in row))
    image: Any = None
    for row in range(num_rows):
        for column in range(num_columns):
            image = _maze_panel(panels[row, column], dataset, d, chosen[row][column], top)
    if num_rows == 2:
        for axes, words in zip(panels[:, 0], ("just before a switch", "just after it"), strict=True):
            axes.set_ylabel(words, fontsize=LABEL)
    _colour_bar(figure, image, panels.ravel().tolist(), dataset)
    hatched = Patch(facecolor=SHADE, edgecolor=FAINT, hatch="////", label="terminal: never queried")
    has_terminal = not dataset["is_candidate"].values.all()
    _finish(figure, dataset, agent, "where planning looks", [hatched] if has_terminal else [])
    return figure


def distribution_through_time(dataset: xr.Dataset, agent: str) -> Figure:
    """d as an image of state × time, with the switches and the states in which a fixed model is wrong.

    Args:
        dataset: a result.
        agent: an agent with a d.

    Returns:
        The figure, one row for each candidate state; of many, every n-th is named at the axis.
    """
    states = _ordered_candidates(dataset)
    d = _distribution(dataset, agent)[:, states]
    ends = np.asarray(dataset["step"].values, np.float64)
    figure = new_figure(height=min(6.0, 1.7 + 0.17 * max(6, len(states))))
    axes = figure.add_subplot()
    edges = np.concatenate([[0.0], ends])
    image = axes.pcolormesh(
        edges,
        np.arange(len(states) + 1) - 0.5,
        d.T,
        cmap=COLOURS,
        vmin=0.0,
        vmax=float(d.max()),
        rasterized=True,
    )
    for step in dataset.attrs["switch_steps"]:
        axes.axvline(step, color=INK, linewidth=0.6, linestyle=DASHED)
    _outline_wrong_times(axes, dataset, states, edges)
    axes.set_ylim(len(states) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(with_commas))
    dress(axes, x="environment step", y="state (row, column)" if has_maze(dataset) else "state (number)")
    axes.spines[:].set_visible(False)
    named = range(0, len(states), -(-len(states) // MOST_LABELS))
    axes.set_yticks(named, [_state_text(dataset, states[place]) for place in named])
    _colour_bar(figure, image, [axes], dataset)
    switch = Line2D([], [], color=INK, linewidth=0.6, linestyle=DASHED, label="switch of the rewards")
    has_switch = bool(dataset.attrs["switch_steps"])
    _finish(figure, dataset, agent, "where planning looks through time", [switch] if has_switch else [])
    return figure


def _distribution(dataset: xr.Dataset, agent: str) -> Floats:
    """[chunk, S] mean of d over the seeds."""
    d = np.asarray(dataset["query_distribution"].sel(agent=agent).values, np.float64)
    mean: Floats = d.mean(axis=0)
    return mean


def _ordered_candidates(dataset: xr.Dataset) -> npt.NDArray[np.int64]:
    """States search control may choose; in the maze's reading order where they have places."""
    states = np.flatnonzero(dataset["is_candidate"].values)
    if not has_maze(dataset):
        return states
    rows, columns = dataset["state_row"].values, dataset["state_column"].values
    return states[np.lexsort([columns[states], rows[states]])]


def _chosen_chunks(dataset: xr.Dataset) -> list[list[int]]:
    """Rows of chunks to show: the last before and the first after some switches, or some times."""
    ends = np.asarray(dataset["step"].values, np.float64)
    after = [int(np.searchsorted(ends, step, "right")) for step in dataset.attrs["switch_steps"]]
    usable = [chunk for chunk in dict.fromkeys(after) if 0 < chunk < len(ends)]
    if not usable:
        times = np.linspace(0, len(ends) - 1, NUM_TIMES).round().astype(int)
        return [list(dict.fromkeys(times.tolist()))]
    some = usable if len(usable) <= NUM_TIMES else [usable[0], *usable[1 - NUM_TIMES :]]
    return [[chunk - 1 for chunk in some], some]


def _size(dataset: xr.Dataset) -> tuple[int, int]:
    """Rows and columns of the maze."""
    return 1 + int(dataset["state_row"].values.max()), 1 + int(dataset["state_column"].values.max())


def _maze_panel(axes: Axes, dataset: xr.Dataset, d: Floats, chunk: int, top: float) -> Any:
    is_candidate = np.asarray(dataset["is_candidate"].values, bool)
    states = np.flatnonzero(is_candidate)
    image = PatchCollection(
        [_cell(dataset, state) for state in states],
        cmap=COLOURS,
        edgecolors=FAINT,
        linewidths=0.4,
    )
    image.set_array(d[chunk][states])
    image.set_clim(0.0, top)
    axes.add_collection(image)
    for state in np.flatnonzero(~is_candidate):
        cell = _cell(dataset, state)
        cell.set(facecolor=SHADE, edgecolor=FAINT, linewidth=0.4, hatch="////")
        axes.add_patch(cell)
    wrong = _wrong_states(dataset)[chunk]
    for state in np.flatnonzero(wrong) if wrong.sum() <= MOST_OUTLINES else []:
        outline = _cell(dataset, state, inset=0.08)
        outline.set(facecolor="none", edgecolor=HIGHLIGHT, linewidth=1.6)
        axes.add_patch(outline)
    height, width = _size(dataset)
    axes.set_aspect("equal")
    axes.set_xlim(-0.6, width - 0.4)
    axes.set_ylim(height - 0.4, -0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    words = ("\nmodel wrong" if wrong.any() else "\nmodel right") if knows_where_wrong(dataset) else ""
    ends = dataset["step"].values
    begin = int(ends[chunk - 1]) if chunk else 0
    axes.set_title(f"steps {begin:,}–{int(ends[chunk]):,}{words}", fontsize=SMALL, color=INK)
    return image


def _cell(dataset: xr.Dataset, state: Any, inset: float = 0.0) -> Rectangle:
    row = float(dataset["state_row"].values[state])
    column = float(dataset["state_column"].values[state])
    side = 1 - 2 * inset
    return Rectangle((column - 0.5 + inset, row - 0.5 + inset), side, side)


def _wrong_states(dataset: xr.Dataset) -> npt.NDArray[np.bool_]:
    """[chunk, S] where the model is wrong, phase by phase."""
    phases = np.asarray(dataset["phase_of_chunk"].values, int)
    wrong: npt.NDArray[np.bool_] = np.asarray(dataset["wrong_state"].values, bool)[phases]
    return wrong


def _outline_wrong_times(axes: Axes, dataset: xr.Dataset, states: npt.NDArray[np.int64], edges: Floats) -> None:
    """Outlines, in the image, the stretches of time in which the model is wrong about a state."""
    wrong = _wrong_states(dataset)[:, states]
    padded = np.pad(wrong, ((1, 1), (0, 0))).astype(int)
    found = []
    for place in np.flatnonzero(wrong.any(axis=0)):
        turns = np.flatnonzero(np.diff(padded[:, place]))
        found += [(place, edges[begin], edges[end]) for begin, end in turns.reshape(-1, 2)]
    for place, begin, end in found if len(found) <= MOST_OUTLINES else []:
        box = (begin, place - 0.5)
        axes.add_patch(Rectangle(box, end - begin, 1.0, facecolor="none", edgecolor=HIGHLIGHT, linewidth=1.0))


def _state_text(dataset: xr.Dataset, state: Any) -> str:
    if not has_maze(dataset):
        return str(state)
    return f"({dataset['state_row'].values[state]}, {dataset['state_column'].values[state]})"


def _colour_bar(figure: Figure, image: Any, axes: list[Any], dataset: xr.Dataset) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.015, aspect=30)
    every = int(dataset.attrs["record_every"])
    label = f"d  [probability, mean of {every:,} steps\nand {seeds_text(dataset)}]"
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)


def _finish(figure: Figure, dataset: xr.Dataset, agent: str, words: str, more: list[Any]) -> None:
    headline(figure, f"{title_of(dataset)}: {words}, {agent}")
    handles: list[Any] = []
    if _wrong_states(dataset).any():
        label = "the model is wrong about this state"
        handles.append(Patch(facecolor="none", edgecolor=HIGHLIGHT, linewidth=1.4, label=label))
    if handles + more:
        legend_below(figure, handles + more, columns=2)
