"""The chosen settings as a table: for a terminal, and in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mgsc.experiments.reading.table_text import markdown_lines, titled_table

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = ("agent", "setting", "searched", "chosen", "at edge", "mean", "95 % interval")
LEFT = 2
"""Number of columns of words, which come first; columns of numbers follow."""

ABSENT = "–"

IN_WORDS = {"reward": "total reward", "return": "reward per ended episode"}
"""What a sweep's means are of, in words."""


class ChosenSetting(NamedTuple):
    """One row: a setting of an agent; entries of the agent itself are in its first row only."""

    agent: str
    setting: str
    searched: str
    chosen: str
    edge: str
    mean: str
    interval: str


def chosen_rows(sweep: Mapping[str, Any], agents: Sequence[str] | None = None) -> list[ChosenSetting]:
    """One row for each setting of each agent.

    Args:
        sweep: of ``mgsc tune``.
        agents: names of its agents; None for all.
    """
    names = sweep["agents"] if agents is None else agents
    return [row for agent in names for row in _rows_of(agent, sweep["agents"][agent])]


def to_table(sweep: Mapping[str, Any], agents: Sequence[str] | None = None) -> Table:
    """The rows as a table for a rich console; it reads in plain text, too."""
    from rich.text import Text

    table = titled_table(_title(sweep), _note(sweep))
    for place, heading in enumerate(HEADINGS):
        is_number = place >= LEFT
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in chosen_rows(sweep, agents):
        table.add_row(*map(Text, row))
    return table


def to_markdown(sweep: Mapping[str, Any]) -> str:
    """The rows as a Markdown table; ends with an empty line, so that tables may follow each other in one page."""
    rows = [[f"`{row.agent}`" if row.agent else "", f"`{row.setting}`", *row[LEFT:]] for row in chosen_rows(sweep)]
    lines = markdown_lines(HEADINGS, [place >= LEFT for place in range(len(HEADINGS))], rows)
    return "\n".join([f"**{_title(sweep)}**", "", *lines, "", _note(sweep), ""])


def final_row(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of an agent's chosen configuration in the last round."""
    rows = [row for row in entry["finalists"] if row["settings"] == entry["chosen"]]
    return dict(max(rows, key=lambda row: float(row["mean"])))


def objective_in_words(sweep: Mapping[str, Any]) -> str:
    """What a sweep's means are of: the total reward, where it says nothing else."""
    return IN_WORDS[sweep.get("protocol", {}).get("objective", "reward")]


def edge_text(entry: Mapping[str, Any], setting: str) -> str:
    """``"low end"`` or ``"high end"`` where ``is_at_edge`` holds; empty elsewhere."""
    if setting not in entry["at_edge"]:
        return ""
    span, chosen = entry["space"][setting], entry["chosen"][setting]
    return "low end" if chosen * chosen < span["low"] * span["high"] else "high end"


def brief(value: float) -> str:
    """A setting in few figures."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _rows_of(agent: str, entry: Mapping[str, Any]) -> Iterator[ChosenSetting]:
    best = final_row(entry)
    said = (agent, _reward(best["mean"]), _interval(best))
    for setting, span in entry["space"].items():
        name, mean, interval = said
        searched = f"{_end(span['low'])} … {_end(span['high'])}"
        if span.get("share_of_zero"):
            searched = f"0, {searched}"
        yield ChosenSetting(
            name, setting, searched, brief(entry["chosen"][setting]), edge_text(entry, setting), mean, interval
        )
        said = ("", "", "")


def _end(value: float) -> str:
    return f"{value:,g}"


def _interval(row: Mapping[str, Any]) -> str:
    ends = (row["low"], row["high"])
    # One seed has no interval.
    return ABSENT if None in ends else f"{_reward(ends[0])} … {_reward(ends[1])}"


def _reward(value: float) -> str:
    """Without decimals once it is large, with three figures while it is small."""
    return f"{value:,.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def _title(sweep: Mapping[str, Any]) -> str:
    return f"{sweep['settings'].get('title', sweep['suite'])}: settings chosen by tuning"


def _note(sweep: Mapping[str, Any]) -> str:
    counts = {row["n"] for entry in sweep["agents"].values() for row in entry["finalists"]}
    seeds = " or ".join(str(count) for count in sorted(counts))
    return (
        f"Mean: {objective_in_words(sweep)} of the chosen configuration on {seeds} fresh tuning seeds, with"
        " Student's interval; reported results are of other seeds. At edge: the choice is near that end of its range,"
        " which may be too narrow; the end of a budget is no such edge."
        f"{_said_of_ties(sweep)}"
    )


def _said_of_ties(sweep: Mapping[str, Any]) -> str:
    """A sentence about the agents of which all configurations have one score: nothing was chosen."""
    tied = [agent for agent, entry in sweep["agents"].items() if _are_alike(entry["configurations"])]
    if not tied:
        return ""
    return (
        f" All configurations of {', '.join(tied)} have the same {objective_in_words(sweep)}, and the first was taken:"
        f" `--objective` chooses between {' and '.join(IN_WORDS)}."
    )


def _are_alike(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len(rows) > 1 and len({(row["mean"], row["low"], row["high"]) for row in rows}) == 1
