"""The table of strategies: one row each, and the only list of their names.

A new strategy is a file in ``mgsc.search_control`` and a row here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mgsc.experiments import family
from mgsc.settings import choice, number, size, switch

if TYPE_CHECKING:
    from mgsc.experiments.problem import Problem
    from mgsc.search_control import Strategy
    from mgsc.types import Array

REPLAY_CAPACITY = 5000
"""Size of the replay ring: the largest window one can ask for."""


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """A strategy without settings of its own."""


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


class Range(NamedTuple):
    """Where a setting is searched when tuning.

    Attributes:
        low, high: ends of the range; whole numbers for a ``size`` setting.
        share_of_zero: share of the configurations that set it to exactly 0.
        is_bounded: the high end is a rule (the budget), not a guess: being there is no edge case.
    """

    low: float
    high: float
    share_of_zero: float = 0.0
    is_bounded: bool = False


class StrategyRow(NamedTuple):
    """What the experiments know of a strategy.

    Attributes:
        summary: one line for ``mgsc list``.
        settings: the frozen dataclass of its own settings.
        build: ``(settings, step_size, planning_updates, problem) -> Strategy``.
        plans: False for Q-learning.
        queries_model: False where planning updates use real transitions.
        expected_backups: ``(settings, problem, planning_updates) -> `` expected backups it makes per real step.
        tunes_updates: whether tuning searches K too: where updates can do harm, fewer may be better.
        space: ranges of its own settings that tuning searches, on log scales.
        is_meta_learned: whether its distribution is learned by a meta-gradient.
    """

    summary: str
    settings: type
    build: Callable[[Any, Array, Array | int, Problem], Strategy]
    plans: bool = True
    queries_model: bool = True
    expected_backups: Callable[[Any, Problem, int], int] = lambda settings, problem, planning_updates: 0
    tunes_updates: bool = True
    space: Mapping[str, Range] = {}
    is_meta_learned: bool = False


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
        return family.num_pairs(problem)
    num_actions = family.num_actions(problem)
    return (1 + num_actions) * (settings.experience_length if settings.experience == "recent" else 1)


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
    "dyna_q": StrategyRow("pairs of state and action tried so far", family.DynaQSettings, family.build_dyna_q),
    "dyna_q_plus": StrategyRow(
        "all actions of visited states, with a bonus for what was not tried for long",
        family.DynaQPlusSettings,
        family.build_dyna_q_plus,
        space={"bonus": Range(1e-5, 1e-1)},
    ),
    "prioritized_sweeping": StrategyRow(
        "what leads to where values have just changed",
        family.SweepingSettings,
        family.build_prioritized_sweeping,
        expected_backups=family.prioritized_sweeping_backups,
        space={"threshold": Range(1e-5, 1e-1)},
    ),
    "td_error_priority": StrategyRow(
        "pairs by the size, or the rank, of their expected TD error",
        family.PrioritySettings,
        family.build_td_error_priority,
        expected_backups=lambda settings, problem, planning_updates: family.num_pairs(problem),
        space={"exponent": Range(0.1, 2.0), "floor": Range(1e-5, 1e-1)},
    ),
    "uncertainty": StrategyRow(
        "pairs that were tried often rather than seldom",
        family.UncertaintySettings,
        family.build_uncertainty,
        space={"temperature": Range(0.01, 10.0)},
    ),
    "learning_progress": StrategyRow(
        "states where the model has lately become better",
        family.ProgressSettings,
        family.build_learning_progress,
        expected_backups=lambda settings, problem, planning_updates: 1,
        space={"floor": Range(1e-3, 1.0)},
    ),
    "model_error": StrategyRow(
        "states where the model's targets have lately been right",
        family.ModelErrorSettings,
        family.build_model_error,
        expected_backups=lambda settings, problem, planning_updates: 1,
        space={"temperature": Range(1e-3, 1.0), "rate": Range(0.01, 1.0, is_bounded=True)},
    ),
    "value_gradient": StrategyRow(
        "uphill on the values, from states visited of late",
        family.ClimbSettings,
        family.build_value_gradient,
        expected_backups=lambda settings, problem, planning_updates: planning_updates * family.num_actions(problem),
        space={"window": Range(10, 5000)},
    ),
    "value_frequency": StrategyRow(
        "states around which the values change most",
        family.FrequencySettings,
        family.build_value_frequency,
        expected_backups=lambda settings, problem, planning_updates: family.num_pairs(problem),
        space={"floor": Range(1e-5, 1e-1)},
    ),
    "gain_need": StrategyRow(
        "where an update improves choices most, times how soon they come up",
        family.GainNeedSettings,
        family.build_gain_need,
        expected_backups=lambda settings, problem, planning_updates: planning_updates * family.num_pairs(problem),
        space={"occupancy_rate": Range(0.01, 1.0, is_bounded=True), "least_gain": Range(1e-8, 1e-2)},
    ),
    "oracle": StrategyRow(
        "where values are wrong and the model is right (privileged)",
        family.OracleSettings,
        family.build_oracle,
        expected_backups=lambda settings, problem, planning_updates: 2 * family.num_pairs(problem),
    ),
}
