"""The command line with fewer agents and smaller blocks where ``mgsc reproduce`` has no options for that.

python -m tests.cluster.small_commands reproduce --suites tmaze-fixed --executor ray
"""

from __future__ import annotations

import sys

from mgsc import cli
from mgsc.experiments import reproduce
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents
from mgsc.experiments.tuning.chosen import tuned_suite

AGENTS = ("uniform", "meta_gradient")
CHANGES = {
    "lanes_per_block": 2,
    "steps": 2_000_000,
    "record_every": 200_000,
    "environment.switch_every": 200_000,
}
"""Units of some seconds."""


def small_suite(name: str, seeds: Seeds) -> Suite:
    """The tuned suite with fewer agents."""
    return change_suite(choose_agents(tuned_suite(name, seeds), AGENTS), CHANGES)


if __name__ == "__main__":
    reproduce.tuned_suite = small_suite
    sys.exit(cli.main())
