"""What tuning searches: the ranges of each agent's settings, and points in them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mgsc.errors import UserError
from mgsc.experiments.design.parts import VALUES, row_for
from mgsc.experiments.design.suites import row_of
from mgsc.search_control.row import Range

if TYPE_CHECKING:
    from mgsc.experiments.design.agents import AgentSettings
    from mgsc.experiments.design.suites import Suite

STEP_SIZES = Range(0.1, 1.0, is_bounded=True)
EDGE = 0.05
"""A choice within this share of its (log) range from an end is flagged."""

Numbers = dict[str, float]
"""Searched settings of one configuration."""


def space_of(suite: Suite, agent: AgentSettings) -> dict[str, Range]:
    """The ranges of an agent's search: step size, K where it plans, and its strategy's own settings."""
    row, (values, settings) = row_of(agent), row_for(suite.values, VALUES)
    own, steps = dict(row.space), STEP_SIZES
    if values.step_sizes is not None:
        own.pop("step_size", None)  # a strategy's own range is that of tables
        own, steps = {**own, **row.space_of_networks}, Range(*values.step_sizes(settings))
        own |= row.space_of_minibatches(agent.options) if suite.batch_size > 1 else {}
    if values.planned_step_sizes is not None and "planned_step_size" in own:
        own["planned_step_size"] = Range(*values.planned_step_sizes)
    space: dict[str, Range] = {"step_size": steps}
    # A compute-matched rival is there to spend its extra updates: its K is not searched.
    if row.plans and row.tunes_updates and not agent.extra_updates:
        space["planning_updates"] = Range(1, suite.planning_updates, is_bounded=True)
    return {**space, **own}


def refuse_searched(suite: Suite, changes: Collection[str]) -> None:
    """Checks that changed settings are not among those that tuning searches, where they would have no effect.

    Args:
        suite: with the agents to tune.
        changes: keys of ``change_suite``.

    Raises:
        UserError: one is; the error names it.
    """
    for key in changes:
        head, _, rest = key.partition(".")
        for name, agent in suite.agents.items():
            if head in (name, "agents") and rest.removeprefix("options.") in space_of(suite, agent):
                raise UserError(f"{key} is what tuning searches for {name}: leave it out of --set")


def draw_configurations(space: Mapping[str, Range], whole: Sequence[str], count: int, seed: int) -> list[Numbers]:
    """``count`` Sobol points in a space, on log scales; settings in ``whole`` are rounded to whole numbers."""
    import warnings

    from scipy.stats import qmc

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The balance properties of Sobol")
        points = qmc.Sobol(len(space), rng=seed).random(count)
    return [
        {
            name: _place(float(share), span, name in whole)
            for share, (name, span) in zip(point, space.items(), strict=True)
        }
        for point in points
    ]


def _place(share: float, span: Range, is_whole: bool) -> float:
    if share < span.share_of_zero:
        return 0.0
    share = (share - span.share_of_zero) / (1 - span.share_of_zero)
    if is_whole:
        # Every whole number of a short range is equally likely on the log scale of its cell.
        low, high = math.log(span.low - 0.5), math.log(span.high + 0.5)
        return int(min(max(round(math.exp(low + share * (high - low))), span.low), span.high))
    return float(np.float32(span.low * (span.high / span.low) ** share))


def is_at_edge(value: float, span: Range) -> bool:
    """Whether a chosen value is so near an end of its range that the range may be too narrow."""
    if value == 0 or (span.is_bounded and value == span.high):
        return False
    share = math.log(value / span.low) / math.log(span.high / span.low) if span.high > span.low else 0.5
    return not EDGE < share < 1 - EDGE
