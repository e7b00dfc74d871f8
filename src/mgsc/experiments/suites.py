"""The table of suites: an experiment is data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from mgsc.environments.tmaze import TMazeSettings
from mgsc.environments.two_rooms import TwoRoomsSettings
from mgsc.errors import UserError
from mgsc.experiments.beliefs import FixedModel, LearnedModel
from mgsc.experiments.own import OwnStrategy, without_source
from mgsc.experiments.strategies import STRATEGIES, MetaGradientSettings, NoSettings, StrategyRow
from mgsc.settings import check, choice, number, size, unknown, with_settings

OWN = "own"
"""The strategy of an agent whose strategy is in ``AgentSettings.own``, not in the table."""


@dataclasses.dataclass(frozen=True)
class AgentSettings:
    """One agent of a suite: a strategy with its numbers."""

    strategy: str = choice("uniform", (*STRATEGIES, OWN), "search-control strategy; own: one from own_strategy")
    step_size: float = number(0.5, 0.0, 1.0, "step size of direct and planning updates", above=True)
    planning_updates: int = size(0, 0, 1000, "planning updates per real step; 0 takes the whole budget", traced=True)
    extra_updates: int = size(0, 0, 1000, "updates allowed beyond the suite's budget (compute-matched rivals)")
    initial_value: float = number(0.0, -math.inf, math.inf, "initial action values")
    options: Any = dataclasses.field(default_factory=NoSettings)
    own: OwnStrategy | None = None


@dataclasses.dataclass(frozen=True)
class Suite:
    """Everything that decides a suite's results but the seeds."""

    title: str
    environment: Any
    model: FixedModel | LearnedModel = dataclasses.field(default_factory=FixedModel)
    steps: int = size(50_000, 1, 2**30, "real environment steps of a run")
    record_every: int = size(250, 1, 2**30, "steps per recorded chunk; divides steps and switch_every")
    measure_every: int = size(50, 1, 2**30, "steps between measurements of errors; divides record_every")
    discount: float = number(0.95, 0.0, 1.0, "discount factor")
    epsilon: float = number(0.1, 0.0, 1.0, "exploration probability")
    planning_updates: int = size(5, 1, 1000, "budget: planning updates per real step")
    agents: Mapping[str, AgentSettings] = dataclasses.field(default_factory=dict)


NUM_MAZE_ACTIONS = 4

RECENT = MetaGradientSettings(experience="recent", experience_length=5, meta_step_size=0.1, entropy_bonus=1e-3)
"""MGSC with a target from each of the last five real transitions: this project's variant."""

VARIANTS = {
    # Uniform with as many more sampled updates as the two MGSC agents make expected backups.
    "uniform_compute_matched": AgentSettings("uniform", extra_updates=1 + NUM_MAZE_ACTIONS),
    "uniform_recent_matched": AgentSettings("uniform", extra_updates=(1 + NUM_MAZE_ACTIONS) * RECENT.experience_length),
    "meta_gradient_recent": AgentSettings("meta_gradient", options=RECENT),
}
"""Agents that are a strategy with other settings than its own."""

AGENTS = (
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


def _default_agents() -> dict[str, AgentSettings]:
    plain = {name: AgentSettings(strategy=name, options=row.settings()) for name, row in STRATEGIES.items()}
    return {name: (plain | VARIANTS)[name] for name in AGENTS}


SUITES: Mapping[str, Suite] = {
    "tmaze-fixed": Suite(
        "TMaze, fixed model (stale rewards)", TMazeSettings(), FixedModel("stale"), agents=_default_agents()
    ),
    "tmaze-fixed-mean": Suite(
        "TMaze, fixed model (mean rewards)", TMazeSettings(), FixedModel("mean"), agents=_default_agents()
    ),
    # With a learned model K = 5 is plenty for the small mazes: see the map of conditions in the docs.
    "tmaze-learned": Suite(
        "Large TMaze, learned model, K = 3",
        TMazeSettings(stem=12, arm=8),
        LearnedModel(),
        planning_updates=3,
        agents=_default_agents(),
    ),
    "tworooms-fixed": Suite(
        "TwoRooms, fixed model (stale rewards)", TwoRoomsSettings(), FixedModel("stale"), agents=_default_agents()
    ),
    "tworooms-learned": Suite(
        "TwoRooms, learned model, K = 1",
        TwoRoomsSettings(),
        LearnedModel(),
        planning_updates=1,
        agents=_default_agents(),
    ),
}


def get_suite(name: str) -> Suite:
    """The suite of that name with its untuned defaults.

    Raises:
        UserError: no such suite; the nearest is suggested.
    """
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]


