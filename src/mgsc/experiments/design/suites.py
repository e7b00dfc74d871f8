"""The table of suites: an experiment is data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mgsc.environments.book_mazes import BlockingMazeSettings, ShortcutMazeSettings
from mgsc.environments.field import FieldSettings
from mgsc.environments.foreign import GymnasiumSettings
from mgsc.environments.garnet import GarnetSettings
from mgsc.environments.tmaze import TMazeSettings
from mgsc.environments.two_rooms import TwoRoomsSettings
from mgsc.errors import UserError, check_type
from mgsc.experiments.design.advice import key_meant
from mgsc.experiments.design.agents import COMPARED, OWN, WHERE_AND_WHAT, AgentSettings, default_agents
from mgsc.experiments.design.control_suites import CONTROL_SUITES
from mgsc.experiments.design.exchange import EXCHANGED, exchange, refuse_other_part
from mgsc.experiments.design.names import check_agent_name
from mgsc.experiments.design.network_suites import NETWORK_SUITES
from mgsc.experiments.design.own import PARTS, OwnPart, OwnSettings, without_source
from mgsc.experiments.design.parts import NAMED_PARTS
from mgsc.experiments.design.suite import Suite as Suite
from mgsc.models import FixedModel, LearnedModel
from mgsc.rollouts import RolloutSettings, check_rollouts
from mgsc.search_control.row import StrategyRow
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import (
    check,
    check_changes,
    check_named_once,
    is_line,
    left_out,
    setting_names,
    unknown,
    with_setting,
    with_settings,
)

LONGEST_TITLE = 200

PAPER_SUITES: Mapping[str, Suite] = {
    "tmaze-fixed": Suite(
        "TMaze, fixed model (stale rewards)", TMazeSettings(), FixedModel("stale"), agents=default_agents()
    ),
    "tmaze-fixed-mean": Suite(
        "TMaze, fixed model (mean rewards)", TMazeSettings(), FixedModel("mean"), agents=default_agents()
    ),
    # With a learned model K = 5 is plenty for the small mazes: see the map of conditions in the docs.
    "tmaze-learned": Suite(
        "Large TMaze, learned model, K = 3",
        TMazeSettings(stem=12, arm=8),
        LearnedModel(),
        planning_updates=3,
        agents=default_agents(),
    ),
    "tworooms-fixed": Suite(
        "TwoRooms, fixed model (stale rewards)", TwoRoomsSettings(), FixedModel("stale"), agents=default_agents()
    ),
    "tworooms-learned": Suite(
        "TwoRooms, learned model, K = 1",
        TwoRoomsSettings(),
        LearnedModel(),
        planning_updates=1,
        agents=default_agents(),
    ),
}
"""The paper's experiments, which ``mgsc reproduce`` runs."""

PREFIX = "compare-"
"""The beginning of the names of the suites of the comparison."""


def _compared(without: tuple[str, ...] = (), num_actions: int = 4) -> dict[str, AgentSettings]:
    """The agents of the comparison, except those that have nothing to do on a problem."""
    return default_agents((name for name in COMPARED if name not in without), num_actions)


def _as_in_paper(name: str) -> Suite:
    """A suite of the paper with the agents of the comparison; with stale rewards, also those that learn half of d."""
    suite = PAPER_SUITES[name]
    more = WHERE_AND_WHAT if isinstance(suite.model, FixedModel) else ()
    return dataclasses.replace(suite, title=f"{suite.title}, all agents", agents=default_agents((*COMPARED, *more)))


COMPARISON_SUITES: Mapping[str, Suite] = {
    "compare-tmaze-fixed": _as_in_paper("tmaze-fixed"),
    "compare-tmaze-learned": _as_in_paper("tmaze-learned"),
    "compare-tworooms-fixed": _as_in_paper("tworooms-fixed"),
    "compare-tworooms-learned": _as_in_paper("tworooms-learned"),
    "compare-blocking": Suite(
        "Blocking maze, learned model",
        BlockingMazeSettings(),
        LearnedModel(),
        steps=20_000,
        agents=_compared(),
    ),
    "compare-shortcut": Suite(
        "Shortcut maze, learned model",
        ShortcutMazeSettings(),
        LearnedModel(),
        steps=20_000,
        agents=_compared(),
    ),
    "compare-field": Suite(
        "Field of 40 × 40 cells, fixed model (stale rewards)",
        FieldSettings(),
        FixedModel("stale"),
        steps=10_000,
        agents=_compared(without=("constant_priority",)),
    ),
    "compare-taxi": Suite(
        "Taxi, learned model",
        GymnasiumSettings("Taxi-v4"),
        LearnedModel(),
        steps=10_000,
        agents=_compared(num_actions=6),
    ),
    "compare-cliffwalking": Suite(
        "CliffWalking, learned model",
        GymnasiumSettings("CliffWalking-v1"),
        LearnedModel(),
        steps=5_000,
        agents=_compared(),
    ),
    # Of a process that never ends, no state is terminal: nothing for avoid_terminal to avoid.
    "compare-garnet": Suite(
        "Garnet, fixed model (stale rewards, corrupted states)",
        GarnetSettings(),
        FixedModel("stale", corrupted_share=0.2),
        steps=20_000,
        agents=_compared(without=("avoid_terminal",)),
    ),
}
"""The problems on which all agents are compared: the paper's conditions, and others."""

