"""The progress of a result folder as text and as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from mgsc.experiments.store import Census
from mgsc.experiments.store.marks import Mark

MOST_UNITS = 20
"""Most units of each kind in the text; JSON has all of them."""

KINDS = ("done", "running", "failed", "missing")


def to_text(census: Census) -> str:
    """A line on the folder, a table of its agents, and a line for each unit that runs or has failed."""
    rows = [["agent", *KINDS], *([agent, *_numbers(asdict(counts))] for agent, counts in census.agents.items())]
    if len(census.agents) > 1:
        rows.append(["all", *_numbers(asdict(census.total))])
    lines = [census.state.message]
    if census.agents:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", *("  ".join([row[0].ljust(widths[0]), *_right(row, widths)]) for row in rows)]
    lines += _list("running", [_running(mark) for mark in census.running])
    lines += _list("failed", [_failed(mark) for mark in census.failed])
    return "\n".join(lines)


def to_json(census: Census) -> str:
    """The progress as JSON, with all units."""
    state = census.state
    answer: dict[str, Any] = {
        "suite": census.suite,
        "message": state.message,
        "has_result": state.has_result,
        "is_complete": state.is_complete,
        "total": asdict(census.total),
        "agents": {agent: asdict(counts) for agent, counts in census.agents.items()},
        "running": [{"unit": mark.name, **asdict(mark)} for mark in census.running],
        "failed": [{"unit": mark.name, **asdict(mark)} for mark in census.failed],
    }
    return json.dumps(answer, indent=1)


def _numbers(counts: dict[str, int]) -> list[str]:
    return [f"{counts[kind]:,}" for kind in KINDS]


def _right(row: list[str], widths: list[int]) -> list[str]:
    return [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]


def _list(kind: str, lines: list[str]) -> list[str]:
    more = [f"… and {len(lines) - MOST_UNITS:,} more {kind}: see --json"] if len(lines) > MOST_UNITS else []
    return ["", *lines[:MOST_UNITS], *more] if lines else []


def _running(mark: Mark) -> str:
    return (
        f"running: {_unit(mark)} on {mark.host}, process {mark.process}, for {max(time.time() - mark.began, 0):.0f} s"
    )


def _failed(mark: Mark) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(mark.began))
    log = f"\n  log: {mark.log}" if mark.log else ""
    return f"failed: {_unit(mark)} on {mark.host}, begun {when}: {mark.reason}{log}"


def _unit(mark: Mark) -> str:
    return f"{mark.name} ({len(mark.seeds)} seed{'s' if len(mark.seeds) > 1 else ''})"
