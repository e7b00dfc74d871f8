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
    """All that decides a suite's results, but the seeds.

    Attributes:
        title: in words, for figures and tables.
        environment: settings of a named environment, or of one's own from ``own_environment``.
        model: settings of a named model, or of one's own from ``own_model``; by default the true model of the first
            phase.
        steps: real environment steps of a run.
        record_every: steps of a recorded chunk; divides ``steps`` and the environment's ``switch_every``.
        measure_every: steps between measurements of errors; divides ``record_every``.
        discount: γ in [0, 1].
        epsilon: exploration probability of the behaviour policy.
        planning_updates: budget of planning updates of a real step.
        lanes_per_block: runs computed side by side; 0 chooses by the device.
        agents: by name.
        values: settings of named values, or of one's own from ``own_values``; by default a table.
        candidates: settings of a named source, or of one's own from ``own_candidates``; by default all listed states.
        policy: settings of a named policy, or of one's own from ``own_policy``; by default ε-greedy.
        batch_size: queries of one planning update.
        rollout_length: updates of an imagined rollout from a candidate.
        warm_up_steps: real steps before planning begins.
        rollouts: branched rollouts into a buffer; none by default.
        records_episodes: whether returns and lengths of episodes are recorded.
    """

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