HELD_OUT_SUITES: Mapping[str, Suite] = {
    "compare-tworooms-9x9": Suite(
        "TwoRooms of 9 × 9 cells each, fixed model (stale rewards)",
        TwoRoomsSettings(width=9, height=9),
        FixedModel("stale"),
        agents=_compared(),
    ),
    "compare-frozenlake": Suite(
        "FrozenLake of 8 × 8 slippery cells, learned model",
        GymnasiumSettings("FrozenLake8x8-v1"),
        LearnedModel(),
        steps=50_000,
        agents=_compared(),
    ),
    "compare-garnet-500": Suite(
        "Garnet of 500 states, fixed model (stale rewards, corrupted states)",
        GarnetSettings(states=500),
        FixedModel("stale", corrupted_share=0.2),
        steps=20_000,
        agents=_compared(without=("avoid_terminal",)),
    ),
}
"""Problems on which no default of any agent was chosen: they were first run when all defaults were fixed."""


TUNING_CONFIGURATIONS = {name: 32 for name in (*COMPARISON_SUITES, *HELD_OUT_SUITES)}
"""Configurations of each agent in ``mgsc tune``, where they differ from its default: there are many agents and many
problems."""

SUITES: Mapping[str, Suite] = {
    **PAPER_SUITES,
    **COMPARISON_SUITES,
    **HELD_OUT_SUITES,
    **NETWORK_SUITES,
    **CONTROL_SUITES,
}
"""All suites, by name."""


def get_suite(name: str) -> Suite:
    """The suite of that name with its untuned defaults.

    Raises:
        UserError: no such suite; the nearest is suggested.
    """
    check_type("suite", name, str, "be a name of `mgsc list`, or a Suite")
    if name not in SUITES:
        raise unknown("suite", name, SUITES)
    return SUITES[name]


def choose_agents(suite: Suite, names: Sequence[str] | None) -> Suite:
    """The suite with only the named agents, in that order.

    Raises:
        UserError: an agent the suite does not have, or one named twice, or none.
    """
    check_type("suite", suite, Suite, "be a Suite")
    if names is None:
        return suite
    check_named_once("agents", names, suite.agents)
    for name in names:
        if name not in suite.agents:
            raise _not_in_suite(name, suite)
    return dataclasses.replace(suite, agents={name: suite.agents[name] for name in names})


def _not_in_suite(name: str, suite: Suite) -> UserError:
    """The error for an agent of no suite, or of others only, which are then named."""
    others = [other for other, of_other in SUITES.items() if name in of_other.agents]
    if not others:
        return unknown("agent", name, suite.agents)
    return UserError(f"{name} is no agent of this suite ({', '.join(suite.agents)}); it is one of {', '.join(others)}")


def change_suite(suite: Suite, changes: Mapping[str, Any]) -> Suite:
    """The suite with settings changed: ``steps``, ``environment.slip``, ``meta_gradient.step_size``, ...

    The first word of a key is a setting of the suite, or an agent; ``agents.step_size`` changes all
    agents. An agent's own options may be named with or without ``options.``. A part of ``EXCHANGED`` is replaced by
    the one that is named, with its default settings, before anything else is changed.

    Raises:
        UserError: as ``settings.with_settings``.
    """
    check_type("suite", suite, Suite, "be a Suite")
    check_changes(changes)
    for key in EXCHANGED:  # whatever the order: other changes are of the new part's settings
        if key in changes:
            suite = exchange(suite, key, changes[key])
    for key, value in changes.items():
        if key in EXCHANGED:
            continue
        head, _, rest = key.partition(".")
        if head == "agents" and rest:
            suite = dataclasses.replace(
                suite, agents={n: _change_agent(a, rest, value, key) for n, a in suite.agents.items()}
            )
        elif head in suite.agents:
            if not rest:
                raise UserError(f"{key} is an agent: name one of its settings, as in {key}.step_size=0.5")
            suite = dataclasses.replace(
                suite, agents={**suite.agents, head: _change_agent(suite.agents[head], rest, value, key)}
            )
        elif head == "agents":
            raise UserError(f"{key} is all agents: name one of their settings, as in agents.step_size=0.5")
        else:
            known = [*setting_names(suite), *PARTS, "rollouts"]
            if head not in known:
                raise unknown("setting", key, [*known, *suite.agents, "agents"], head, key_meant(suite, key))
            part = getattr(suite, head)
            if isinstance(part, OwnPart):
                changed: dict[str, Any] = {head: _change_own(part, rest, value, key)}
                suite = dataclasses.replace(suite, **changed)
            else:
                refuse_other_part(suite, head, rest, key)
                suite = with_settings(suite, {key: value})
    return suite


def _change_own(part: OwnPart, name: str, value: Any, key: str) -> OwnPart:
    if not dataclasses.fields(part.options):
        raise UserError(f"{key} cannot be set: {part.name} has no settings")
    return dataclasses.replace(part, options=with_setting(part.options, name.split("."), value, key))


