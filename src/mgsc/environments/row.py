"""The form of a row of the table of environments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import jax
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.base import Environment
from mgsc.environments.maze import Maze
from mgsc.environments.world import World
from mgsc.settings import Row
from mgsc.types import Array, PyTree

S = TypeVar("S")

Objective = Literal["reward", "return"]
"""What an agent is judged by: the total reward of a run, or that of each episode which ended."""
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


class Outcomes(NamedTuple):
    """All outcomes of an action in the environment.

    Attributes:
        probability: [M], sums to one.
        reward: [M].
        terminated: [M] bool.
        observation: [M, ...] successor observations.
    """

    probability: Array
    reward: Array
    terminated: Array
    observation: Array


class Simulator(NamedTuple):
    """An environment without tables, and its shapes and scales.

    Attributes:
        environment: pure functions.
        params: its numbers that may be traced.
        observation: shape and dtype of an observation.
        reward_scale: a typical size of rewards, by which relative settings are multiplied (reward).
        observation_scale: like an observation, typical sizes of its entries, by which networks divide their inputs;
            None for 1.
        outcomes: ``(observation, action, phase of the dynamics, phase of the task) -> Outcomes``, for models that never
            learn; the task decides rewards and ends of episodes. None where the state does not follow from an
            observation.
        num_phases: P, phases that follow in a circle, for such a model.
        made_of: functions and values, beside the environment's own functions, that decide its steps: their digest is
            stored with results.
        action: shape and dtype of an action that is numbers in [−1, 1], which the environment scales to its own; None
            where actions are numbered 0 … A − 1.
        step_limit: steps after which its code truncates an episode; 0 where that is not known here.
    """

    environment: Environment
    params: PyTree
    observation: jax.ShapeDtypeStruct
    reward_scale: float = 1.0
    observation_scale: NDArray[np.float32] | None = None
    outcomes: Callable[[Array, Array, Array, Array], Outcomes] | None = None
    num_phases: int = 1
    made_of: tuple[Any, ...] = ()
    action: jax.ShapeDtypeStruct | None = None
    step_limit: int = 0


@dataclasses.dataclass(frozen=True)
class EnvironmentRow(Row[S]):
    """An environment that suites may name.

    Attributes:
        settings: the frozen dataclass of its settings; it has ``switch_every`` and ``step_limit``.
        build: ``(settings) ->`` a maze or world, if it has tables, else a simulator.
        judged_by: what tuning makes large where episodes are recorded. Total reward tells nothing of runs of as many
            steps where each step has the same reward.
    """

    build: Callable[[S], Maze | World | Simulator]
    judged_by: Objective = "reward"
