"""Suites and a strategy for clusters: they are imported by workers on other nodes, too."""

from __future__ import annotations

import os
import time
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


DRIVER = "MGSC_TEST_DRIVER"
"""The variable that holds the number of the driver's process."""

WAIT = 8.0
"""Seconds that ``waiting_on_nodes`` takes at least, however fast or busy a machine is."""


def is_driver() -> bool:
    return os.environ.get(DRIVER) == str(os.getpid())


def waiting_on_nodes(settings: NoSettings, facts):
    """A strategy that takes its time wherever it is not the driver who builds it."""
    if not is_driver():
        time.sleep(WAIT)
    return worker_parts.evenly(settings, facts)


def refusing_on_nodes(settings: NoSettings, facts):
    """A strategy that has an error wherever it is not the driver who builds it."""
    if not is_driver():
        if CALLS in os.environ:
            with open(Path(os.environ[CALLS]), "a") as file:
                file.write(f"{os.getpid()}\n")
        raise UserError("this strategy has had enough")
    return worker_parts.evenly(settings, facts)