def _change_agent(agent: AgentSettings, name: str, value: Any, key: str) -> AgentSettings:
    path = name.split(".")
    if path[0] in ("strategy", "own"):
        raise UserError("an agent's strategy is what it is: choose another agent")
    own = {field.name for field in dataclasses.fields(agent.options)}
    if path[0] in own:
        path = ["options", *path]
    elif path[0] not in {field.name for field in dataclasses.fields(agent)}:
        raise unknown("setting", key, [*own, *setting_names(agent)], path[0])
    changed: AgentSettings = with_setting(agent, path, value, key)
    return changed


def check_suite(suite: Suite) -> None:
    """Checks each setting of a suite, and settings that depend on each other.

    Raises:
        UserError: a setting is impossible; the error names it and what is allowed.
    """
    if not is_line(suite.title, LONGEST_TITLE):
        raise UserError(f"title is {suite.title!r}: it must be a text of 1 to {LONGEST_TITLE} printable characters")
    _check_parts(suite)
    _check_kinds(suite)
    check(suite)
    check_rollouts(suite.rollouts, suite.rollout_length)
    for name, agent in suite.agents.items():
        check_agent_name(name)
        check(agent, name + ".")
        if (agent.strategy == OWN) != (agent.own is not None):
            raise UserError(f"{name}.strategy is {agent.strategy!r}: use own_strategy for a strategy of your own")
        _check_options(name, agent)
        most = suite.planning_updates + agent.extra_updates
        if agent.planning_updates > most:
            raise UserError(f"{name}.planning_updates is {agent.planning_updates}: the budget allows at most {most}")
        if row_of(agent).has_static_updates(agent.options) and agent.planning_updates not in (0, most):
            raise UserError(f"{name} takes the whole budget as it is set: leave {name}.planning_updates at 0")
    _check_divides("measure_every", suite.measure_every, "record_every", suite.record_every)
    _check_divides("record_every", suite.record_every, "steps", suite.steps)
    if suite.environment.switch_every < suite.steps:
        _check_divides("record_every", suite.record_every, "environment.switch_every", suite.environment.switch_every)
    if suite.warm_up_steps >= suite.steps:
        raise UserError(
            f"warm_up_steps is {suite.warm_up_steps}, and a run has {suite.steps} steps: it would never plan"
        )
    if suite.discount == 1.0 and suite.environment.step_limit == 0:
        raise UserError("discount is 1 and episodes may never end: lower discount, or set environment.step_limit")


def _check_options(name: str, agent: AgentSettings) -> None:
    """Refuses options that are not those of the agent's strategy."""
    wanted = row_of(agent).settings
    if type(agent.options) is not wanted:
        example = f"AgentSettings({agent.strategy!r}, options={wanted.__name__}())"
        raise UserError(
            f"the options of {name} are {type(agent.options).__name__}: {agent.strategy} takes"
            f" {wanted.__name__} of {wanted.__module__}, as in {example}"
        )


def _check_parts(suite: Suite) -> None:
    """Refuses a part that is of no table and not of one's own.

    Raises:
        UserError: naming what may stand there.
    """
    for key, table in NAMED_PARTS.items():
        settings = getattr(suite, key)
        if isinstance(settings, OwnSettings if key == "environment" else OwnPart):
            continue
        if not any(type(settings) is row.settings for row in table.values()):
            allowed = ", ".join(row.settings.__name__ for row in table.values())
            raise UserError(
                f"{key} is a {type(settings).__name__}: it must be settings of a named part ({allowed}), "
                f"or one of your own from own_{key}"
            )


def _check_kinds(suite: Suite) -> None:
    """Refuses agents and rollouts that are none."""
    if not isinstance(suite.agents, Mapping):
        raise UserError(f"agents is a {type(suite.agents).__name__}: it must map names to AgentSettings")
    for name, agent in suite.agents.items():
        if not isinstance(agent, AgentSettings):
            raise UserError(f"the agent {ascii(name)[:80]} is a {type(agent).__name__}: it must be AgentSettings")
    if not isinstance(suite.rollouts, RolloutSettings):
        raise UserError(f"rollouts is a {type(suite.rollouts).__name__}: it must be RolloutSettings")


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
    data = without_source(dataclasses.asdict(dataclasses.replace(suite, agents=agents)))
    for setting in left_out(suite):
        del data[setting]
    for part in PARTS:
        for setting in left_out(getattr(suite, part)) if part in data else ():
            del data[part][setting]
    for name, agent in agents.items():
        for setting in left_out(agent.options):
            del data["agents"][name]["options"][setting]
    return data


def row_of(agent: AgentSettings) -> StrategyRow[Any]:
    """The row of an agent's strategy."""
    own = None if agent.own is None else agent.own.row
    return own or STRATEGIES[agent.strategy]


def updates_of(suite: Suite, agent: AgentSettings) -> int:
    """K of an agent: planning updates it makes per real step."""
    if not row_of(agent).plans:
        return 0
    return agent.planning_updates or suite.planning_updates + agent.extra_updates
