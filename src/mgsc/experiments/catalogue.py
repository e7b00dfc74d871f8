"""``mgsc list``: every suite, environment, strategy and setting, from the tables that hold them."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.environments import ENVIRONMENTS
from mgsc.experiments.design.models import MODELS
from mgsc.experiments.design.strategies import STRATEGIES
from mgsc.experiments.design.suites import SUITES, Suite
from mgsc.experiments.tuning.chosen import read_sweep
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
    for name, environment in ENVIRONMENTS.items():
        title = f"Settings of {name}: {environment.summary}"
        console.print(_settings_table(title, environment.settings(), "environment."))
    for name, settings in MODELS.items():
        console.print(_settings_table(f"Settings of a {name} model", settings(), "model."))
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
        if field.metadata:
            value = getattr(settings, field.name)
            table.add_row(prefix + field.name, f"{value}", describe(field.metadata), str(field.metadata["help"]))
    return table
