"""Fixed sampling strategies: uniform, and the privileged Avoid Terminal."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables
from mgsc.errors import UserError, check_type
from mgsc.problem import StrategyFacts
from mgsc.search_control.base import Strategy, from_logits
from mgsc.search_control.row import NoSettings, StrategyRow, always
from mgsc.types import Array, Candidates, Params, PyTree


def uniform() -> Strategy:
    """Every allowed candidate is equally likely.

    Source: Sutton 1990 (Dyna). Differs in that states are drawn, not pairs that were met.
    """

    def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
        del state, params
        return jnp.zeros(candidates.index.shape, jnp.result_type(float))

    return from_logits(logits)


def uniform_pairs(num_actions: int) -> Strategy:
    """Every pair of an allowed candidate and one of A actions is equally likely.

    Args:
        num_actions: A.

    Source: Sutton 1990 (Dyna). Differs in that all pairs of the candidates are drawn, not those that were met.
    """

    def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
        del state, params
        return jnp.zeros((*candidates.index.shape, num_actions), jnp.result_type(float))

    return from_logits(logits)


def avoid_terminal(tables: Tables) -> Strategy:
    """Uniform over the states from which no action reaches a terminal state in one step.

    Privileged: it reads the true transitions. Where rewards change only at terminal states, as in
    the mazes, these are the states whose model cannot be wrong.

    Args:
        tables: the environment's true tables [P, S, A, M]; a transition possible in any phase counts.

    Raises:
        UserError: no state is left, or there is no terminal state to avoid.

    Source: Burega et al. 2024, the baseline of that name.
    """
    is_safe = jnp.asarray(never_terminates(tables))

    def logits(state: PyTree, params: Params, candidates: Candidates) -> Array:
        del state, params
        return jnp.where(is_safe[candidates.index], 0.0, -jnp.inf)

    return from_logits(logits)


def never_terminates(tables: Tables) -> NDArray[np.bool_]:
    """[S] bool: non-terminal states from which no action can terminate in one step, in any phase.

    Raises:
        UserError: as ``avoid_terminal``.
    """
    check_type("tables", tables, Tables, "be Tables, as those of a maze or a world")
    if not tables.terminates.any():
        raise UserError("avoid_terminal needs a terminal state to avoid; this problem continues for ever")
    may_end = (tables.terminates & (tables.probability > 0)).any((0, 2, 3))
    is_safe = ~may_end & ~tables.is_terminal
    if not is_safe.any():
        raise UserError("avoid_terminal has no state left: every state can terminate in one step")
    return np.asarray(is_safe)


def _build_uniform(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings, facts
    return uniform()


def _build_uniform_pairs(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings
    if facts.problem.candidates.has_actions:
        raise UserError("uniform_pairs chooses actions, and these candidates bring their own: set actions to policy")
    return uniform_pairs(facts.problem.facts.num_actions)


def _build_avoid_terminal(settings: NoSettings, facts: StrategyFacts) -> Strategy:
    del settings
    return avoid_terminal(facts.problem.known.tables)


NO_PLANNING = StrategyRow(
    name="no_planning",
    summary="Q-learning: direct updates only",
    settings=NoSettings,
    build=_build_uniform,
    plans=False,
)
UNIFORM = StrategyRow(
    name="uniform",
    summary="every non-terminal state equally often",
    settings=NoSettings,
    build=_build_uniform,
)
UNIFORM_PAIRS = StrategyRow(
    name="uniform_pairs",
    summary="every pair of state and action equally often",
    settings=NoSettings,
    build=_build_uniform_pairs,
    needs=always("discrete actions"),
)
AVOID_TERMINAL = StrategyRow(
    name="avoid_terminal",
    summary="uniform over states from which no action can end the episode (privileged)",
    settings=NoSettings,
    build=_build_avoid_terminal,
    needs=always("listed states", "tables"),
)