def choose_agents(suite: Suite, names: list[str] | None) -> Suite:
    """The suite with only the named agents, in that order.

    Raises:
        UserError: an agent the suite does not have, or one named twice, or none.
    """
    if names is None:
        return suite
    if not names or len(set(names)) < len(names):
        raise UserError(f"agents must be named once each, and at least one of: {', '.join(suite.agents)}")
    for name in names:
        if name not in suite.agents:
            raise unknown("agent", name, suite.agents)
    return dataclasses.replace(suite, agents={name: suite.agents[name] for name in names})


def change_suite(suite: Suite, changes: Mapping[str, Any]) -> Suite:
    """The suite with settings changed: ``steps``, ``environment.slip``, ``meta_gradient.step_size``, ...

    The first word of a key is a setting of the suite, or an agent; ``agents.step_size`` changes all
    agents. An agent's own options may be named with or without ``options.``.

    Raises:
        UserError: as ``settings.with_settings``.
    """
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        if head == "agents" and rest:
            suite = dataclasses.replace(
                suite, agents={n: _change_agent(a, rest, value) for n, a in suite.agents.items()}
            )
        elif head in suite.agents:
            if not rest:
                raise UserError(f"{key} is an agent: name one of its settings, as in {key}.step_size=0.5")
            suite = dataclasses.replace(
                suite, agents={**suite.agents, head: _change_agent(suite.agents[head], rest, value)}
            )
        else:
            known = [field.name for field in dataclasses.fields(suite) if field.metadata]
            known += ["environment", "model"]
            if head not in known:
                raise unknown("setting", key, [*known, *suite.agents, "agents"], head)
            suite = with_settings(suite, {key: value})
    return suite


def _change_agent(agent: AgentSettings, key: str, value: Any) -> AgentSettings:
    if key.partition(".")[0] in ("strategy", "own"):
        raise UserError("an agent's strategy is what it is: choose another agent")
    own = {field.name for field in dataclasses.fields(agent.options)}
    if key.partition(".")[0] in own:
        key = "options." + key
    elif key.partition(".")[0] not in {field.name for field in dataclasses.fields(agent)}:
        raise unknown("setting", key, [*own, *(f.name for f in dataclasses.fields(agent) if f.metadata)])
    return with_settings(agent, {key: value})


def check_suite(suite: Suite) -> None:
    """Validates a suite, and what its settings mean together.

    Raises:
        UserError: naming the setting and what is allowed.
    """
    check(suite)
    for name, agent in suite.agents.items():
        check(agent, name + ".")
        if (agent.strategy == OWN) != (agent.own is not None):
            raise UserError(f"{name}.strategy is {agent.strategy!r}: use own_strategy for a strategy of your own")
        most = suite.planning_updates + agent.extra_updates
        if agent.planning_updates > most:
            raise UserError(f"{name}.planning_updates is {agent.planning_updates}: the budget allows at most {most}")
        if getattr(agent.options, "form", None) == "unrolled" and agent.planning_updates not in (0, most):
            raise UserError(f"{name}.form=unrolled takes the whole budget: leave {name}.planning_updates at 0")
    _check_divides("measure_every", suite.measure_every, "record_every", suite.record_every)
    _check_divides("record_every", suite.record_every, "steps", suite.steps)
    if suite.environment.switch_every < suite.steps:
        _check_divides("record_every", suite.record_every, "environment.switch_every", suite.environment.switch_every)
    if suite.discount == 1.0 and suite.environment.step_limit == 0:
        raise UserError("discount is 1 and episodes may last for ever: lower discount, or set environment.step_limit")


def _check_divides(part: str, divisor: int, whole: str, dividend: int) -> None:
    if dividend % divisor:
        raise UserError(f"{part} ({divisor}) must divide {whole} ({dividend})")


def settings_as_dict(suite: Suite) -> dict[str, Any]:
    """The suite as plain data, for storing."""
    # Before they are copied: a strategy of anyone's may hold what cannot be.
    agents = {
        name: agent if agent.own is None else dataclasses.replace(agent, own=dataclasses.replace(agent.own, row=None))
        for name, agent in suite.agents.items()
    }
    return without_source(dataclasses.asdict(dataclasses.replace(suite, agents=agents)))


def row_of(agent: AgentSettings) -> StrategyRow:
    """What the experiments know of an agent's strategy."""
    own = None if agent.own is None else agent.own.row
    return own or STRATEGIES[agent.strategy]


def updates_of(suite: Suite, agent: AgentSettings) -> int:
    """K of an agent: planning updates it makes per real step."""
    if not row_of(agent).plans:
        return 0
    return agent.planning_updates or suite.planning_updates + agent.extra_updates
