"""What leads where: the pairs whose expected backups follow the value of a state."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import lookup
from mgsc.problem import StrategyFacts
from mgsc.types import Array


def touched_pairs(predecessors: Array | None, here: Array, own: Array) -> Array | None:
    """[I + J] the pairs whose expected backups a change at a state may touch; None for all.

    Args:
        predecessors: [S, I] as ``incoming_pairs`` gives them; None where any pair may lead anywhere.
        here: [] the state whose values changed.
        own: [J] pairs that changed themselves.
    """
    return None if predecessors is None else jnp.concatenate([lookup(predecessors, here), own])


def most_touched(facts: StrategyFacts) -> int:
    """Most pairs that may lead to a state, or all S·A where any may."""
    predecessors = facts.problem.known.predecessors
    return facts.problem.facts.num_pairs if predecessors is None else int(predecessors.shape[1])
