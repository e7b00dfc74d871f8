"""The interface of trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote


class RunName(NamedTuple):
    """The name of a run in a tracker.

    Attributes:
        agent: the agent, by which runs are grouped.
        part: ``"seed-3"``, or ``"aggregate"`` for the mean over all seeds with its interval.
        identity: letters and digits that differ between settings.
    """

    agent: str
    part: str
    identity: str


def folder_name(agent: str) -> str:
    """The name of an agent's folder, which is no path and not hidden."""
    name = quote(agent, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


class Writer(Protocol):
    """A run that is being written."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes finite numbers of one step, by name; steps grow."""

    def close(self) -> None:
        """Ends the run, and flushes its files."""


class Sink(NamedTuple):
    """A kind of tracker.

    Attributes:
        name: for ``--track`` and ``--to``.
        package: the extra of ``mgsc`` that installs it.
        open: ``(folder, project, name, config)`` begins a run in a folder without files of it.
        files_of: ``(folder, name)`` all files and folders of a run, and no others.
        hint: ``(folder)`` the way to view the runs, in words.
        check: raises ImportError where the package is missing.
        check_project: ``(project)`` raises UserError where there can be no such project; None for trackers without.
    """

    name: str
    package: str
    open: Callable[[Path, str, RunName, Mapping[str, Any]], Writer]
    files_of: Callable[[Path, RunName], list[Path]]
    hint: Callable[[str], str]
    check: Callable[[], object]
    check_project: Callable[[str], None] | None = None
