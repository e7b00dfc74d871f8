"""What is said of changed settings: keys that were meant, and agents that a change leaves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suite import Suite


def key_meant(suite: Suite, key: str) -> str | None:
    """The key of an agents' setting that was named without its agent; None where it is of none.

    Args:
        suite: in which it was looked for.
        key: as given, without an agent.

    Returns:
        The key with ``agents``, or of a strategy's own option with the first agent that has it.
    """
    if key in {field.name for field in dataclasses.fields(AgentSettings) if field.metadata}:
        return f"agents.{key}"
    having = (
        name
        for name, agent in suite.agents.items()
        if key in {field.name for field in dataclasses.fields(agent.options)}
    )
    first = next(having, None)
    return None if first is None else f"{first}.{key}"


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
