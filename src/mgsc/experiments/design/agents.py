"""The agents of the suites: strategies with their numbers. A variant is a row here, not code."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from mgsc.experiments.design.own import OwnStrategy
from mgsc.search_control import LearnedPrioritySettings, MetaGradientSettings
from mgsc.search_control.row import NoSettings
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import choice, number, size

OWN = "own"
"""The strategy of an agent whose strategy is in ``AgentSettings.own``, not in the table."""


@dataclasses.dataclass(frozen=True)
class AgentSettings:
    """One agent of a suite: a strategy with its numbers.

    Attributes:
        strategy: a name of the table of strategies; ``OWN`` for one from ``own_strategy``.
        step_size: α of direct and planning updates.
        planning_updates: K per real step; 0 takes the suite's whole budget.
        extra_updates: updates allowed beyond the budget, of rivals that are matched in compute.
        initial_value: what all action values begin at (reward).
        options: the strategy's own settings, such as ``MetaGradientSettings()``.
        own: a strategy without a row in the table; ``own_strategy`` fills it in.
    """

    strategy: str = choice("uniform", (*STRATEGIES, OWN), "search-control strategy; own: one from own_strategy")
    step_size: float = number(0.5, 0.0, 1.0, "step size of direct and planning updates", above=True)
    planning_updates: int = size(0, 0, 1000, "planning updates per real step; 0 takes the whole budget", traced=True)
    extra_updates: int = size(0, 0, 1000, "updates allowed beyond the suite's budget (compute-matched rivals)")
    initial_value: float = number(0.0, -math.inf, math.inf, "initial action values")
    options: Any = dataclasses.field(default_factory=NoSettings)
    own: OwnStrategy | None = None


ERRORS = LearnedPrioritySettings(uses_policy=False, uses_novelty=False)
"""``learned_priority`` of errors alone: nothing draws planning to where the agent often is."""

RECENT = MetaGradientSettings(experience="recent", experience_length=5, meta_step_size=0.1, entropy_bonus=1e-3)
"""MGSC with a target from each of the last five real transitions: this project's variant."""

PAPER = (
    "no_planning",
    "uniform",
    "uniform_compute_matched",
    "uniform_recent_matched",
    "avoid_terminal",
    "recency",
    "visited",
    "trajectory",
    "replay",
    "meta_gradient",
    "meta_gradient_recent",
)
"""The agents of the paper's experiments and their rivals: those of ``mgsc reproduce``."""

FAMILY = (
    "dyna_q",
    "dyna_q_plus",
    "prioritized_sweeping",
    "small_backups",
    "td_error_priority",
    "uncertainty",
    "learning_progress",
    "model_error",
    "value_gradient",
    "value_frequency",
    "gain_need",
    "oracle",
)
"""The other strategies, each published, and a privileged yardstick."""

COMPARED = (
    *(name for name in PAPER if name != "uniform_recent_matched"),
    "learned_priority",
    "learned_errors",
    "constant_priority",
    *FAMILY,
    "uncertainty_ensemble",
)
"""The agents of the comparison, with one rival that makes more updates."""

WHERE_AND_WHAT = ("learned_states", "learned_actions", "learned_states_greedy", "uniform_greedy")
"""Agents beside ``uniform`` and ``learned_priority`` that learn states or actions only, or take greedy actions."""


def default_agents(names: Iterable[str] = PAPER, num_actions: int = 4) -> dict[str, AgentSettings]:
    """Agents with their own settings, untuned.

    Args:
        names: of ``PAPER``, ``COMPARED`` and ``WHERE_AND_WHAT``; by default those of the paper's experiments.
        num_actions: A of the environment, which decides the updates of compute-matched rivals.
    """
    plain = {name: AgentSettings(strategy=name, options=row.settings()) for name, row in STRATEGIES.items()}
    known = plain | _variants(num_actions)
    return {name: known[name] for name in names}


def _variants(num_actions: int) -> dict[str, AgentSettings]:
    """Agents that are a strategy with other settings than its own."""
    # As many more sampled updates as the two MGSC agents make expected backups.
    backups = 1 + num_actions
    return {
        "uniform_compute_matched": AgentSettings("uniform", extra_updates=backups),
        "uniform_recent_matched": AgentSettings("uniform", extra_updates=backups * RECENT.experience_length),
        "meta_gradient_recent": AgentSettings("meta_gradient", options=RECENT),
        "learned_errors": AgentSettings("learned_priority", options=ERRORS),
        **{name: AgentSettings("learned_priority", options=options) for name, options in _where_and_what().items()},
        "uncertainty_ensemble": AgentSettings(
            "uncertainty", options=STRATEGIES["uncertainty"].settings(source="ensemble")
        ),
    }


def _where_and_what() -> dict[str, LearnedPrioritySettings]:
    return {
        "learned_states": LearnedPrioritySettings(actions="behaviour"),
        "learned_actions": LearnedPrioritySettings(states="uniform"),
        "learned_states_greedy": LearnedPrioritySettings(actions="greedy"),
        "uniform_greedy": LearnedPrioritySettings(states="uniform", actions="greedy"),
    }
