"""The table of strategies: one row each, and the only list of their names.

A new strategy is a file in ``mgsc.search_control`` and a row in ``mgsc.experiments.design.family``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mgsc.experiments.design.family import FAMILY
from mgsc.experiments.design.strategy_row import NoSettings, Range, StrategyRow, num_actions, num_pairs
from mgsc.settings import choice, number, size, switch

if TYPE_CHECKING:
    from mgsc.experiments.design.problem import Problem
    from mgsc.search_control import Strategy
    from mgsc.types import Array

REPLAY_CAPACITY = 5000
"""Size of the replay ring: the largest window one can ask for."""


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """Settings of ``replay``."""

    window: int = size(300, 1, REPLAY_CAPACITY, "real transitions to draw from", traced=True)


@dataclasses.dataclass(frozen=True)
class RecencySettings:
    """Settings of ``recency``."""

    window: int = size(300, 1, REPLAY_CAPACITY, "real steps that count", traced=True)


@dataclasses.dataclass(frozen=True)
class MetaGradientSettings:
    """Settings of ``meta_gradient``."""

    meta_step_size: float = number(0.03, 0.0, math.inf, "step size of the optimiser of the logits", above=True)
    entropy_bonus: float = number(0.0, 0.0, math.inf, "beta, the weight of the entropy of d in the meta-loss")
    entropy_unit: str = choice(
        "reward", ("reward", "relative"), "unit of beta: reward^2 per nat, or that over step_size^2 * K * max|R|^2"
    )
    temperature: float = number(1.0, 0.0, math.inf, "temperature of the softmax", above=True)
    mixture: float = number(0.0, 0.0, 0.99, "share of queries that are uniform, whatever is learned")
    optimizer: str = choice("adam", ("adam", "sgd", "rmsprop"), "Optax optimiser of the logits")
    form: str = choice("scaled", ("scaled", "single", "unrolled", "saturating"), "form of the planned parameters")
    target: str = choice(
        "planned", ("planned", "current"), "parameters the real transition is applied to for the target"
    )
    experience: str = choice(
        "one",
        ("one", "recent", "successive"),
        "target from the newest transition, each of the last ones, or all in turn",
    )
    experience_length: int = size(1, 1, 1000, "transitions of experience=recent or successive")
    resets_optimizer: bool = switch(False, "whether the optimiser starts anew at every switch of rewards (privileged)")
    order: str = choice(
        "meta_first", ("meta_first", "model_first"), "whether the meta-update or the model's learning comes first"
    )


def _uniform(settings: Any, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.uniform()


def _avoid_terminal(settings: Any, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.avoid_terminal(problem.tables)


def _replay(settings: ReplaySettings, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.replay(settings.window, capacity=REPLAY_CAPACITY)


def _recency(settings: RecencySettings, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.visited(settings.window, capacity=REPLAY_CAPACITY)


def _visited(settings: Any, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.visited()


def _trajectory(settings: Any, step_size: Array, planning_updates: Array | int, problem: Problem) -> Strategy:
    from mgsc import search_control

    return search_control.trajectory()


def _meta_gradient(
    settings: MetaGradientSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    import optax

    from mgsc import search_control

    bonus: Array | float = settings.entropy_bonus
    is_zero = isinstance(bonus, float) and bonus == 0
    if settings.entropy_unit == "relative" and not is_zero:
        bonus = bonus * step_size**2 * planning_updates * problem.reward_scale**2
    return search_control.meta_gradient(
        getattr(optax, settings.optimizer)(settings.meta_step_size),
        step_size=step_size,
        planning_updates=planning_updates,
        entropy_bonus=bonus,
        temperature=settings.temperature,
        mixture=settings.mixture,
        form=settings.form,  # type: ignore[arg-type]
        target=settings.target,  # type: ignore[arg-type]
        experience=settings.experience,  # type: ignore[arg-type]
        experience_length=settings.experience_length,
        reset_every=problem.switch_every if settings.resets_optimizer else 0,
        method="table" if _is_local(settings) else "automatic",
    )


def _is_local(settings: MetaGradientSettings) -> bool:
    """Whether the meta-gradient concerns the visited state only, so that the table's closed form holds."""
    return settings.target == "planned" and settings.form != "unrolled"


def _meta_gradient_backups(settings: MetaGradientSettings, problem: Problem, planning_updates: int) -> int:
    del planning_updates
    if not _is_local(settings) or settings.experience == "successive":
        return num_pairs(problem)
    return (1 + num_actions(problem)) * (settings.experience_length if settings.experience == "recent" else 1)


STRATEGIES: Mapping[str, StrategyRow] = {
    "no_planning": StrategyRow("Q-learning: direct updates only", NoSettings, _uniform, plans=False),
    "uniform": StrategyRow("every non-terminal state equally often", NoSettings, _uniform),
    "avoid_terminal": StrategyRow(
        "uniform over states from which no action can end the episode (privileged)", NoSettings, _avoid_terminal
    ),
    "recency": StrategyRow(
        "states visited in the last real steps",
        RecencySettings,
        _recency,
        space={"window": Range(10, 5000)},
    ),
    "visited": StrategyRow("states as often as they were visited (on-policy)", NoSettings, _visited),
    "trajectory": StrategyRow("imagined trajectories from the current state", NoSettings, _trajectory),
    "replay": StrategyRow(
        "the last real transitions again, in place of model queries",
        ReplaySettings,
        _replay,
        queries_model=False,
        tunes_updates=False,
        space={"window": Range(50, 2000)},
    ),
    "meta_gradient": StrategyRow(
        "MGSC: a softmax over states tuned by the meta-gradient",
        MetaGradientSettings,
        _meta_gradient,
        expected_backups=_meta_gradient_backups,
        tunes_updates=False,
        # Its own settings work together with the step size: below 0.3 none of them was found to do well.
        space={
            "step_size": Range(0.3, 1.0, is_bounded=True),
            "meta_step_size": Range(0.01, 0.3),
            "entropy_bonus": Range(1e-5, 1e-2, share_of_zero=0.25),
        },
        is_meta_learned=True,
    ),
    **FAMILY,
}
