"""``mgsc list``: every suite, environment, strategy and setting, from the tables that hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.parts import NAMED_PARTS
from mgsc.experiments.design.suites import SUITES, Suite
from mgsc.experiments.tuning.chosen import read_sweep
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import describe, unknown


def print_catalogue(subject: str | None = None) -> None:
    """Prints the catalogue to standard output.

    Args:
        subject: ``"everything"``, ``"suites"``, ``"strategies"``, or the name of a suite, a strategy or a part; None
            for what there is, without settings.

    Raises:
        UserError: there is no such subject.
    """
    console = Console(width=None if Console().is_terminal else 120)
    if subject is None:
        for table in (_suites(SUITES, has_agents=False), _strategies(STRATEGIES), _parts()):
            console.print(table, "")
        console.print("Settings and their limits: mgsc list NAME, of a suite, strategy or part; mgsc list everything")
    elif subject == "everything":
        _print_everything(console)
    else:
        _print_subject(console, subject)


def _print_everything(console: Console) -> None:
    console.print(_suites(SUITES), "", _strategies(STRATEGIES), "")
    first = next(iter(SUITES.values()))
    console.print(_settings_table("Settings of a suite (--set KEY=VALUE)", first, ""))
    for kind, rows in NAMED_PARTS.items():
        for name, row in rows.items():
            _print_part(console, kind, name, row)
    console.print(_of_every_agent())
    for name, row in STRATEGIES.items():
        _print_strategy(console, name, row)


def _print_subject(console: Console, subject: str) -> None:
    """A list, or what is named so; a name may be that of parts of several kinds."""
    parts = [(kind, rows[subject]) for kind, rows in NAMED_PARTS.items() if subject in rows]
    if subject == "suites":
        console.print(_suites(SUITES, has_agents=False))
    elif subject == "strategies":
        console.print(_strategies(STRATEGIES))
    elif subject in SUITES:
        console.print(_suites({subject: SUITES[subject]}))
        console.print(_settings_table("Settings of the suite", SUITES[subject], ""))
        for kind in NAMED_PARTS:
            part = getattr(SUITES[subject], kind)
            if _has_settings(part):
                console.print(_settings_table(f"Settings of its {kind}", part, f"{kind}."))
    elif subject in STRATEGIES or parts:
        if subject in STRATEGIES:
            console.print(_strategies({subject: STRATEGIES[subject]}))
            _print_strategy(console, subject, STRATEGIES[subject])
            console.print(_of_every_agent())
        for kind, row in parts:
            _print_part(console, kind, subject, row)
    else:
        lists = "everything", "suites", "strategies"
        raise unknown(
            "subject",
            subject,
            {*lists, *SUITES, *STRATEGIES, *(name for rows in NAMED_PARTS.values() for name in rows)},
        )


def _suites(suites: Mapping[str, Suite], *, has_agents: bool = True) -> Table:
    table = _table("Suites", "suite", "what", *(["agents"] if has_agents else []), "tuned")
    for name, suite in suites.items():
        agents = [", ".join(suite.agents)] if has_agents else []
        table.add_row(name, suite.title, *agents, "yes" if read_sweep(name) else "no")
    return table


def _strategies(rows: Mapping[str, Any]) -> Table:
    table = _table("Strategies", "strategy", "what it does")
    for name, row in rows.items():
        table.add_row(name, row.summary)
    return table


def _parts() -> Table:
    table = _table("Parts of a suite", "part", "name", "what it is")
    for kind, rows in NAMED_PARTS.items():
        for name, row in rows.items():
            table.add_row(kind, name, row.summary)
    return table


def _of_every_agent() -> Table:
    return _settings_table("Settings of every agent", AgentSettings(), "AGENT.")


def _print_part(console: Console, kind: str, name: str, row: Any) -> None:
    title = f"Settings of {kind} {name}: {row.summary}"
    if _has_settings(row.settings):
        console.print(_settings_table(title, row.settings(), f"{kind}."))
    else:
        console.print(f"[bold]{title}[/bold] (none)", highlight=False)


def _has_settings(part: Any) -> bool:
    return any("kind" in field.metadata for field in dataclasses.fields(part))


def _print_strategy(console: Console, name: str, row: Any) -> None:
    if dataclasses.fields(row.settings):
        console.print(_settings_table(f"Settings of {name}", row.settings(), f"{name}."))


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _settings_table(title: str, settings: Suite | Any, prefix: str) -> Table:
    table = _table(title, "key", "default", "allowed", "meaning")
    for field in dataclasses.fields(settings):
        if "kind" in field.metadata:
            value = getattr(settings, field.name)
            table.add_row(prefix + field.name, f"{value}", describe(field.metadata), str(field.metadata["help"]))
    return table
