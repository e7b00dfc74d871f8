"""The pairs whose expected backups depend on the value of a state."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import lookup
from mgsc.problem import StrategyFacts
from mgsc.types import Array


def touched_pairs(predecessors: Array | None, here: Array, own: Array) -> Array | None:
    """[I + J] the pairs whose expected backups may depend on a changed state; None for all.

    Args:
        predecessors: [S, I] of ``incoming_pairs``; None where any pair may lead to any state.
        here: [] the state whose values changed.
        own: [J] pairs that changed themselves.
    """
    return None if predecessors is None else jnp.concatenate([lookup(predecessors, here), own])


def most_touched(facts: StrategyFacts) -> int:
    """The largest number of pairs that may lead to a state, or S·A where any may."""
    predecessors = facts.problem.known.predecessors
    return facts.problem.facts.num_pairs if predecessors is None else int(predecessors.shape[1])
