"""The action-value table."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jax import lax

from mgsc.facts import Facts
from mgsc.indexing import add_at, lookup, pick
from mgsc.reductions import largest
from mgsc.types import Array, PyTree
from mgsc.values.base import ValueFunction
from mgsc.values.row import ValuesRow


def table(num_states: int, num_actions: int, initial_value: Array | float = 0.0) -> ValueFunction:
    """A table [S, A] of action values; observations are state indices.

    Args:
        num_states: S.
        num_actions: A.
        initial_value: of every entry (reward); may be traced.
    """

    def init(key: Array) -> tuple[Array, tuple[()]]:
        del key
        return jnp.full((num_states, num_actions), initial_value, jnp.result_type(float)), ()

    def q(values: Array, observation: Array, action: Array) -> Array:
        return pick(lookup(values, observation), action)

    def bootstrap(values: Array, learner: PyTree, observation: Array) -> Array:
        del learner
        return largest(lookup(values, observation))

    def update(
        values: Array, learner: PyTree, observation: Array, action: Array, error: Array, step_size: Array
    ) -> tuple[Array, PyTree]:
        count = len(error)
        if count == 1:
            return add_at(values, (observation[0], action[0]), step_size[0] * error[0]), learner

        def add(number: Array, values: Array) -> Array:
            here, chosen, amount = (lookup(column, number) for column in (observation, action, step_size * error))
            return add_at(values, (here, chosen), amount / count)

        return lax.fori_loop(0, count, add, values), learner

    return ValueFunction(init, q, bootstrap, update, action_values=lookup, is_table=True)


@dataclasses.dataclass(frozen=True)
class TableSettings:
    """A table has no settings of its own."""


def _build(settings: TableSettings, facts: Facts, initial_value: Array | float) -> ValueFunction:
    del settings
    return table(facts.num_states, facts.num_actions, initial_value)


TABLE_ROW = ValuesRow("table", "one number for each state and action", TableSettings, _build, needs_tables=True)
