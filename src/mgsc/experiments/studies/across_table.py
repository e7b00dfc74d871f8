"""A comparison across its problems as two tables, in Markdown and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.reading.statistics import Interval, mean_interval
from mgsc.experiments.reading.table_text import markdown_lines
from mgsc.experiments.studies import across
from mgsc.experiments.studies.summary import seeds_phrase

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "–"
FEATURED = "meta_gradient_recent"
"""The agent over which every agent's probability of improvement is taken, beside the study's reference."""

Rows = list[list[str]]


def overall(summary: Mapping[str, Any]) -> tuple[list[str], Rows]:
    """Headings and rows of the statistics across the problems, the best interquartile mean first."""
    scores = across.normalised(summary)
    reference = summary["reference"]
    columns = (
        across.interquartile_means(scores),
        across.mean_ranks(scores),
        across.improvements(scores, reference),
        across.improvements(scores, FEATURED),
    )
    headings = [
        "agent",
        "interquartile mean",
        "mean rank",
        f"P(better than `{reference}`)",
        f"P(better than `{FEATURED}`)",
        "updates per step",
        "expected backups per step",
    ]
    order = sorted(range(len(scores.agents)), key=lambda place: -columns[0][place].estimate)
    rows = []
    for place in order:
        agent = scores.agents[place]
        shown = [_shown(column[place], digits) for column, digits in zip(columns, (2, 1, 2, 2), strict=True)]
        for number, other in ((2, reference), (3, FEATURED)):
            if agent == other:
                shown[number] = ABSENT
        rows.append([f"`{agent}`", *shown, *(_range(summary, agent, key) for key in ("updates", "backups"))])
    return headings, rows


def by_problem(summary: Mapping[str, Any]) -> tuple[list[str], Rows]:
    """Headings and rows: the mean score of every agent on every problem, with the half-width of its interval."""
    cells = summary["cells"]
    agents = list(dict.fromkeys(agent for cell in cells for agent in cell["agents"]))
    means = {agent: [_score(cell, agent) if agent in cell["agents"] else None for cell in cells] for agent in agents}
    best = [
        max(row[place].estimate for row in means.values() if row[place] is not None)  # type: ignore[union-attr]
        for place in range(len(cells))
    ]
    rows = []
    for agent in agents:
        shown = [_with_half(found, top) for found, top in zip(means[agent], best, strict=True)]
        rows.append([f"`{agent}`", *shown])
    return ["agent", *(str(cell["ground"]) for cell in cells)], rows


def note(summary: Mapping[str, Any]) -> str:
    """The note of both tables."""
    return (
        f"Scores: 0 is the mean of `{across.BASE}`, 1 the ε-soft optimum of the problem; {seeds_phrase(summary)}."
        " Interquartile mean of all runs, rank by mean score, and probability of improvement, each with the 95 %"
        " interval of a bootstrap that draws seeds within problems. Updates: sampled planning updates per real step as"
        f" tuned. By problem: mean ± half of Student's 95 % interval; the best is bold. {summary['note']}"
    )


def titled(summary: Mapping[str, Any]) -> list[tuple[str, list[str], Rows]]:
    """All tables: title, headings, rows."""
    return [
        (f"{summary['title']}: {across.title_of(summary)}", *overall(summary)),
        ("Mean score on each problem", *by_problem(summary)),
    ]


def to_markdown(summary: Mapping[str, Any]) -> str:
    """All tables with the note; ends without a newline."""
    parts = [text for title, headings, rows in titled(summary) for text in (f"**{title}**", _markdown(headings, rows))]
    return "\n\n".join([*parts, note(summary)])


def to_tables(summary: Mapping[str, Any]) -> list[Table]:
    """All tables for a rich console."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = []
    for title, headings, rows in titled(summary):
        heading = Text(title, style="bold")
        table = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for number, column in enumerate(headings):
            words = Text(_plain(column))
            table.add_column(words, justify="right" if number else "left", no_wrap=not number, overflow="fold")
        for row in rows:
            table.add_row(*(Text(_plain(cell)) for cell in row))
        found.append(table)
    found[-1].caption = Text(note(summary), style="dim")
    found[-1].caption_justify = "left"
    return found


def _plain(cell: str) -> str:
    return cell.replace("`", "").replace("**", "")


def _markdown(headings: Sequence[str], rows: Rows) -> str:
    return "\n".join(markdown_lines(headings, [False, *[True] * (len(headings) - 1)], rows))


def _shown(interval: Interval, digits: int) -> str:
    return f"{interval.estimate:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _score(cell: Mapping[str, Any], agent: str) -> Interval:
    return mean_interval(across.scores_of(cell, agent))


def _with_half(found: Interval | None, best: float) -> str:
    if found is None:
        return ABSENT
    text = (
        f"{found.estimate:.2f}" if np.isnan(found.high) else f"{found.estimate:.2f} ± {found.high - found.estimate:.2f}"
    )
    return f"**{text}**" if found.estimate == best else text


def _range(summary: Mapping[str, Any], agent: str, key: str) -> str:
    """What an agent does per real step: a number, or the least and the most over the problems."""
    numbers = [cell["agents"][agent][key] for cell in summary["cells"]]
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} … {high:,}"
