"""The smallest tuning there is: every round of an agent is one block, which tells its progress once."""

from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
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
