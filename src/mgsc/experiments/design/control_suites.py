"""Suites in which actions are numbers: soft actor-critic, which learns from stored real transitions.

Step sizes of the small preset were chosen by hand, on another seed than those reported: see
``docs/continuous_control.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mgsc.environments.pendulum import PendulumSettings
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suite import Suite
from mgsc.models.mlp import MlpModel
from mgsc.policies import ActorSettings
from mgsc.replay_buffer import ReplayBufferSettings
from mgsc.search_control.replay import ReplaySettings
from mgsc.values.sac import SacSettings

PREFIX = "sac-"
"""How the names of the suites begin whose agents look at no model."""

SMALL_STEP = 1e-3
"""Step size of the small preset, of critics, actor and temperature."""

PAPER_STEP = 3e-4
"""Step size of the published agents."""

SMALL = SacSettings(units=64, actor_step_size=SMALL_STEP, temperature_step_size=SMALL_STEP)
"""Networks that two cores can train."""

PAPER = SacSettings(units=256, actor_step_size=PAPER_STEP, temperature_step_size=PAPER_STEP)
"""Networks of the published agents."""


def sac_agents(step_size: float, capacity: int) -> dict[str, AgentSettings]:
    """Soft actor-critic with one update for each real step, and with the suite's budget of updates.

    Args:
        step_size: of the critics.
        capacity: real transitions kept, all of which are drawn from.
    """
    options = ReplaySettings(window=capacity, capacity=capacity)
    return {
        "sac": AgentSettings("replay", step_size=step_size, planning_updates=1, options=options),
        "sac_many_updates": AgentSettings("replay", step_size=step_size, options=options),
    }


def _sac(title: str, environment: Any, steps: int, values: SacSettings) -> Suite:
    return Suite(
        title,
        environment,
        MlpModel(),
        steps=steps,
        record_every=500,
        measure_every=500,
        discount=0.99,
        planning_updates=10,
        batch_size=256,
        lanes_per_block=1,
        warm_up_steps=200,
        agents=sac_agents(values.actor_step_size, capacity=steps),
        values=values,
        candidates=ReplayBufferSettings(),
        policy=ActorSettings(),
        records_episodes=True,
    )


CONTROL_SUITES: Mapping[str, Suite] = {
    "sac-pendulum": _sac("Pendulum, soft actor-critic, 2×64 units", PendulumSettings(), 10_000, SMALL),
    "sac-pendulum-paper": _sac("Pendulum, soft actor-critic, 2×256 units", PendulumSettings(), 10_000, PAPER),
}
"""Suites in which actions are numbers."""
