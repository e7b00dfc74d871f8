"""A model with given tables, which never learns."""

from __future__ import annotations

import functools
from typing import NamedTuple

from mgsc.environments.tables import Tables
from mgsc.errors import UserError, check_type
from mgsc.facts import Facts
from mgsc.indexing import lookup
from mgsc.models.base import Model
from mgsc.models.fixed_tables import FixedModel, model_tables
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.noise import uniforms
from mgsc.sampling import index_from_cumulative
from mgsc.types import Array, PyTree, Successors, Transition, to_device


class ModelArrays(NamedTuple):
    """The arrays of a fixed model: a row for each pair, [S·A, M], and the same entries one by one, [S·A·M].

    Programs take them as arguments. Each has the shape in which it is read: to reshape an argument costs 2 to 3 % of a
    step.

    Attributes:
        cumulative: running sums of the probabilities.
        probability, reward, survives, successor: rows; ``survives`` is 1 where the transition does not terminate.
        one_reward, one_survives, one_successor: one by one.
    """

    cumulative: Array
    probability: Array
    reward: Array
    survives: Array
    successor: Array
    one_reward: Array
    one_survives: Array
    one_successor: Array


def fixed(tables: Tables, discount: Array | float) -> Model:
    """A model with exact sparse tables, which never changes.

    Args:
        tables: [S, A, M] the transitions the model answers with.
        discount: γ, given to successors that do not terminate; may be traced.

    Raises:
        UserError: those are no tables, or have an axis of phases.
    """
    check_type("tables", tables, Tables, "be Tables, as model_tables gives them")
    if tables.probability.ndim != 3:
        raise UserError(f"tables have shape {tables.probability.shape}: they must be those of one phase, [S, A, M]")
    num_states, num_actions, num_slots = tables.probability.shape
    pairs = (num_states * num_actions, num_slots)
    survives = (~tables.terminates).astype(tables.reward.dtype)
    arrays = ModelArrays(
        cumulative=to_device(tables.cumulative.reshape(pairs)),
        probability=to_device(tables.probability.reshape(pairs)),
        reward=to_device(tables.reward.reshape(pairs)),
        survives=to_device(survives.reshape(pairs)),
        successor=to_device(tables.successor.reshape(pairs)),
        one_reward=to_device(tables.reward.ravel()),
        one_survives=to_device(survives.ravel()),
        one_successor=to_device(tables.successor.ravel()),
    )
    return _answering(num_actions, discount, arrays)


def _answering(num_actions: int, discount: Array | float, arrays: ModelArrays) -> Model:
    """The model that answers from these arrays, which may be traced."""
    num_slots = arrays.reward.shape[-1]

    def init(key: Array) -> tuple[()]:
        del key
        return ()

    def sample(noise: PyTree, state: PyTree, observation: Array, action: Array) -> Transition:
        del state
        pair = observation * num_actions + action
        # One number addresses a slot: indices of several parts would have to be put together first.
        entry = pair * num_slots + index_from_cumulative(noise, lookup(arrays.cumulative, pair))
        return Transition(
            observation,
            action,
            lookup(arrays.one_reward, entry),
            discount * lookup(arrays.one_survives, entry),
            lookup(arrays.one_successor, entry),
        )

    def expect(state: PyTree, observation: Array, action: Array) -> Successors:
        del state
        pair = observation * num_actions + action
        return Successors(
            lookup(arrays.probability, pair),
            lookup(arrays.reward, pair),
            discount * lookup(arrays.survives, pair),
            lookup(arrays.successor, pair),
        )

    return Model(
        init=init,
        draw=uniforms,
        sample=sample,
        expect=expect,
        tables=arrays,
        of_tables=functools.partial(_answering, num_actions, discount),
    )


def _build(settings: FixedModel, facts: Facts) -> BuiltModel:
    tables = model_tables(settings, facts.listed)
    return BuiltModel(fixed(tables, facts.discount), tables=tables, links=tables)


FIXED_ROW = ModelRow("fixed", "exact tables that never change", FixedModel, _build, needs_tables=True)
