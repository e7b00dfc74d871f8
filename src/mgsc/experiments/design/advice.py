"""What is said of changed settings: keys that were meant, and agents that a change leaves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.own import PARTS, OwnPart
from mgsc.experiments.design.suite import Suite
from mgsc.settings import setting_names


def key_meant(suite: Suite, key: str) -> str | None:
    """The key of a setting that was named without the agent or the part that has it; None where none has.

    Args:
        suite: in which it was looked for.
        key: as given.

    Returns:
        The key with ``agents``; of a strategy's own option with the first agent that has it; or with the part.
    """
    if key in setting_names(AgentSettings):
        return f"agents.{key}"
    parts = {name: getattr(suite, name) for name in PARTS}
    having = {name: agent.options for name, agent in suite.agents.items()}
    having |= {name: part.options if isinstance(part, OwnPart) else part for name, part in parts.items()}
    for name, settings in having.items():
        # Settings of a wrong kind are refused later, in words.
        if dataclasses.is_dataclass(settings) and key in setting_names(settings):
            return f"{name}.{key}"
    return None


def kept_updates(suite: Suite, changes: Mapping[str, Any]) -> str:
    """Warns of agents whose own number of updates stays while the budget of the others changes.

    Args:
        suite: after ``change_suite``.
        changes: of its settings.

    Returns:
        A line, empty where there is nothing to say.
    """
    if "planning_updates" not in changes or "agents.planning_updates" in changes:
        return ""
    kept = [
        f"{name} ({agent.planning_updates})"
        for name, agent in suite.agents.items()
        if agent.planning_updates and f"{name}.planning_updates" not in changes
    ]
    keeps, their = ("keep", "their") if len(kept) > 1 else ("keeps", "its")
    advice = "--set agents.planning_updates=0 gives every agent its whole budget"
    return f"{', '.join(kept)} {keeps} {their} own planning_updates; {advice}" if kept else ""
