"""Suites in which actions are numbers: soft actor-critic, and model-based policy optimisation.

Step sizes of the small preset were chosen by hand, on another seed than those reported: see
``docs/continuous_control_results.md``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mgsc.environments.control import GymnasiumControlSettings
from mgsc.environments.pendulum import PendulumSettings
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.network_suites import RECENT
from mgsc.experiments.design.suite import Suite
from mgsc.models import SimulatedModel
from mgsc.models.mlp import MlpModel
from mgsc.models.mlp_ensemble import MlpEnsemble
from mgsc.policies import ActorSettings
from mgsc.replay_buffer import ReplayBufferSettings
from mgsc.rollouts import RolloutSettings
from mgsc.search_control.replay import ReplaySettings
from mgsc.search_control.table import STRATEGIES
from mgsc.values.sac import SacSettings

PREFIX = "sac-"
"""The beginning of the names of suites whose agents use no model."""

SMALL_STEP = 1e-3
"""Step size of the small preset, of critics, actor and temperature."""

PAPER_STEP = 3e-4
"""Step size of the published agents."""

SMALL = SacSettings(units=64, actor_step_size=SMALL_STEP, temperature_step_size=SMALL_STEP)
"""Networks small enough for two cores."""

PAPER = SacSettings(units=256, actor_step_size=PAPER_STEP, temperature_step_size=PAPER_STEP)
"""Networks of the published agents."""

SMALL_MODEL = MlpEnsemble(members=5, elites=3, units=64, batch_size=256, capacity=20_000)
PAPER_MODEL = MlpEnsemble(
    members=7, elites=5, units=200, layers=4, kind="probabilistic", batch_size=256, capacity=100_000
)
"""Ensembles for two cores, and of the published agent."""

MIXTURE = 0.3
"""Share of MGSC's rollouts that always begin uniformly."""

PLANNED_STEP = 1e-4
"""Step size of the critics' planned updates, which are plain gradient steps, not Adam's."""


MUJOCO: Mapping[str, tuple[str, int, str, int]] = {
    "invertedpendulum": ("InvertedPendulum-v5", 5_000, "reversed", 1),
    "reacher": ("Reacher-v5", 10_000, "reversed", 1),
    "hopper": ("Hopper-v5", 20_000, "mass", 5),
    "halfcheetah": ("HalfCheetah-v5", 20_000, "friction", 1),
}
"""Name → environment, real steps, change halfway, and length of the longest rollouts."""


PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "invertedpendulum": {
        "steps": 20_000,
        "warm_up_steps": 500,
        "values": dataclasses.replace(PAPER, target_entropy=-0.05),
    },
    "hopper": {
        "steps": 125_000,
        "planning_updates": 20,
        "rollouts": RolloutSettings(starts=400, last_length=15, first_step=20_000, last_step=150_000, capacity=400_000),
    },
}
"""Published settings of single environments, where they differ from those of ``_mbpo``.

Source: Janner et al. 2019 and their code's configurations: lengths, updates, warm-up and target entropy.
"""


