"""Suites and a strategy for clusters: they are imported by workers on other nodes, too."""

from __future__ import annotations

import os
from pathlib import Path

from tests.experiments import worker_parts
from tests.experiments.small_tuning import SUITE as TUNED

from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, choose_agents
from mgsc.search_control.row import NoSettings

SMALL = change_suite(TUNED, {"lanes_per_block": 2, "planning_updates": 1})
"""Units of no time: compiling is all of it."""

SHORT = choose_agents(SMALL, ["uniform"])
"""One program, and units of no time."""

LONG = change_suite(
    choose_agents(SMALL, ["uniform"]),
    {"steps": 12_000_000, "record_every": 500_000, "environment.switch_every": 1_000_000, "measure_every": 5000},
)
"""Units of some seconds."""

CALLS = "MGSC_TEST_CALLS"
"""The variable that names a file, into which each call in a worker writes a line."""


def refusing_on_nodes(settings: NoSettings, facts):
    """A strategy that has an error wherever it is not the driver who builds it."""
    if os.environ.get("MGSC_TEST_DRIVER") != str(os.getpid()):
        if CALLS in os.environ:
            with open(Path(os.environ[CALLS]), "a") as file:
                file.write(f"{os.getpid()}\n")
        raise UserError("this strategy has had enough")
    return worker_parts.evenly(settings, facts)
