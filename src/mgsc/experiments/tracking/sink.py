"""The interface of trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote


class RunName(NamedTuple):
    """A run as trackers show it.

    Attributes:
        agent: the agent, by which runs are grouped.
        part: ``"seed-3"``, or ``"aggregate"`` for the mean over all seeds with its interval.
        identity: what no run of other settings has; letters and digits.
    """

    agent: str
    part: str
    identity: str


def folder_name(agent: str) -> str:
    """The name of an agent's folder: it leads nowhere else, and is not hidden."""
    name = quote(agent, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


class Writer(Protocol):
    """A run that is being written."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Takes finite numbers of one step, by name; steps grow."""

    def close(self) -> None:
        """Ends the run: all is in its files."""


class Sink(NamedTuple):
    """A kind of tracker.

    Attributes:
        name: as ``--track`` and ``--to`` spell it.
        package: the extra of ``mgsc`` that brings it.
        open: ``(folder, project, name, config)`` begins a run in a folder in which nothing is there of it.
        files_of: ``(folder, name)`` all files and folders of a run, and none of anyone else's.
        hint: ``(folder)`` how to look at the runs there.
        check: raises ImportError where the package is missing.
        check_project: ``(project)`` raises UserError where there can be no such project; None of trackers without any.
    """

    name: str
    package: str
    open: Callable[[Path, str, RunName, Mapping[str, Any]], Writer]
    files_of: Callable[[Path, RunName], list[Path]]
    hint: Callable[[str], str]
    check: Callable[[], object]
    check_project: Callable[[str], None] | None = None