def sac_agents(step_size: float, capacity: int) -> dict[str, AgentSettings]:
    """Soft actor-critic with one update for each real step, and with the suite's budget of updates.

    Args:
        step_size: of the critics.
        capacity: real transitions kept, from all of which updates draw.
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


def mbpo_agents(step_size: float, capacity: int, *, meta_step_size: float) -> dict[str, AgentSettings]:
    """Model-based policy optimisation with each way to choose the starts of rollouts, and rivals without a model.

    Args:
        step_size: of the critics.
        capacity: real transitions kept.
        meta_step_size: of MGSC's logits.
    """

    def agent(strategy: str, **options: Any) -> AgentSettings:
        return AgentSettings(strategy, step_size=step_size, options=STRATEGIES[strategy].settings(**options))

    learned = {"meta_step_size": meta_step_size, "planned_step_size": PLANNED_STEP, "mixture": MIXTURE}
    return {
        **sac_agents(step_size, capacity),
        "mbpo": agent("uniform"),
        "mbpo_recency": agent("stored_priority", by="recency"),
        "mbpo_td_error": agent("stored_priority"),
        "mbpo_mask": agent("disagreement", kind="mask"),
        "mbpo_meta_gradient": agent("meta_gradient", logits="network", **learned),
        "mbpo_meta_gradient_pairs": agent("meta_gradient", logits="network", over="pairs", **learned),
        "mbpo_meta_gradient_features": agent("meta_gradient", logits="features", **learned),
        "mbpo_meta_gradient_recent": agent(
            "meta_gradient", logits="network", experience="recent", experience_length=RECENT, **learned
        ),
    }


def _mbpo(
    title: str, environment: Any, steps: int, *, is_paper: bool = False, longest: int = 1, **changes: Any
) -> Suite:
    values = PAPER if is_paper else SMALL
    suite = dataclasses.replace(
        _sac(title, environment, steps, values),
        model=PAPER_MODEL if is_paper else SMALL_MODEL,
        agents=mbpo_agents(values.actor_step_size, steps, meta_step_size=0.003),
        candidates=ReplayBufferSettings(num_candidates=128, capacity=steps),
        rollouts=RolloutSettings(
            starts=400 if is_paper else 64,
            last_length=longest,
            first_step=steps // 10,
            last_step=steps // 2,
            capacity=100_000 if is_paper else 20_000,
        ),
    )
    return dataclasses.replace(suite, **changes)


def _stale() -> Suite:
    """A model that is the truth of the first phase for ever; it has no members that could disagree."""
    changing = PendulumSettings(change="mass", switch_every=2_500)
    suite = _mbpo("Pendulum of twice the mass halfway, stale model", changing, 5_000)
    agents = {name: agent for name, agent in suite.agents.items() if name != "mbpo_mask"}
    return dataclasses.replace(suite, model=SimulatedModel(rewards="stale", dynamics="stale"), agents=agents)


def _mujoco() -> dict[str, Suite]:
    """Suites of MuJoCo's environments, plain and changing halfway: small networks, and the papers' beside them."""
    suites = {}
    for name, (id, steps, change, longest) in MUJOCO.items():
        plain = GymnasiumControlSettings(id)
        changing = GymnasiumControlSettings(id, change=change, switch_every=steps // 2)
        suites[f"mbpo-{name}"] = _mbpo(f"{id}, small networks", plain, steps, longest=longest)
        suites[f"mbpo-{name}-changing"] = _mbpo(f"{id}, {change} halfway", changing, steps, longest=longest)
        published = {"steps": steps, "longest": longest, **PUBLISHED.get(name, {})}
        suites[f"mbpo-{name}-paper"] = _mbpo(f"{id}, networks of the papers", plain, is_paper=True, **published)
    return suites


CONTROL_SUITES: Mapping[str, Suite] = {
    "sac-pendulum": _sac("Pendulum, soft actor-critic, 2×64 units", PendulumSettings(), 10_000, SMALL),
    "sac-pendulum-paper": _sac("Pendulum, soft actor-critic, 2×256 units", PendulumSettings(), 10_000, PAPER),
    "mbpo-pendulum": _mbpo("Pendulum, model-based policy optimisation, 2×64 units", PendulumSettings(), 5_000),
    "mbpo-pendulum-paper": _mbpo(
        "Pendulum, model-based policy optimisation, 2×256 units", PendulumSettings(), 5_000, is_paper=True
    ),
    "mbpo-pendulum-changing": _mbpo(
        "Pendulum whose torques are reversed halfway",
        PendulumSettings(change="reversed", switch_every=2_500),
        5_000,
    ),
    "mbpo-pendulum-small": _mbpo(
        "Pendulum, models of 8 units", PendulumSettings(), 5_000, model=dataclasses.replace(SMALL_MODEL, units=8)
    ),
    "mbpo-pendulum-stale": _stale(),
    **_mujoco(),
}
"""Suites in which actions are numbers."""
