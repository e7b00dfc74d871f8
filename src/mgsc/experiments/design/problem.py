"""What all agents of a suite share: its tables, environment, model and candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments import Environment, Maze, Tables, TabularParams, World
from mgsc.models import Model
from mgsc.search_control.predecessors import incoming_pairs
from mgsc.types import Array, Candidates

if TYPE_CHECKING:
    from scipy import sparse


class Problem(NamedTuple):
    """What all agents of a suite share.

    Attributes:
        tables: the true transitions [P, S, A, M].
        model: what planning asks.
        model_tables: what a fixed model believes [S, A, M]; None where the model learns.
        links: what the model may ever say of where pairs lead; None where that is anywhere.
        wrong: [P, S] bool, states of which a fixed model is wrong in some action, in each phase.
        optimal: [P, S, A] the optimal action values of each phase, were it to last.
        reward_scale: max |R|.
        switch_every: environment steps each phase lasts.
    """

    maze: Maze | World
    environment: Environment
    environment_params: TabularParams
    tables: Tables
    model: Model
    model_tables: Tables | None
    links: Tables | None
    wrong: NDArray[np.bool_]
    optimal: NDArray[np.float32]
    reward_scale: float
    switch_every: int

    @property
    def learns(self) -> bool:
        """Whether the model learns."""
        return self.model_tables is None

    @property
    def predecessors(self) -> Array | None:
        """[S, I] among which are all pairs that the model may ever say lead to each state; None where any may.

        For a model that learns, the pairs that really can: who asks such a pair finds what the model has met of it.
        """
        return None if self.links is None else jnp.asarray(incoming_pairs(self.links))

    @property
    def is_candidate(self) -> NDArray[np.bool_]:
        """[S] bool: the non-terminal states."""
        return ~self.tables.is_terminal

    @property
    def candidates(self) -> Candidates:
        """All S states, the terminal ones not allowed."""
        index = jnp.arange(len(self.is_candidate), dtype=jnp.int32)
        return Candidates(index, index, jnp.asarray(self.is_candidate))


def wrong_states(tables: Tables, believed: Tables) -> NDArray[np.bool_]:
    """[P, S] bool: non-terminal states with any difference between the model's and the true transitions."""
    model = outcomes(believed)
    wrong = np.zeros((tables.num_phases, len(tables.start)), bool)
    for number in range(tables.num_phases):
        for mine, theirs in zip(model, outcomes(tables.phase(number)), strict=True):
            wrong[number, (mine != theirs).nonzero()[0] // tables.probability.shape[2]] = True
    return wrong & ~tables.is_terminal


def outcomes(tables: Tables) -> tuple[sparse.csr_array, ...]:
    """(probability, reward · probability, termination · probability), each sparse [S·A, S], of one phase."""
    from scipy import sparse

    num_states, num_actions, num_slots = tables.probability.shape
    pair = np.repeat(np.arange(num_states * num_actions), num_slots)
    places = (pair, tables.successor.ravel())
    shape = (num_states * num_actions, num_states)
    return tuple(
        sparse.csr_array(((tables.probability.astype(np.float64) * factor).ravel(), places), shape=shape)
        for factor in (1.0, tables.reward, tables.terminates)
    )
