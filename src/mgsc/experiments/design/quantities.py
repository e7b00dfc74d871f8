"""Names, meanings and needs of all recorded quantities: the list that recorder, store and figures share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

MEASURES = {
    "entropy": "entropy of d [nats]",
    "wrong_mass": "mass of d on states where the model is wrong [probability]",
    "uniform_wrong_mass": "the same for a uniform d [probability]",
    "weighted_error": "model error where d looks, the sum of d·e [reward]",
    "uniform_error": "the same for a uniform d [reward]",
    "redundant_mass": "mass of d on redundant updates [probability]",
    "uniform_redundant_mass": "the same for a uniform d [probability]",
    "weighted_update": "size of planned updates, the sum of d·|E δ| [reward]",
    "uniform_update": "the same for a uniform d [reward]",
    "useful_share": "share of planning updates that bring values closer to the phase's optimum",
    "alignment": "cosine of the planned direction with the one real experience would give",
    "overshoot": "largest α K d(s) π(a|s): above 1 a planned step overshoots",
}
"""Of an agent that plans: one number at each measurement, averaged over the chunk."""

ALWAYS = {"value_error": "distance of values from the phase's optimum, mean |q − q*| [reward]"}
"""Of every agent."""

STATE_MEASURES = {
    "model_error": "error of the model, e(s) [reward]",
    "state_value_error": "mean over actions of |q − q*| [reward]",
}
"""Means over a chunk, one number for each state."""

SNAPSHOTS = {
    "state_value": "max q at the chunk's end [reward]",
    "greedy_action": "action of largest value at the chunk's end, −1 where all are equal",
}
"""Numbers at the end of a chunk, one for each state."""

REPORTED = {
    "meta_loss": "meta-loss [reward²]",
    "meta_gradient_norm": "norm of the gradient, by the logits, of the meta-loss less the entropy bonus [reward²]",
}
"""Numbers that a strategy may report after each step; NaN for strategies that do not."""

REPORTED_BY = "reported_by"
"""Attribute of a variable [agent, seed, chunk] that is in none of these tables: its origin."""

SEARCH_CONTROL = "search_control"
"""Origin of the numbers that a strategy has learned, such as weights of its features; NaN for those without."""

SPREAD = {
    "entropy": "entropy of d [nats]",
    "effective_candidates": "candidates that d is spread over, exp(entropy)",
}
"""Of an agent that plans from candidates that change: means over all steps of the chunk."""

EPISODES = {
    "episode_return": "mean return of the episodes that ended in the chunk; NaN where none did [reward]",
    "episode_length": "mean length of the episodes that ended in the chunk; NaN where none did [environment steps]",
    "episodes_terminated": "episodes that the task ended",
    "episodes_truncated": "episodes that were cut short",
}
"""Of the episodes that ended in a chunk."""

ENDED = ("episodes_terminated", "episodes_truncated")
"""The numbers among them."""

Has = Literal["truth", "listed", "episodes", "held out", "actor"]
"""Properties of a problem that decide its quantities: exact tables; candidates that are the same states in every step;
recorded episodes; a model with held-out transitions; actions that are numbers, whose actor is evaluated."""

USUAL: tuple[Has, ...] = ("truth", "listed")
"""Properties of a result that holds none: those of suites with tables."""

Dims = tuple[str, ...]
PER_CHUNK: Dims = ("agent", "seed", "chunk")
PER_STATE: Dims = (*PER_CHUNK, "state")


class Group(NamedTuple):
    """Quantities that are recorded together.

    Attributes:
        quantities: name -> meaning.
        dims: of each array.
        needs: what the problem must have.
        spares: properties of which it must lack one, because other quantities take their place.
        is_of_planning: whether only agents that plan have them; NaN for the others.
    """

    quantities: Mapping[str, str]
    dims: Dims
    needs: frozenset[Has] = frozenset()
    spares: frozenset[Has] = frozenset()
    is_of_planning: bool = False


_TRUTH: frozenset[Has] = frozenset({"truth"})
_D: frozenset[Has] = frozenset({"truth", "listed"})

GROUPS: tuple[Group, ...] = (
    Group({"reward": "sum over the chunk [reward]"}, PER_CHUNK),
    Group(ALWAYS, PER_CHUNK, _TRUTH),
    Group(REPORTED, PER_CHUNK, is_of_planning=True),
    Group(MEASURES, PER_CHUNK, _D, is_of_planning=True),
    Group(SPREAD, PER_CHUNK, spares=_D, is_of_planning=True),
    Group(EPISODES, PER_CHUNK, frozenset({"episodes"})),
    Group({"query_distribution": "mean of d over the chunk [probability]"}, PER_STATE, _D, is_of_planning=True),
    Group(STATE_MEASURES, PER_STATE, _TRUTH),
    Group(SNAPSHOTS, PER_STATE, _TRUTH),
)
"""All that is recorded, in the order in which it is stored."""


def groups_of(has: Collection[Has]) -> tuple[Group, ...]:
    """The groups that are recorded of a problem."""
    return tuple(
        group for group in GROUPS if group.needs <= set(has) and not (group.spares and group.spares <= set(has))
    )


def recorded_of(has: Collection[Has]) -> dict[str, Dims]:
    """Name -> dimensions of all that is recorded of a problem."""
    return {name: group.dims for group in groups_of(has) for name in group.quantities}
