"""The table of classic experiments: figures 8.2, 8.4, 8.5 and example 8.4 of Sutton & Barto (2018)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mgsc.environments.book_mazes import BlockingMazeSettings, DynaMazeSettings, ShortcutMazeSettings, dyna_maze
from mgsc.environments.tables import steps_to_goal
from mgsc.experiments.classics.design import Classic
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import Suite
from mgsc.models import LearnedModel
from mgsc.search_control.table import STRATEGIES

NEWEST = LearnedModel(average="recency", step_size=1.0)
"""A model of each pair's newest outcome: the book's table, also where walls change."""

RELAXED = 1.2
"""Length of the longest solution over that of the shortest path, rounded down."""

SOLVED = {1: 16, 2: 33}
"""By resolution, the longest path that is a solution in the references."""

EPISODES = 50

SWEEPING = "prioritized sweeping"
"""The book's agent: values change by sweeps only, and the pair just updated leaves the queue."""

REQUEUING = "prioritized sweeping, re-queuing"
"""The same, but the pair just updated stays in the queue where error is left."""

SWEEPING_TOO = "prioritized sweeping, re-queuing and direct updates"
"""The strategy as elsewhere in this package."""


def _agent(strategy: str, step_size: float, planning_updates: int = 0, **options: float | str) -> AgentSettings:
    return AgentSettings(strategy, step_size, planning_updates, options=STRATEGIES[strategy].settings(**options))


def _dyna_q(step_size: float, planning_updates: int = 0, over: str = "states") -> AgentSettings:
    """Dyna-Q, of the book's box unless it says otherwise: a state seen so far, then an action tried there."""
    return _agent("dyna_q", step_size, planning_updates, over=over)


def _dyna_agents(step_size: float, bonus: float) -> dict[str, AgentSettings]:
    return {"Dyna-Q": _dyna_q(step_size), "Dyna-Q+": _agent("dyna_q_plus", step_size, bonus=bonus)}


FIGURE_8_2 = Suite(
    "Dyna maze (fig. 8.2)",
    DynaMazeSettings(),
    NEWEST,
    steps=2_000,
    planning_updates=50,
    agents={
        "n = 0": _agent("no_planning", 0.1),
        "n = 5": _dyna_q(0.1, 5),
        "n = 50": _dyna_q(0.1, 50),
    },
)

SAMPLINGS = {
    "n = 1, states": _dyna_q(0.1, 1),
    "n = 1, pairs": _dyna_q(0.1, 1, "pairs"),
    "n = 5, states": _dyna_q(0.1, 5),
    "n = 5, pairs": _dyna_q(0.1, 5, "pairs"),
}
"""The samplings of planning: a state and then an action, as in the book's box, or a pair, as in its text."""

FIGURE_8_4 = Suite(
    "Blocking maze (fig. 8.4)",
    # Phases follow in a circle: with three of them the wall moves once in 3000 steps.
    BlockingMazeSettings(phases=3, switch_every=1000),
    NEWEST,
    steps=3_000,
    planning_updates=10,
    agents=_dyna_agents(1.0, bonus=1e-4),
)

FIGURE_8_5 = Suite(
    "Shortcut maze (fig. 8.5)",
    ShortcutMazeSettings(phases=2, switch_every=3000),
    NEWEST,
    steps=6_000,
    planning_updates=10,
    agents=_dyna_agents(1.0, bonus=1e-3),
)

RANDOM_WALK = {"n = 0": _agent("no_planning", 1.0)}


def _first_episode(title: str, maze: BlockingMazeSettings) -> Classic:
    suite = Suite(title, maze, NEWEST, steps=500, planning_updates=1, agents=RANDOM_WALK)
    return Classic(suite, "episodes", 1, runs=2000)


def _example_8_4(resolution: int, runs: int, **agents: AgentSettings) -> Classic:
    settings = DynaMazeSettings(resolution=resolution)
    suite = Suite(
        f"Dyna maze at resolution {resolution} (example 8.4)",
        settings,
        NEWEST,
        steps=1_000 * resolution**2,
        record_every=100,
        planning_updates=5,
        agents={
            SWEEPING: _agent("prioritized_sweeping", 0.5, threshold=1e-4, requeues=False),
            "Dyna-Q": _dyna_q(0.5),
            **agents,
        },
    )
    longest = SOLVED.get(resolution) or int(RELAXED * steps_to_goal(dyna_maze(settings).tables))
    return Classic(suite, "solution", longest, runs, planning_only=(SWEEPING, REQUEUING))


REQUEUED = {REQUEUING: _agent("prioritized_sweeping", 0.5, threshold=1e-4)}


CLASSICS: Mapping[str, Classic] = {
    "dyna-maze": Classic(FIGURE_8_2, "episodes", EPISODES, runs=2000),
    "dyna-maze-samplings": Classic(
        dataclasses.replace(FIGURE_8_2, title="Dyna maze, two samplings", planning_updates=5, agents=SAMPLINGS),
        "episodes",
        EPISODES,
        runs=2000,
    ),
    "blocking-maze": Classic(FIGURE_8_4, "reward", 50, runs=2000),
    "blocking-maze-small-steps": Classic(
        dataclasses.replace(FIGURE_8_4, title="Blocking maze, step size 0.1", agents=_dyna_agents(0.1, bonus=1e-4)),
        "reward",
        50,
        runs=2000,
    ),
    "shortcut-maze": Classic(FIGURE_8_5, "reward", 50, runs=200),
    # For as good as ever: the wall moves once in a million steps.
    "first-episode-moved": _first_episode(
        "Blocking maze, first episode", BlockingMazeSettings(phases=1000, switch_every=1000)
    ),
    "first-episode-stayed": _first_episode(
        "Blocking maze whose wall stays, first episode", BlockingMazeSettings(switch_every=2**30)
    ),
    # What the strategy is elsewhere in this package, with direct updates too, is not what the book's numbers are of.
    "sweeping-1": _example_8_4(
        1, 1000, **REQUEUED, **{SWEEPING_TOO: _agent("prioritized_sweeping", 0.5, threshold=1e-4)}
    ),
    "sweeping-2": _example_8_4(2, 200, **REQUEUED),
    "sweeping-3": _example_8_4(3, 30),
}
