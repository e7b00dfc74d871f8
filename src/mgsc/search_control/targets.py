"""Targets of the values from real experience, by which ``learned_priority`` judges its planning."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import lax

from mgsc.indexing import add_at, lookup
from mgsc.reductions import largest
from mgsc.types import Array, Transition

Target = Literal["transition", "return", "later", "real_values"]


class Targets(NamedTuple):
    """The kind of the targets; values are tables [S, A].

    - ``transition``: r + γ' max q(s', ·) of each real transition, with q after planning. One look-up for each.
    - ``return``: the λ-return of real experience from there on, as far as it is stored (Sutton & Barto 2018, 12.1),
      with greedy bootstrap values: G_j = r_j + γ'_j ((1 − λ) max q(s'_j, ·) + λ G_{j+1}), without λ where the next
      stored transition does not go on from s'_j. As many look-ups, in turn.
    - ``later``: the agent's own values W real steps after the planning that is judged, W being the number of stored
      transitions (bootstrapped meta-gradients, Flennerhag et al. 2022, with all updates in between as the bootstrap).
      It keeps one planning for so long, which costs a copy of its arrays in each step.
    - ``real_values``: a table learned by Q-learning of real transitions only, with the agent's step size.

    Attributes:
        kind: one of these.
        trace: λ of ``return``, in [0, 1]; may be traced.
        step_size: α of the table of ``real_values``; may be traced.
    """

    kind: Target
    trace: Array | float
    step_size: Array | float

    def init(self, values: Array) -> Array | None:
        """[S, A] the table that ``real_values`` learns; None of the others."""
        return values if self.kind == "real_values" else None

    def learned(self, table: Array | None, transition: Transition) -> Array | None:
        """The table after a real transition."""
        if table is None:
            return None
        here, action, reward, discount, successor = transition
        target = reward + discount * largest(lookup(table, successor))
        num_actions = table.shape[1]
        error = target - lookup(table.reshape(-1), here * num_actions + action)
        return add_at(table, (here, action), self.step_size * error)

    def at(self, table: Array | None, planned: Array, transitions: Transition) -> Array:
        """[W] the targets of real transitions [W], from the oldest to the newest.

        Args:
            table: from ``learned``.
            planned: [S, A] values after planning; of ``later``, the current ones.
        """
        pairs = transitions.observation * planned.shape[1] + transitions.action
        if self.kind == "later":
            return lookup(planned.reshape(-1), pairs)
        if table is not None:
            return lookup(table.reshape(-1), pairs)
        after = largest(lookup(planned, transitions.successor))
        one_step = transitions.reward + transitions.discount * after
        if self.kind == "transition":
            return one_step
        return self._returns(one_step, after, transitions)

    def _returns(self, one_step: Array, after: Array, transitions: Transition) -> Array:
        """[W] λ-returns, the newest of which is of one step."""
        follows = transitions.successor[:-1] == transitions.observation[1:]
        onward = jnp.where(follows, self.trace * transitions.discount[:-1], 0.0)

        def back(turn: Array, returns: Array) -> Array:
            place = len(onward) - 1 - turn
            beyond = lookup(returns, place + 1) - lookup(after, place)
            return add_at(returns, place, lookup(onward, place) * beyond)

        found: Array = lax.fori_loop(0, len(onward), back, one_step)
        return found
