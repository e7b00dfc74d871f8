"""The types that all parts of the package share: transitions, successors, candidates, queries.

One legend of letters for all shapes, here and in every other docstring:

======  =====================================================================
letter  meaning
======  =====================================================================
S       states that can be listed
A       actions
M       successor slots kept for one state and action
N       candidates search control chooses from
K       planning updates per real step
B       lanes: pairs of seed and settings that run side by side; in an update, a minibatch
T       real steps
E       members of an ensemble
P       phases of an environment that changes
C       actions that a policy may choose in one state
F       inputs of a network, features
======  =====================================================================

Units: rewards and values are in the environment's reward, probabilities are plain numbers,
entropies are in nats, time is in environment steps, durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

Array = jax.Array
PyTree = Any
"""Parameters, states and noise: arbitrary pytrees, which static types do not describe further."""


def to_device(array: ArrayLike | Array) -> Array:
    """The numbers, traced or not, on the default device; ``jnp.asarray`` would compile a program for each shape."""
    placed: Array = jax.device_put(array)
    return placed


def like(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """An array's shape and dtype, where only these matter."""
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


class Transition(NamedTuple):
    """One step of experience, real or imagined.

    Attributes:
        observation: before the action; an int32 state index when states are listed.
        action: the int32 number of an action, or numbers in [−1, 1].
        reward: of the step (reward).
        discount: γ of the successor's value; 0 where the transition terminated, γ where the
            episode went on or was merely truncated.
        successor: the observation that followed.
    """

    observation: Array
    action: Array
    reward: Array
    discount: Array
    successor: Array


class Successors(NamedTuple):
    """All outcomes of one state and action in a model; slots of probability 0 are padding.

    Attributes:
        probability: [M], sums to one.
        reward: [M] mean reward of the slot.
        discount: [M], 0 where the slot terminates.
        observation: [M, ...] successor observations.
    """

    probability: Array
    reward: Array
    discount: Array
    observation: Array


class Params(NamedTuple):
    """The parameters and states that a strategy may read.

    Attributes:
        values: θ, parameters of the action values; all of it is learned by gradient steps.
        model: the model's state.
        learner: state of the values' updates besides θ (optimiser, target network); ``()`` for a table.
    """

    values: PyTree
    model: PyTree
    learner: PyTree = ()


class ActionChoice(NamedTuple):
    """The actions that a policy may choose in one state: all A of them, or C samples of continuous ones.

    Attributes:
        action: [C, ...].
        probability: [C], sums to one.
    """

    action: Array
    probability: Array


NO_CANDIDATE = -1
"""The index of a state that was queried or experienced and is no candidate."""


class Parts(NamedTuple):
    """The agent's pure functions that search control may call.

    Attributes:
        q: ``(values, observation, action) -> []`` action value.
        bootstrap: ``(values, learner, observation) -> []`` value of the best action, as updates use it.
        actions: ``(values, observation) -> ActionChoice`` of the behaviour policy.
        expect: ``(model, observation, action) -> Successors``.
        action_values: ``(values, observation) -> [A]``; raises ``ValueError`` where actions are continuous.
        policy: ``(action values [A]) -> [A]`` probabilities; raises ``ValueError`` where actions are continuous.
        is_table: whether ``values`` is an array [S, A] in which ``observation`` numbers a row, and ``bootstrap`` is the
            maximum of that row.
        disagreement: ``(model, observation, action) -> []`` of the members of an ensemble; None where there is none.
        heads: ``(values, observation, action) -> [J]`` of several functions, each of which learns from its own error
            and whose mean is ``q``; None where there is one.
        is_discrete: whether there are A numbered actions: ``actions`` returns all of them, in order, with the
            probabilities of ``policy``.
    """

    q: Callable[[PyTree, Array, Array], Array]
    bootstrap: Callable[[PyTree, PyTree, Array], Array]
    actions: Callable[[PyTree, Array], ActionChoice]
    expect: Callable[[PyTree, Array, Array], Successors]
    action_values: Callable[[PyTree, Array], Array]
    policy: Callable[[Array], Array]
    is_table: bool = False
    disagreement: Callable[[PyTree, Array, Array], Array] | None = None
    heads: Callable[[PyTree, Array, Array], Array] | None = None
    is_discrete: bool = False

    @property
    def learned(self) -> Callable[[PyTree, Array, Array], Array]:
        """``heads`` where there are several functions, otherwise ``q``: the functions that learn from errors."""
        return self.heads or self.q


class Candidates(NamedTuple):
    """The states search control may choose from: all S of them, or a batch.

    Attributes:
        observation: [N, ...] inputs of the values and the model.
        index: [N] int32 numbers of the candidates, for strategies that keep a number per state.
        is_allowed: [N] or [N, A] bool; False of states that must never be queried (terminal ones). Strategies that
            query states that the agent has visited, or that its model leads to (replay, recency, visited states,
            trajectories, hill climbing, Dyna-Q, uncertainty), rely on the agent never acting in such a state.
        action: [N] actions that belong to the candidates, or None when the policy chooses.
        experience: [N] the real transitions that began in them; None of sources that keep none.
        age: [N] int32 real steps since these transitions, 0 for the newest; None of sources that keep none.
    """

    observation: Array
    index: Array  # type: ignore[assignment]
    is_allowed: Array
    action: Array | None = None
    experience: Transition | None = None
    age: Array | None = None


class Query(NamedTuple):
    """One query of the model.

    Attributes:
        observation: the state that is queried.
        index: [] int32 number of the candidate.
        action: the action to imagine, or None: the behaviour policy of the current values picks it.
        reward_bonus: added to the imagined reward.
        outcome: a stored real transition that replaces the model's answer, or None.
        is_stored: [] bool, whether it does so in this query; None: in every one that has an outcome.
        step_scale: factor of the update's step size; 0 makes an update that changes nothing. None: 1, at no cost.
    """

    observation: Array
    index: Array  # type: ignore[assignment]
    action: Array | None = None
    reward_bonus: Array | float = 0.0
    outcome: Transition | None = None
    step_scale: Array | None = None
    is_stored: Array | None = None


class Backup(NamedTuple):
    """An update that was made to the values.

    Attributes:
        index: [] int32 number of the candidate; −1 for the real transition's own update.
        transition: that was learned from.
        td_error: its error before the update.
    """

    index: Array  # type: ignore[assignment]
    transition: Transition
    td_error: Array


def kind_of(given: object) -> str:
    """What was given, in words: an array by its dtype and shape, a tuple by its length, all else by its type."""
    if hasattr(given, "dtype") and hasattr(given, "shape") and not isinstance(given, np.generic):
        return f"an array {given.dtype}{list(given.shape)}"
    if isinstance(given, tuple):
        return f"a tuple of {len(given)}"
    return "None" if given is None else f"a {type(given).__name__}"
