"""The smallest tuning there is: every round of an agent is one block, which tells its progress once."""

from pathlib import Path

import pytest

from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.tuning.file import tune_to_file
from mgsc.experiments.tuning.search import Protocol

PROTOCOL = Protocol(configurations=4, seeds=2, finalists=2, final_seeds=3, root=7)
AGENTS = ["no_planning", "uniform"]
SUITE = change_suite(
    choose_agents(get_suite("tmaze-fixed"), AGENTS),
    {
        "environment.stem": 2,
        "environment.arm": 2,
        "environment.switch_every": 100,
        "steps": 200,
        "record_every": 50,
        "measure_every": 25,
        "planning_updates": 3,
    },
)
LANE_STEPS = [4 * 2 * 200, 2 * 3 * 200]
"""Lane-steps of an agent's two rounds."""


class StopError(Exception):
    """Stands for whatever may stop a tuning."""


def tune(out, suite=SUITE, protocol=PROTOCOL, **options):
    return tune_to_file("tmaze-fixed", suite, protocol, out, **options)


def stop_in_round(number: int, out: Path, **options) -> None:
    """Tunes up to the end of a round, but not to where it is kept."""
    left = number

    def advance(agent, steps):
        nonlocal left
        left -= 1
        if left == 0:
            raise StopError

    with pytest.raises(StopError):
        tune(out, progress=Progress(advance=advance), **options)


def resume(out: Path, **options) -> int:
    """Goes on; returns how many lane-steps that took."""
    steps = []
    tune(out, resume=True, progress=Progress(advance=lambda agent, done: steps.append(done)), **options)
    return sum(steps)
