"""The style of figures: sizes, colours that differ for colour-blind readers and in grey prints, saving."""

from __future__ import annotations

import io
import math
import os
import textwrap
import threading
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mgsc.errors import UserError
from mgsc.experiments.store.places import refuse_internals
from mgsc.files import remove_old_debris, usable_path, write_atomically

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

WIDTH = 6.75
"""Inches: the text width of a two-column paper."""

DOTS_PER_INCH = 200
TITLE, LABEL, SMALL = 10.0, 9.0, 8.0
"""Font sizes in points, at ``WIDTH``."""

LETTERS, LEAST = 56, 8
"""Letters of a line of all titles of panels in a row together, at the size of labels, and the fewest of one."""

INK, FAINT, SHADE = "#222222", "#8c8c8c", "#e6e6e6"
HIGHLIGHT = "#D55E00"
OTHERS = (
    *("#0072B2", "#000000", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"),
    *("#6A3D9A", "#999933", "#882255"),
)
"""Okabe and Ito's colours; yellow, too faint on paper, gives way to grey. Then violet, and Tol's olive and wine."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES: tuple[Any, ...] = (
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
FEATURED = "meta_gradient"

KNOWN = (
    *("no_planning", "uniform", "uniform_compute_matched", "uniform_recent_matched", "avoid_terminal", "recency"),
    *("visited", "trajectory", "replay", "meta_gradient_recent", "learned_priority", "constant_priority", "dyna_q"),
    *("dyna_q_plus", "prioritized_sweeping", "small_backups", "td_error_priority", "uncertainty"),
    *("learning_progress", "model_error", "value_gradient", "value_frequency", "gain_need", "oracle"),
    *("uncertainty_ensemble", "learned_states", "learned_actions", "learned_states_greedy", "uniform_greedy"),
    *("prioritized_replay", "disagreement", "curious_replay", "hill_climbing", "stored_priority", "dqn"),
    *("dqn_many_updates", "frequency_climbing", "meta_gradient_pairs", "meta_gradient_features"),
    *("meta_gradient_both", "disagreement_mask", "sac", "sac_many_updates", "mbpo", "mbpo_recency"),
    *("mbpo_td_error", "mbpo_mask", "mbpo_meta_gradient", "mbpo_meta_gradient_features"),
    *("mbpo_meta_gradient_pairs", "learned_errors", "mbpo_meta_gradient_recent", "uniform_pairs"),
)
"""The agents of the suites, each at its place for ever: a new one is added at the end. The first have colours of
their own, and each a pair of marker and dashes, unless two lines of a figure would look alike."""

_saving = threading.Lock()


@dataclass(frozen=True)
class Style:
    """The style of one agent: agents differ in colour, and without colour in marker and dashes.

    Attributes:
        colour: as ``#RRGGBB``.
        marker: of matplotlib.
        dashes: ``"solid"``, or an offset and the lengths of dashes and gaps.
        width: of its line [points].
    """

    colour: str
    marker: str
    dashes: Any
    width: float

    @property
    def shape(self) -> tuple[str, Any]:
        """What tells it apart without colour."""
        return self.marker, self.dashes

    @property
    def rank(self) -> float:
        """A number in [0, 1) by the marker: agents' markers along curves stand apart by it."""
        return (MARKERS.index(self.marker) if self.marker in MARKERS else len(MARKERS)) / (len(MARKERS) + 1)


def styles(agents: Sequence[str]) -> dict[str, Style]:
    """One style for each agent, by its name whatever the others are; MGSC stands out, solid and thick.

    It depends on the others only where two lines would look alike. Then the agent with the later place takes a free
    colour, or other dashes where none is left. A name of no suite has a style by its letters, and comes last.
    """
    known = {FEATURED: Style(HIGHLIGHT, "*", "solid", 1.8)}
    known |= {name: _style_at(place) for place, name in enumerate(KNOWN)}
    own = {agent: style for agent, style in known.items() if agent in agents}
    found: dict[str, Style] = {}
    for agent, style in own.items():
        found[agent] = _line_apart(style, own.values(), found.values())
    for agent in agents:
        if agent not in found:
            found[agent] = _line_apart(_style_beside(agent, found.values()), (), found.values())
    return {agent: found[agent] for agent in agents}


def _line_apart(style: Style, own: Collection[Style], before: Collection[Style]) -> Style:
    """The style; where one before it has its colour and dashes, in a colour that nobody has, or else another line.

    Args:
        own: the styles of all agents of the figure by their names.
        before: those of the agents with earlier places, as they are drawn.
    """
    lines = {(other.colour, other.dashes) for other in before}
    if (style.colour, style.dashes) not in lines:
        return style
    taken = [*own, *before]
    colours, shapes = {other.colour for other in taken}, {other.shape for other in taken}
    free = [colour for colour in OTHERS if colour not in colours]
    if free:
        return replace(style, colour=free[0])
    # Without colour it should be told apart as well, so its shape stays or becomes one that nobody has.
    for colour in (style.colour, *OTHERS):
        for dashes in DASHES:
            has_shape = dashes == style.dashes or (style.marker, dashes) not in shapes
            if (colour, dashes) not in lines and has_shape:
                return replace(style, colour=colour, dashes=dashes)
    return style


def _style_at(place: int) -> Style:
    colour, marker, dashes = (looks[place % len(looks)] for looks in (OTHERS, MARKERS, DASHES))
    return Style(colour, marker, dashes, 1.0)


def _style_beside(agent: str, taken: Collection[Style]) -> Style:
    """The style of a name of no suite: of those that differ most from the styles taken, the next from its own place."""
    first = zlib.crc32(agent.encode())
    colours, shapes = {style.colour for style in taken}, {style.shape for style in taken}

    def likeness(style: Style) -> int:
        return 2 * (style.shape in shapes) + (style.colour in colours)

    return min(map(_style_at, range(first, first + math.lcm(len(OTHERS), len(MARKERS), len(DASHES)))), key=likeness)


def agent_names(dataset: xr.Dataset) -> list[str]:
    """The agents of a result, in its order."""
    return [str(agent) for agent in dataset["agent"].values]


def title_of(dataset: xr.Dataset) -> str:
    """The suite's title."""
    return str(dataset.attrs["title"])


def seeds_text(dataset: xr.Dataset, spread: str = "") -> str:
    """The number of seeds in words; ``spread`` names the interval of several."""
    n = dataset.sizes["seed"]
    return ("" if n == 1 else spread) + counted(n, "seed")


def counted(count: int, thing: str) -> str:
    """A number of things in words: 1 seed, 30 seeds."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure that lays itself out; no pyplot, hence no state shared between threads."""
    return Figure(figsize=(width, height), layout="constrained")


def dress(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Titles, labels, sizes and a quiet frame for one panel."""
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(labelsize=SMALL, color=FAINT, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(FAINT)


def with_commas(value: float, _position: object = None) -> str:
    """A tick's text: thousands apart, decimals only where there are any."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,g}"


def value_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """An axis of values: thousands apart, and from its ticks faint lines across the panel."""
    (axes.xaxis if which == "x" else axes.yaxis).set_major_formatter(FuncFormatter(with_commas))
    axes.grid(axis=which, color=SHADE, linewidth=0.6)
    axes.set_axisbelow(True)


def beside(title: str, panels: int) -> str:
    """A title of one of so many panels in a row, in lines that fit beside the others, at the size of labels."""
    return textwrap.fill(title, max(LETTERS // panels, LEAST), break_long_words=False)


def headline(figure: Figure, title: str) -> None:
    """The title of a whole figure, at its left edge."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=TITLE, color=INK)


def legend_below(figure: Figure, handles: Sequence[Any], *, columns: int = 3, has_dashes: bool = False) -> None:
    """The legend of a whole figure, below it; its lines are longer where dashes tell them apart."""
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL,
        frameon=False,
        handlelength=3.2 if has_dashes else None,
    )


def brief(value: float) -> str:
    """A reward in few figures."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def jitter(n: int) -> npt.NDArray[np.float64]:
    """[n] numbers in (-½, ½), spread evenly however many there are, and always the same."""
    golden = (np.sqrt(5) - 1) / 2
    spread: npt.NDArray[np.float64] = (golden * np.arange(1, n + 1)) % 1 - 0.5
    return spread


def save_all(figures: Iterable[tuple[str, Figure]], directory: str | os.PathLike[str]) -> list[Path]:
    """Draws and writes figures one after the other, as ``NAME`` in PDF and PNG.

    Args:
        figures: names and figures.
        directory: folder for the files, made where missing; files of the same names are replaced.

    Returns:
        The files, in the order of the figures.

    Raises:
        UserError: the folder cannot be written, or a file would have a name that a result folder uses.
    """
    folder = usable_path(directory)
    refuse_internals(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for name, figure in figures for path in save(figure, folder, name)]
    except OSError as error:
        raise UserError(f"cannot write figures to {folder}: {error.strerror or error}") from error


def save(figure: Figure, directory: Path, name: str) -> list[Path]:
    """Writes a figure as PDF and PNG, without dates and with fonts that journals accept.

    Args:
        figure: the figure.
        directory: existing folder.
        name: name of the files without their ending.

    Returns:
        The two files. Each appears whole: it is written beside its name and then renamed.

    Raises:
        UserError: a file is a link out of a result folder, or has a name that one uses.
    """
    FigureCanvasAgg(figure)
    formats: dict[str, dict[str, Any]] = {
        "pdf": {"metadata": {"CreationDate": None}, "dpi": 300},
        "png": {"metadata": {"Software": None}, "dpi": DOTS_PER_INCH},
    }
    paths = []
    remove_old_debris(directory, [f"{name}.{ending}" for ending in formats])
    for ending, options in formats.items():
        path = directory / f"{name}.{ending}"
        refuse_internals(path)
        drawn = io.BytesIO()
        # Fonts are chosen while saving, from settings all threads share: TrueType, not Type 3.
        with _saving, mpl.rc_context({"pdf.fonttype": 42}):
            figure.savefig(drawn, format=ending, **options)
        figure.set_layout_engine("none")  # places are found: they hold for the next format
        write_atomically(path, drawn.getvalue())
        paths.append(path)
    return paths
