"""The numbers of a study as a table: for a terminal, and in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mgsc.experiments.reading.table_text import markdown_lines, titled_table
from mgsc.experiments.studies.design import AS_TUNED, BEST_FIXED
from mgsc.experiments.studies.heatmap import compared_agents, signed
from mgsc.experiments.studies.origin import DEFAULT, REUSED, TUNED
from mgsc.experiments.studies.summary import seeds_phrase, steps_text

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "–"
WIDTH = 140
"""Letters of a table's line where there is no terminal."""


class StudyRow(NamedTuple):
    """One agent of one cell, in words."""

    ground: str
    at: tuple[str, ...]
    agent: str
    n: str
    mean: str
    interval: str
    difference: str
    rival: str
    verdict: str
    settings: str


def study_rows(summary: Mapping[str, Any]) -> list[StudyRow]:
    """The rows of a summary; a map has those of the compared agents only."""
    shown = compared_agents(summary) if summary["reference"] == BEST_FIXED else None
    return [
        _row(cell, agent, entry, names_rival=shown is not None)
        for cell in summary["cells"]
        for agent, entry in cell["agents"].items()
        if shown is None or agent in shown
    ]


def headings(summary: Mapping[str, Any]) -> list[str]:
    """The headings of the columns of ``study_rows``."""
    axes = [axis["label"] for axis in summary["axes"]]
    return ["ground", *axes, "agent", "n", "mean", "95 % interval", "difference", "verdict", "settings"]


def to_table(summary: Mapping[str, Any]) -> Table:
    """The rows as a table for a rich console; it reads in plain text, too."""
    from rich.text import Text

    table = titled_table(str(summary["title"]), note(summary))
    for heading, is_number in zip(headings(summary), _are_numbers(summary), strict=True):
        # What may be broken into lines is, where the terminal is narrow; so nothing is cut off before that.
        is_whole = heading in ("agent", "n", "mean", "95 % interval", "verdict")
        table.add_column(Text(heading), justify="right" if is_number else "left", no_wrap=is_whole, overflow="fold")
    for cells in _without_repeats(summary):
        table.add_row(*map(Text, cells))
    return table


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The rows as a Markdown table; ends without a newline."""
    lines = markdown_lines(headings(summary), _are_numbers(summary), map(_cells, study_rows(summary)))
    return "\n".join([f"**{summary['title']}**", "", *lines, "", note(summary)])


def note(summary: Mapping[str, Any]) -> str:
    """The note of the table: the numbers, the comparison, and the origin of settings."""
    reference = summary["reference"]
    compared = {
        AS_TUNED: "the same agent with nothing changed",
        BEST_FIXED: "the best strategy without learned search control, which is named",
    }.get(reference, reference)
    kinds = [entry["origin"]["kind"] for cell in summary["cells"] for entry in cell["agents"].values()]
    said = {
        TUNED: "tuned: chosen for exactly this problem",
        REUSED: "reused: chosen for the suite named, from which this problem or agent differs",
        DEFAULT: "default: never tuned",
    }
    words = [
        f"Total reward of {steps_text(summary)}, of {seeds_phrase(summary)}, the"
        " same everywhere; Student's intervals."
        f" Differences are paired, to {compared}; the verdict says whether their interval lies above 0 (win),"
        " holds it (tie), or lies below (loss).",
        f"Settings: {'; '.join(text for kind, text in said.items() if kind in kinds)}.",
    ]
    return " ".join([*words, summary["note"]]).strip()


def _row(cell: Mapping[str, Any], agent: str, entry: Mapping[str, Any], *, names_rival: bool) -> StudyRow:
    difference, origin = entry["difference"], entry["origin"]
    shown, rival = ABSENT, ""
    if difference is not None:
        shown = f"{signed(difference['mean'])}{_interval(difference, ' [{} … {}]')}"
        rival = difference["to"] if names_rival else ""
    return StudyRow(
        cell["ground"],
        tuple(cell["at"]),
        agent,
        str(entry["n"]),
        f"{round(entry['mean']):,}",
        _interval(entry, "{} … {}") or ABSENT,
        shown,
        rival,
        (difference or {}).get("verdict") or ABSENT,
        origin["kind"] if origin["kind"] != REUSED else f"{REUSED}: {origin['sweep']}",
    )


def _interval(row: Mapping[str, Any], form: str) -> str:
    """The bounds in that form; nothing where there are none, as of one seed."""
    return "" if row["low"] is None else form.format(f"{round(row['low']):,}", f"{round(row['high']):,}")


def _are_numbers(summary: Mapping[str, Any]) -> list[bool]:
    num_words = 2 + len(summary["axes"])
    return [*[False] * num_words, *[True] * 4, False, False]


def _cells(row: StudyRow) -> list[str]:
    return [row.ground, *row.at, f"`{row.agent}`", row.n, row.mean, row.interval, *_compared(row, " ")]


def _compared(row: StudyRow, space: str) -> list[str]:
    difference = space.join(filter(None, (row.difference, row.rival)))
    return [difference, row.verdict, row.settings]


def _without_repeats(summary: Mapping[str, Any]) -> Iterator[list[str]]:
    """The rows as texts, with what the row above says of its cell left out."""
    before: tuple[str, ...] = ()
    for row in study_rows(summary):
        cell = (row.ground, *row.at)
        shown = [""] * len(cell) if cell == before else cell
        yield [*shown, row.agent, row.n, row.mean, row.interval, *_compared(row, "\n")]
        before = cell
