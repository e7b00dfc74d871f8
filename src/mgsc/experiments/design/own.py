r"""Anyone's environment in a suite: a maze, or a world of tables, as settings; and what stands for a strategy.

Example:
    >>> from mgsc.environments import from_map
    >>> from mgsc.experiments.design.agents import AgentSettings
    >>> from mgsc.experiments.design.suites import Suite
    >>> maze = from_map("S..A\n...B", {"A": (1.0, -1.0), "B": (-1.0, 1.0)})
    >>> corridor = own_environment("corridor", maze, switch_every=500)
    >>> suite = Suite("a corridor", corridor, agents={"uniform": AgentSettings("uniform")})
    >>> suite.environment.name, suite.environment.switch_every
    ('corridor', 500)

``mgsc.run(suite, seeds=5)`` runs it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.environments.foreign import NEVER
from mgsc.environments.world import World
from mgsc.settings import check, size, text

if TYPE_CHECKING:
    from mgsc.environments import Maze, Tables
    from mgsc.experiments.design.strategy_row import StrategyRow


@dataclasses.dataclass(frozen=True)
class OwnSettings:
    """An environment that is in no table of names; ``own_environment`` makes these settings.

    Attributes:
        digest: of the tables; it tells results of different environments apart where these are kept.
        source: the environment itself, which is not kept with a result.
    """

    digest: str
    source: Maze | World = dataclasses.field(repr=False, compare=False)
    name: str = text("own", "what the environment is called")
    switch_every: int = size(NEVER, 1, 2**30, "environment steps each phase lasts")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@dataclasses.dataclass(frozen=True)
class OwnStrategy:
    """A strategy that is in no table of names; ``own_strategy.own_strategy`` makes these settings.

    Attributes:
        digest: of its code, as far as it can be seen; it tells results of different code apart where these
            are kept.
        row: the strategy itself, which is not kept with a result.
    """

    digest: str
    row: StrategyRow | None = dataclasses.field(repr=False, compare=False)
    name: str = text("own", "what the strategy is called")


def own_environment(
    name: str, source: Maze | World, *, switch_every: int = NEVER, step_limit: int | None = None
) -> OwnSettings:
    """What stands for a maze or world in ``Suite(environment=...)``.

    Args:
        name: what it is called.
        source: from ``from_map``, ``from_tables``, ``from_dense`` or ``from_gymnasium``.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated, 0 for none; None takes the world's own.

    Raises:
        UserError: a setting out of its limits.
    """
    if step_limit is None:
        step_limit = source.step_limit if isinstance(source, World) else 0
    settings = OwnSettings(_digest(source.tables), source, name, switch_every, step_limit)
    check(settings, "environment.")
    return settings


def without_source(data: dict[str, Any]) -> dict[str, Any]:
    """Settings as plain data, less what JSON cannot hold; the digests stand for it."""
    environment = data.get("environment")
    if isinstance(environment, dict):
        environment.pop("source", None)
    for agent in data.get("agents", {}).values():
        if agent["own"] is None:
            del agent["own"]
        else:
            del agent["own"]["row"]
    return data


def _digest(tables: Tables) -> str:
    found = hashlib.sha256()
    for array in tables:
        found.update(repr((array.shape, array.dtype.str)).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
