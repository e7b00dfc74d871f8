"""The table of the classics: results beside references, and further measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgsc.experiments.classics.references import REFERENCES, Finding, compare
from mgsc.experiments.classics.table import CLASSICS
from mgsc.experiments.reading.statistics import Interval, mean_interval
from mgsc.experiments.reading.table_text import markdown_lines

if TYPE_CHECKING:
    from mgsc.experiments.classics.runner import Results

HEAD = (
    "result",
    "experiment",
    "agent",
    "n",
    "measured",
    "95 % interval",
    "reference",
    "±",
    "standard errors",
    "verdict",
)
ARE_NUMBERS = (*[False] * 3, *[True] * 6, False)
MORE = HEAD[:6]


def findings(results: Results) -> list[Finding]:
    """The comparisons with all references for which there are results."""
    return [
        compare(reference, results[reference.classic][reference.agent])
        for reference in REFERENCES
        if reference.classic in results
    ]


def to_markdown(results: Results) -> str:
    """The whole table as Markdown."""
    beside = markdown_lines(HEAD, ARE_NUMBERS, map(cells, findings(results)))
    alone = markdown_lines(MORE, ARE_NUMBERS[: len(MORE)], _more(results))
    lines = ["**The classics, beside their references**", "", *beside, "", NOTE, ""]
    return "\n".join([*lines, "**Measured without a reference**", "", *alone])


NOTE = """\
Standard errors: the difference over the standard error of both sides together; up to 3 agree. The references without
a ± say nothing of their runs either, and are not judged; their standard errors are those of 2,000 runs that vary as
ours do. The references of the first episodes are exact, but 459.695 leaves out the 0.17 % of the walks that stand in
the gap of the wall when it closes: with them, as here, it is 460.435. Dyna-Q draws its planning as the book's box says,
a state seen so far and then an action tried there; *pairs* draws uniformly among the pairs tried, as the book's text
says. The references of prioritized sweeping are of the book's: values change by sweeps only, and the pair just updated
does not go back into the queue. *Re-queuing* leaves it there where error is left. The row with direct updates, as the
strategy is used elsewhere in this package, is there to show that this is another algorithm. Paths are looked at where
an episode ends. A solution is found when every greedy path has at most 16 steps (33 at resolution 2, at resolution 3
at most 1.2 times the shortest)."""


def verdict(finding: Finding) -> str:
    """The verdict in a word or two."""
    if np.isnan(finding.errors):
        return "–"
    if not finding.reference.is_met:
        return "not told apart" if finding.agrees else "another algorithm"
    if finding.reference.half_width is None:
        return "not judged"
    return "agrees" if finding.agrees else "differs"


def cells(finding: Finding) -> Sequence[str]:
    """One row, under ``HEAD``."""
    reference = finding.reference
    width = "not given" if reference.half_width is None else f"{reference.half_width:g}" if reference.runs else "exact"
    return (
        reference.what,
        reference.classic,
        reference.agent,
        f"{finding.n:,}",
        brief(finding.measured.estimate),
        between(finding.measured),
        f"{reference.value:,}",
        width,
        f"{finding.errors:+.1f}",
        verdict(finding),
    )


def _more(results: Results) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    compared = {(reference.classic, reference.agent) for reference in REFERENCES}
    for name in results:
        classic = CLASSICS[name]
        for agent, record in results[name].items():
            if classic.records == "solution" and (name, agent) not in compared:
                rows.append(_more_cells("updates until the greedy path is short", name, agent, record["updates"]))
            if name == "shortcut-maze":
                half = record["reward"].shape[1] // 2
                rows.append(_more_cells("reward in steps 1 to 3000", name, agent, record["reward"][:, :half].sum(1)))
                rows.append(_more_cells("reward in steps 3001 to 6000", name, agent, record["reward"][:, half:].sum(1)))
                late = record["reward"][:, -half // 3 :].sum(1)
                rows.append(_more_cells("reward in steps 5001 to 6000", name, agent, late))
    return rows


def _more_cells(what: str, name: str, agent: str, numbers: npt.ArrayLike) -> Sequence[str]:
    interval = mean_interval(numbers)
    return what, name, agent, f"{np.size(numbers):,}", brief(interval.estimate), between(interval)


def brief(value: float) -> str:
    """A number in four figures."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def between(interval: Interval) -> str:
    """An interval; a dash where there is none."""
    return "–" if np.isnan(interval.low) else f"{brief(interval.low)} … {brief(interval.high)}"
