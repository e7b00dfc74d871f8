"""The facts that parts are built of: those of an environment and a suite, fixed before any agent is built."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.row import Outcomes
from mgsc.environments.tables import Tables
from mgsc.errors import UserError
from mgsc.networks import flat, scaled
from mgsc.types import Array, like


class Facts(NamedTuple):
    """Shapes, scales and tables that values, models, candidate sources and strategies are built of.

    Attributes:
        observation: shape and dtype of an observation; a state index [] int32 where states are listed.
        num_actions: A; 0 where an action is numbers.
        discount: γ; may be traced.
        reward_scale: max |R|, or a typical size of rewards where there are no tables (reward).
        switch_every: environment steps each phase lasts.
        tables: the true transitions [P, S, A, M]; None where the environment has none.
        observation_scale: like an observation, typical sizes of its entries, by which networks divide their inputs;
            None for 1.
        outcomes: ``Simulator.outcomes`` of an environment without tables; None where it has none.
        num_phases: P, phases of the outcomes.
        numbers: shape and dtype of an action that is numbers in [−1, 1]; None where actions are numbered 0 … A − 1.
    """

    observation: jax.ShapeDtypeStruct
    num_actions: int
    discount: Array | float
    reward_scale: float
    switch_every: int
    tables: Tables | None = None
    observation_scale: NDArray[np.float32] | None = None
    outcomes: Callable[[Array, Array, Array, Array], Outcomes] | None = None
    num_phases: int = 1
    numbers: jax.ShapeDtypeStruct | None = None

    @property
    def action(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of an action."""
        return like((), jnp.int32) if self.numbers is None else self.numbers

    @property
    def num_action_inputs(self) -> int:
        """Number of inputs that ``encode_action`` makes of an action."""
        return self.num_actions if self.numbers is None else math.prod(self.numbers.shape)

    @property
    def num_choices(self) -> int:
        """C, the actions that search control compares in a state: all A, or the points that stand for the actor's.

        The latter are its mean and one on either side for each number, see
        ``mgsc.values.squashed_gaussian.standing_points``.
        """
        return self.num_actions if self.numbers is None else 2 * self.num_action_inputs + 1

    def encode_action(self, action: Array) -> Array:
        """[num_action_inputs] an action as inputs of a network: one-hot if it is numbered, else its numbers."""
        return jax.nn.one_hot(action, self.num_actions) if self.numbers is None else flat(action)

    @property
    def has_listed_observations(self) -> bool:
        """Whether an observation is the number of a state."""
        return self.tables is not None

    @property
    def num_inputs(self) -> int:
        """F, the number of inputs that ``encode`` makes of an observation."""
        return self.num_states if self.has_listed_observations else math.prod(self.observation.shape)

    def encode(self, observation: Array) -> Array:
        """[F] an observation as the inputs of a network: one-hot where states are listed, else its scaled entries."""
        if self.has_listed_observations:
            return jax.nn.one_hot(observation, self.num_states)
        scale = self.observation_scale
        return flat(observation) if scale is None else scaled(flat(observation), scale.reshape(-1))

    @property
    def listed(self) -> Tables:
        """The tables, of an environment whose states can be listed.

        Raises:
            UserError: it has none.
        """
        if self.tables is None:
            raise UserError("this environment has no tables: its states cannot be listed")
        return self.tables

    @property
    def num_states(self) -> int:
        """S, of an environment whose states can be listed."""
        return len(self.listed.start)

    @property
    def num_pairs(self) -> int:
        """S·A, of an environment whose states can be listed."""
        return math.prod(self.listed.probability.shape[1:3])
