"""Suites without tables: values are networks, candidates come from a buffer.

Their settings were chosen by hand, on other seeds than those reported: ``docs/networks_results.md``,
``docs/networks_pictures.md`` and ``docs/networks_gridworlds.md`` say how.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from mgsc.candidates import BufferSettings
from mgsc.environments.acrobot import AcrobotSettings
from mgsc.environments.cartpole import CartPoleSettings
from mgsc.environments.gridworld import GridWorldSettings
from mgsc.environments.images import TMazeImageSettings, TwoRoomsImageSettings
from mgsc.experiments.design.agents import AgentSettings, default_agents
from mgsc.experiments.design.suite import Suite
from mgsc.models import SimulatedModel
from mgsc.models.mlp import MlpModel
from mgsc.models.mlp_ensemble import MlpEnsemble
from mgsc.replay_buffer import ReplayBufferSettings
from mgsc.search_control.experience import LARGEST_WINDOW
from mgsc.search_control.meta_gradient_row import MetaGradientSettings
from mgsc.search_control.table import STRATEGIES
from mgsc.values.mlp import MlpSettings

PREFIX = "net-"
"""How the names of the suites begin in which search control over candidates is compared."""

SMALL: Mapping[str, Any] = {"units": 8, "layers": 1}
"""Settings of a model that cannot be right everywhere."""


STEEPNESS = 20
"""Of networks over the plane of a GridWorld, where a move is 0.05 long."""

TILES = 16
"""Of each unit of the last hidden layer there."""

RECENT = 20
"""Real transitions of the meta-loss of ``meta_gradient_recent``, here and with MBPO; that of the others has one."""

WALLED = MlpEnsemble(activation="tanh", steepness=STEEPNESS)
"""A model of a plane with walls: with first thresholds at the origin it is seldom right about their openings."""


def _agent(strategy: str, step_size: float, *, planning_updates: int = 0, **options: Any) -> AgentSettings:
    return AgentSettings(
        strategy,
        step_size=step_size,
        planning_updates=planning_updates,
        options=STRATEGIES[strategy].settings(**options),
    )


def network_agents(step_size: float, *, has_ensemble: bool, **learned: Any) -> dict[str, AgentSettings]:
    """All agents over candidates.

    Args:
        step_size: of all of them.
        has_ensemble: whether the model is an ensemble, whose members may disagree.
        learned: settings of all MGSC agents.
    """
    agents = {
        "no_planning": _agent("no_planning", step_size),
        "dqn": _agent("replay", step_size, planning_updates=1, window=LARGEST_WINDOW),
        "dqn_many_updates": _agent("replay", step_size, window=LARGEST_WINDOW),
        "prioritized_replay": _agent("prioritized_replay", step_size),
        "uniform": _agent("uniform", step_size),
        "uniform_pairs": _agent("uniform_pairs", step_size),
        "td_error_priority": _agent("td_error_priority", step_size),
        "curious_replay": _agent("curious_replay", step_size),
        "hill_climbing": _agent("hill_climbing", step_size),
        "frequency_climbing": _agent("hill_climbing", step_size, kind="frequency", climb_step_size=0.01),
        "meta_gradient": _agent("meta_gradient", step_size, logits="network", **learned),
        "meta_gradient_pairs": _agent("meta_gradient", step_size, logits="network", over="pairs", **learned),
        "meta_gradient_features": _agent("meta_gradient", step_size, logits="features", **learned),
        "meta_gradient_both": _agent("meta_gradient", step_size, logits="both", **learned),
        "meta_gradient_recent": _agent(
            "meta_gradient", step_size, logits="network", experience="recent", experience_length=RECENT, **learned
        ),
    }
    if has_ensemble:
        agents["disagreement"] = _agent("disagreement", step_size)
        agents["disagreement_mask"] = _agent("disagreement", step_size, kind="mask")
    return agents


def _image(title: str, environment: Any, units: int, step_size: float) -> Suite:
    """Plain descent, one transition at a time: the nearest to what the tables do."""
    # Without a share of uniform queries some seeds' values went flat and stayed so.
    agents = network_agents(step_size, has_ensemble=False, meta_step_size=0.001, planned_step_size=0.05, mixture=0.2)
    # Chosen apart for these: on the TMaze the others do best with steps twice as large.
    smaller = ("no_planning", "dqn", "dqn_many_updates", "prioritized_replay")
    for name in agents:
        if name in smaller or name.startswith("meta_gradient"):
            agents[name] = dataclasses.replace(agents[name], step_size=0.2)
    # With several transitions it does better without that share.
    recent = agents["meta_gradient_recent"]
    agents["meta_gradient_recent"] = dataclasses.replace(
        recent, options=dataclasses.replace(recent.options, mixture=0.0)
    )
    return Suite(
        title,
        environment,
        SimulatedModel(rewards="stale", dynamics="current"),
        steps=20_000,
        discount=0.95,
        planning_updates=5,
        lanes_per_block=5,
        agents=agents,
        values=MlpSettings(units=units, layers=1),
        candidates=ReplayBufferSettings(num_candidates=16, capacity=2_000),
        records_episodes=True,
    )


def _minibatches(
    title: str, environment: Any, model: Any, step_size: float, learned: Mapping[str, float], **settings: Any
) -> Suite:
    """Adam on minibatches; ``learned`` are settings of MGSC, ``settings`` the suite's, the same for all agents."""
    has_ensemble = isinstance(model, MlpEnsemble)
    agents = network_agents(step_size, has_ensemble=has_ensemble, meta_step_size=0.003, **learned)
    return Suite(
        title,
        environment,
        model,
        discount=0.99,
        planning_updates=10,
        batch_size=32,
        lanes_per_block=5,
        agents=agents,
        records_episodes=True,
        **settings,
    )


