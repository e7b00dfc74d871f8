"""The few words every part of the package speaks: transitions, successors, candidates, queries.

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
from numpy.typing import ArrayLike

Array = jax.Array
PyTree = Any
"""Parameters, states and noise are arbitrary pytrees; static typing says nothing more of them."""


def to_device(array: ArrayLike | Array) -> Array:
    """The numbers, traced or not, on the default device; ``jnp.asarray`` would compile a program for each shape."""
    placed: Array = jax.device_put(array)
    return placed


def like(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """What stands for an array of which only the shape and the dtype matter."""
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


class Transition(NamedTuple):
    """One step of experience, real or imagined.

    Attributes:
        observation: what the agent saw; an int32 state index when states are listed.
        action: what was done: the int32 number of an action, or numbers in [−1, 1].
        reward: reward received.
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
    """All outcomes a model gives to one state and action; slots of probability 0 are padding.

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
    """What a strategy may read of the agent.

    Attributes:
        values: θ, parameters of the action values; all of it is learned by gradient steps.
        model: the model's state.
        learner: what the values' updates need besides θ (optimiser, target network); ``()`` for a table.
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
"""The index of what was queried, or really experienced, and is no candidate."""


class Parts(NamedTuple):
    """The agent's pure functions, as search control sees them.

    Attributes:
        q: ``(values, observation, action) -> []`` action value.
        bootstrap: ``(values, learner, observation) -> []`` value of the best action, as updates use it.
        actions: ``(values, observation) -> ActionChoice`` of the behaviour policy.
        expect: ``(model, observation, action) -> Successors``.
        action_values: ``(values, observation) -> [A]``; refuses where actions are continuous.
        policy: ``(action values [A]) -> [A]`` probabilities; refuses where actions are continuous.
        is_table: whether ``values`` is an array [S, A] in which ``observation`` numbers a row.
        disagreement: ``(model, observation, action) -> []`` of the members of an ensemble; None where there is none.
        heads: ``(values, observation, action) -> [J]`` of several functions, each of which learns from its own error
            and whose mean is ``q``; None where there is one.
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

    @property
    def learned(self) -> Callable[[PyTree, Array, Array], Array]:
        """``heads`` where there are several functions, otherwise ``q``: what learns from its error."""
        return self.heads or self.q


class Candidates(NamedTuple):
    """The states search control may choose from: all S of them, or a batch.

    Attributes:
        observation: [N, ...] what the values and the model are queried with.
        index: [N] int32 names of the candidates, for strategies that keep a number per state.
        is_allowed: [N] or [N, A] bool; what must never be queried (terminal states) is False. Strategies that query
            where the agent has been, or where its model leads (replay, recency, visited states, trajectories, hill
            climbing, Dyna-Q, uncertainty), rely on its never acting in such a state.
        action: [N] actions that belong to the candidates, or None when the policy chooses.
        experience: [N] the real transitions that began in them, where the source keeps these; else None.
        age: [N] int32 real steps since then, 0 for the newest; else None.
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
        observation: where the model is queried.
        index: int32 name of the candidate.
        action: the action to imagine, or None: the behaviour policy of the current values picks it.
        reward_bonus: added to the imagined reward.
        outcome: a stored real transition to apply *instead of* querying the model, or None.
        step_scale: the update's step size is multiplied by it; 0 makes an update that changes nothing.
            None: 1, at no cost.
    """

    observation: Array
    index: Array  # type: ignore[assignment]
    action: Array | None = None
    reward_bonus: Array | float = 0.0
    outcome: Transition | None = None
    step_scale: Array | None = None


class Backup(NamedTuple):
    """An update that was made to the values.

    Attributes:
        index: int32 name of the candidate it was made at; −1 for the real transition's own update.
        transition: what it learned from.
        td_error: its error before the update.
    """

    index: Array  # type: ignore[assignment]
    transition: Transition
    td_error: Array
