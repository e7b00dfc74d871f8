"""A suite: an experiment as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mgsc.candidates import ListedSettings
from mgsc.experiments.design.agents import AgentSettings
from mgsc.models import FixedModel
from mgsc.policies import EpsilonGreedySettings
from mgsc.rollouts import RolloutSettings
from mgsc.settings import ADDED, added, number, size, switch
from mgsc.values import TableSettings


@dataclasses.dataclass(frozen=True)
class Suite:
    """All that decides a suite's results, but the seeds."""

    title: str
    environment: Any
    model: Any = dataclasses.field(default_factory=FixedModel)
    steps: int = size(50_000, 1, 2**30, "real environment steps of a run")
    record_every: int = size(250, 1, 2**30, "steps per recorded chunk; divides steps and switch_every")
    measure_every: int = size(50, 1, 2**30, "steps between measurements of errors; divides record_every")
    discount: float = number(0.95, 0.0, 1.0, "discount factor")
    epsilon: float = number(0.1, 0.0, 1.0, "exploration probability")
    planning_updates: int = size(5, 1, 1000, "budget: planning updates per real step")
    lanes_per_block: int = added(
        size(0, 0, 2**16, "runs that are computed side by side; 0: 16 on a CPU, 512 on an accelerator")
    )
    agents: Mapping[str, AgentSettings] = dataclasses.field(default_factory=dict)
    values: Any = dataclasses.field(default_factory=TableSettings, metadata=ADDED)
    candidates: Any = dataclasses.field(default_factory=ListedSettings, metadata=ADDED)
    policy: Any = dataclasses.field(default_factory=EpsilonGreedySettings, metadata=ADDED)
    batch_size: int = added(size(1, 1, 100_000, "queries of one planning update, whose mean is one step of the values"))
    rollout_length: int = added(
        size(1, 1, 1000, "updates of an imagined rollout from a candidate; 1: each is of a query of its own")
    )
    warm_up_steps: int = added(size(0, 0, 2**30, "real steps before planning begins"))
    rollouts: RolloutSettings = dataclasses.field(default_factory=RolloutSettings, metadata=ADDED)
    records_episodes: bool = added(switch(False, "whether returns and lengths of episodes are recorded"))