LARGER_STEPS = ("no_planning", "dqn_many_updates", "prioritized_replay", "frequency_climbing", "disagreement")
"""Agents that do better in the GridWorld with steps of 0.001 than of 0.0005."""


def _grid(title: str, environment: GridWorldSettings, model: Any, steps: int, larger: Collection[str] = ()) -> Suite:
    # With first thresholds at the origin, what is learned of a place is believed of all places in its direction.
    # Without tiles it changes what was learned of the others.
    values = MlpSettings(units=64, layers=2, optimizer="adam", target_every=100, steepness=STEEPNESS, tiles=TILES)
    # K plain gradient steps overshoot unless they are small: tiles make gradients long.
    learned = {"planned_step_size": 0.0005}
    suite = _minibatches(
        title, environment, model, 5e-4, learned, steps=steps, values=values, candidates=ReplayBufferSettings()
    )
    agents = {
        name: dataclasses.replace(agent, options=dataclasses.replace(agent.options, logit_steepness=STEEPNESS))
        if agent.strategy == "meta_gradient" and agent.options.logits == "network"
        else agent
        for name, agent in suite.agents.items()
    }
    for name in larger:
        if name in agents:
            agents[name] = dataclasses.replace(agents[name], step_size=1e-3)
    return dataclasses.replace(suite, agents=agents)


_CARTPOLE = MlpSettings(units=64, layers=2, activation="relu", optimizer="adam", target_every=200)
# Without both, some seeds hardly ever swing up.
_ACROBOT = dataclasses.replace(_CARTPOLE, target_every=1000, layer_norm=True)


def _control(title: str, environment: Any, values: MlpSettings, **model: Any) -> Suite:
    """All transitions of a run are kept, to learn the model from and to replay."""
    steps = 20_000
    suite = _minibatches(
        title,
        environment,
        MlpEnsemble(capacity=steps, **model),
        3e-4,
        # K plain gradient steps of 0.03 overshot. Without a uniform share, minibatches come from a few candidates.
        {"planned_step_size": 0.002, "mixture": 0.5},
        steps=steps,
        epsilon=0.05,
        values=values,
        candidates=ReplayBufferSettings(capacity=steps),
    )
    replays = STRATEGIES["replay"].settings(window=steps, capacity=steps)
    agents = {
        name: dataclasses.replace(agent, options=replays) if agent.strategy == "replay" else agent
        for name, agent in suite.agents.items()
    }
    return dataclasses.replace(suite, agents=agents)


def _small_suite() -> Suite:
    """Networks for values and model, small enough for examples."""
    agents = default_agents(("no_planning", "uniform", "replay", "meta_gradient"), num_actions=2)
    learned = MetaGradientSettings(logits="network", meta_step_size=0.003)
    agents["meta_gradient"] = dataclasses.replace(agents["meta_gradient"], options=learned)
    return Suite(
        "CartPole, networks for values and model",
        CartPoleSettings(reward=0.02),
        MlpModel(),
        steps=6_000,
        discount=0.99,
        planning_updates=8,
        agents={name: dataclasses.replace(agent, step_size=0.03) for name, agent in agents.items()},
        values=MlpSettings(),
        candidates=BufferSettings(num_candidates=24),
        records_episodes=True,
    )


_GRID = GridWorldSettings(change="goal", switch_every=5_000)
_MAZE = GridWorldSettings(walls="maze", change="goal", switch_every=7_500)
_STALE = SimulatedModel(rewards="stale", dynamics="current")

NETWORK_SUITES: Mapping[str, Suite] = {
    "cartpole": _small_suite(),
    "net-tmaze": _image("TMaze seen as a picture, stale rewards", TMazeImageSettings(), 32, 0.4),
    "net-tworooms": _image("TwoRooms seen as a picture, stale rewards", TwoRoomsImageSettings(), 64, 0.2),
    "net-gridworld": _grid("GridWorld, learned model", GridWorldSettings(), WALLED, 10_000, LARGER_STEPS),
    "net-gridworld-stale": _grid("GridWorld whose goal moves, stale model", _GRID, _STALE, 10_000, LARGER_STEPS),
    "net-mazegridworld": _grid("MazeGridWorld, learned model", GridWorldSettings(walls="maze"), WALLED, 15_000),
    "net-mazegridworld-stale": _grid("MazeGridWorld whose goal moves, stale model", _MAZE, _STALE, 15_000),
    "net-cartpole": _control("CartPole, learned model", CartPoleSettings(), _CARTPOLE),
    "net-cartpole-small": _control("CartPole, learned model of 8 units", CartPoleSettings(), _CARTPOLE, **SMALL),
    "net-acrobot": _control("Acrobot, learned model", AcrobotSettings(), _ACROBOT),
    "net-acrobot-small": _control("Acrobot, learned model of 8 units", AcrobotSettings(), _ACROBOT, **SMALL),
}
"""Suites without tables: networks in place of tables, candidates from a buffer."""
