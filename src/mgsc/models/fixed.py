"""A model that is given, and never learns."""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.environments.tables import Tables
from mgsc.facts import Facts
from mgsc.indexing import lookup
from mgsc.models.base import Model
from mgsc.models.beliefs import FixedModel, believed_tables
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.noise import uniforms
from mgsc.sampling import index_from_cumulative
from mgsc.types import Array, PyTree, Successors, Transition


def fixed(tables: Tables, discount: Array | float) -> Model:
    """Answers from exact sparse tables and never changes.

    Args:
        tables: the transitions the model believes in, without a phase axis.
        discount: γ, given to successors that do not terminate; may be traced.
    """
    num_states, num_actions, num_slots = tables.probability.shape
    pairs = (num_states * num_actions, num_slots)
    cumulative = jnp.asarray(tables.cumulative).reshape(pairs)
    probability = jnp.asarray(tables.probability).reshape(pairs)
    reward = jnp.asarray(tables.reward).reshape(pairs)
    successor = jnp.asarray(tables.successor).reshape(pairs)
    survives = jnp.asarray(~tables.terminates, reward.dtype).reshape(pairs)

    def init(key: Array) -> tuple[()]:
        del key
        return ()

    def sample(noise: PyTree, state: PyTree, observation: Array, action: Array) -> Transition:
        del state
        pair = observation * num_actions + action
        # One number addresses a slot: indices of several parts would have to be put together first.
        entry = pair * num_slots + index_from_cumulative(noise, lookup(cumulative, pair))
        return Transition(
            observation,
            action,
            lookup(reward.ravel(), entry),
            discount * lookup(survives.ravel(), entry),
            lookup(successor.ravel(), entry),
        )

    def expect(state: PyTree, observation: Array, action: Array) -> Successors:
        del state
        pair = observation * num_actions + action
        return Successors(
            lookup(probability, pair),
            lookup(reward, pair),
            discount * lookup(survives, pair),
            lookup(successor, pair),
        )

    return Model(init=init, draw=uniforms, sample=sample, expect=expect)


def _build(settings: FixedModel, facts: Facts) -> BuiltModel:
    believed = believed_tables(settings, facts.listed)
    return BuiltModel(fixed(believed, facts.discount), tables=believed, links=believed)


FIXED_ROW = ModelRow("fixed", "exact tables that never change", FixedModel, _build, needs_tables=True)
