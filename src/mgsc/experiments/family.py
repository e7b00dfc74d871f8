"""Settings of the strategies that stand in no suite by default, and how each is built from a problem.

The rows that name them are in ``mgsc.experiments.strategies``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from mgsc.settings import choice, number, size

if TYPE_CHECKING:
    from mgsc.experiments.problem import Problem
    from mgsc.search_control import Strategy
    from mgsc.types import Array

CLIMB_CAPACITY = 5000
"""Size of the ring of states that climbs begin at: the largest window one can ask for."""


def num_pairs(problem: Problem) -> int:
    """S·A."""
    return math.prod(problem.tables.probability.shape[1:3])


def num_actions(problem: Problem) -> int:
    """A."""
    return int(problem.tables.probability.shape[2])


@dataclasses.dataclass(frozen=True)
class DynaQSettings:
    """Settings of ``dyna_q``."""

    over: str = choice("pairs", ("pairs", "states"), "tried pairs equally often, or states and then actions tried")


def build_dyna_q(
    settings: DynaQSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Dyna-Q."""
    from mgsc import search_control

    return search_control.dyna_q(num_actions(problem), settings.over)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class DynaQPlusSettings:
    """Settings of ``dyna_q_plus``."""

    bonus: float = number(1e-3, 0.0, math.inf, "kappa, reward per square root of the steps since a pair was tried")


def build_dyna_q_plus(
    settings: DynaQPlusSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Dyna-Q+."""
    from mgsc import search_control

    return search_control.dyna_q_plus(num_actions(problem), settings.bonus)


@dataclasses.dataclass(frozen=True)
class SweepingSettings:
    """Settings of ``prioritized_sweeping``."""

    threshold: float = number(1e-3, 0.0, math.inf, "theta: smaller expected errors do not enter the queue (reward)")


def build_prioritized_sweeping(
    settings: SweepingSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Prioritized sweeping, with listed predecessors where the model never changes."""
    import jax.numpy as jnp

    from mgsc import search_control

    believed = problem.model_tables
    predecessors = None if believed is None else jnp.asarray(search_control.incoming_pairs(believed))
    return search_control.prioritized_sweeping(num_actions(problem), settings.threshold, predecessors)


def prioritized_sweeping_backups(settings: SweepingSettings, problem: Problem, planning_updates: int) -> int:
    """The pair updated and the listed predecessors, or all pairs, for each update."""
    from mgsc import search_control

    believed = problem.model_tables
    each = num_pairs(problem) if believed is None else 1 + search_control.incoming_pairs(believed).shape[1]
    return planning_updates * each


@dataclasses.dataclass(frozen=True)
class PrioritySettings:
    """Settings of ``td_error_priority``."""

    kind: str = choice("proportional", ("proportional", "rank"), "priority: the expected TD error, or 1 / its rank")
    exponent: float = number(0.6, 0.0, 100.0, "exponent of the priorities; 0 is uniform")
    floor: float = number(1e-3, 0.0, math.inf, "added to every expected error (reward)", above=True)
    correction: str = choice("none", ("none", "importance"), "whether step sizes are corrected for the priorities")
    correction_exponent: float = number(0.4, 0.0, 1.0, "beta of correction=importance; 1 is the whole correction")


def build_td_error_priority(
    settings: PrioritySettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Expected TD errors as priorities."""
    from mgsc import search_control

    return search_control.td_error_priority(
        settings.kind,  # type: ignore[arg-type]
        exponent=settings.exponent,
        floor=settings.floor,
        correction=settings.correction_exponent if settings.correction == "importance" else None,
    )


@dataclasses.dataclass(frozen=True)
class UncertaintySettings:
    """Settings of ``uncertainty``."""

    temperature: float = number(0.3, 0.0, math.inf, "temperature of the softmax of -1/sqrt(visits)", above=True)


def build_uncertainty(
    settings: UncertaintySettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Uncertainty by counts."""
    from mgsc import search_control

    return search_control.uncertainty(num_actions(problem), settings.temperature)


@dataclasses.dataclass(frozen=True)
class ProgressSettings:
    """Settings of ``learning_progress``."""

    half_window: int = size(5, 1, 1000, "transitions from a state in each of the two means that are compared")
    floor: float = number(0.1, 0.0, math.inf, "share of a state without progress (nats)", above=True)
    reward_width: float = number(
        0.1, 0.0, math.inf, "standard deviation of rewards in the likelihood, over max|R|", above=True
    )


def build_learning_progress(
    settings: ProgressSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Learning progress of the model."""
    from mgsc import search_control

    width = settings.reward_width * problem.reward_scale
    return search_control.learning_progress(settings.half_window, floor=settings.floor, reward_width=width)


@dataclasses.dataclass(frozen=True)
class ModelErrorSettings:
    """Settings of ``model_error``."""

    temperature: float = number(
        0.1, 0.0, math.inf, "temperature of the softmax of minus the error (reward)", above=True
    )
    rate: float = number(0.1, 0.0, 1.0, "weight of the newest error in a state's running average", above=True)


def build_model_error(
    settings: ModelErrorSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Errors of the model on real transitions."""
    from mgsc import search_control

    return search_control.model_error(settings.temperature, settings.rate)


@dataclasses.dataclass(frozen=True)
class ClimbSettings:
    """Settings of ``value_gradient``."""

    window: int = size(300, 1, CLIMB_CAPACITY, "real steps whose states climbs begin at", traced=True)


def build_value_gradient(
    settings: ClimbSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Hill climbing on values."""
    from mgsc import search_control

    return search_control.value_gradient(num_actions(problem), settings.window, capacity=CLIMB_CAPACITY)


@dataclasses.dataclass(frozen=True)
class FrequencySettings:
    """Settings of ``value_frequency``."""

    floor: float = number(1e-3, 0.0, math.inf, "share of a state around which values are flat (reward^2)", above=True)


def build_value_frequency(
    settings: FrequencySettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Local frequency of the values."""
    from mgsc import search_control

    return search_control.value_frequency(num_actions(problem), settings.floor)


@dataclasses.dataclass(frozen=True)
class GainNeedSettings:
    """Settings of ``gain_need``."""

    occupancy_rate: float = number(0.1, 0.0, 1.0, "step size of the successor representation", above=True)
    least_gain: float = number(1e-6, 0.0, math.inf, "what every pair is taken to gain at least (reward)")


def build_gain_need(
    settings: GainNeedSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """Gain × need."""
    from mgsc import search_control

    return search_control.gain_need(
        num_actions(problem),
        step_size=step_size,
        occupancy_rate=settings.occupancy_rate,
        least_gain=settings.least_gain,
    )


@dataclasses.dataclass(frozen=True)
class OracleSettings:
    """Settings of ``oracle``."""

    tolerance: float = number(0.01, 0.0, math.inf, "error of the target at which a model is still right, over max|R|")


def build_oracle(
    settings: OracleSettings, step_size: Array, planning_updates: Array | int, problem: Problem
) -> Strategy:
    """The privileged yardstick."""
    from mgsc import search_control

    truth = search_control.Truth(problem.tables, problem.optimal, problem.switch_every)
    return search_control.oracle(truth, settings.tolerance * problem.reward_scale)
