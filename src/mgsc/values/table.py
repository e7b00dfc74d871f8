"""The action-value table."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.indexing import add_at, lookup
from mgsc.types import Array
from mgsc.values.base import ValueFunction


def table(num_states: int, num_actions: int, initial_value: Array | float = 0.0) -> ValueFunction:
    """A table [S, A] of action values; observations are state indices.

    Args:
        num_states: S.
        num_actions: A.
        initial_value: what every entry starts from (reward); may be traced.
    """

    def init(key: Array) -> Array:
        del key
        return jnp.full((num_states, num_actions), initial_value, jnp.result_type(float))

    def apply(values: Array, observation: Array) -> Array:
        return lookup(values, observation)

    def update(values: Array, observation: Array, action: Array, error: Array, step_size: Array) -> Array:
        return add_at(values, (observation, action), step_size * error)

    return ValueFunction(init, apply, update, is_table=True)
