"""``mgsc list``: every suite, environment, strategy and setting, from the tables that hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.parts import CANDIDATES, ENVIRONMENTS, MODELS, POLICIES, VALUES
from mgsc.experiments.design.suites import SUITES, Suite
from mgsc.experiments.tuning.chosen import read_sweep
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import describe


def print_catalogue() -> None:
    """Prints the catalogue to standard output."""
    console = Console(width=None if Console().is_terminal else 120)
    suites = _table("Suites", "suite", "what", "agents", "tuned")
    for name, suite in SUITES.items():
        suites.add_row(name, suite.title, ", ".join(suite.agents), "yes" if read_sweep(name) else "no")
    strategies = _table("Strategies", "strategy", "what it does")
    for name, row in STRATEGIES.items():
        strategies.add_row(name, row.summary)
    console.print(suites, strategies, sep="\n\n")
    first = next(iter(SUITES.values()))
    console.print(_settings_table("Settings of a suite (--set KEY=VALUE)", first, ""))
    parts: dict[str, Mapping[str, Any]] = {
        "environment": ENVIRONMENTS,
        "model": MODELS,
        "values": VALUES,
        "candidates": CANDIDATES,
        "policy": POLICIES,
    }
    for kind, rows in parts.items():
        for name, row in rows.items():
            title = f"Settings of {kind} {name}: {row.summary}"
            if any("kind" in field.metadata for field in dataclasses.fields(row.settings)):
                console.print(_settings_table(title, row.settings(), f"{kind}."))
            else:
                console.print(f"[bold]{title}[/bold] (none)", highlight=False)
    console.print(_settings_table("Settings of an agent", AgentSettings(), "AGENT."))
    for name, row in STRATEGIES.items():
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
