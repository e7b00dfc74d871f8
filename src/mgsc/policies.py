"""Behaviour policies: they choose actions by the values, in real steps and in planning."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax.numpy as jnp

from mgsc.errors import UserError
from mgsc.noise import Draw, uniforms
from mgsc.reductions import largest
from mgsc.sampling import index_from_weights
from mgsc.settings import Row
from mgsc.types import ActionChoice, Array, PyTree
from mgsc.values.base import ValueFunction


class Policy(NamedTuple):
    """A behaviour policy of an agent, a function of its values alone.

    Attributes:
        draw: noise of one choice.
        sample: ``(noise, θ, observation) -> action``.
        actions: ``(θ, observation) -> ActionChoice``, the distribution ``sample`` draws from.
        probabilities: ``(action values [A]) -> [A]``; None where actions are continuous.
    """

    draw: Draw
    sample: Callable[[PyTree, PyTree, Array], Array]
    actions: Callable[[PyTree, Array], ActionChoice]
    probabilities: Callable[[Array], Array] | None = None


BehaviourPolicy = Callable[[ValueFunction], Policy]
"""The result of a policy's factory: a function of the agent's values that returns its policy."""


def epsilon_greedy(epsilon: Array | float) -> BehaviourPolicy:
    """With probability ε any of A actions, else a greedy one; ties are broken uniformly at random.

    Args:
        epsilon: exploration probability in [0, 1]; may be traced.

    Raises:
        UserError: the values are of continuous actions; said when the policy is given them.
    """

    def build(values: ValueFunction) -> Policy:
        if values.action_values is None:
            raise UserError(
                "epsilon_greedy compares the values of all actions, and these values have no action_values: where "
                "actions are numbers, policy actor is allowed"
            )
        action_values = values.action_values
        probabilities = functools.partial(epsilon_greedy_probabilities, epsilon=epsilon)

        def sample(noise: PyTree, theta: PyTree, observation: Array) -> Array:
            return index_from_weights(noise, probabilities(action_values(theta, observation)))

        def actions(theta: PyTree, observation: Array) -> ActionChoice:
            probability = probabilities(action_values(theta, observation))
            return ActionChoice(jnp.arange(probability.shape[-1], dtype=jnp.int32), probability)

        return Policy(draw=uniforms, sample=sample, actions=actions, probabilities=probabilities)

    return build


def epsilon_greedy_probabilities(q: Array, epsilon: Array | float) -> Array:
    """[..., A] probabilities of action values [..., A]; the largest values share 1 − ε, and all share ε."""
    is_greedy = (q >= largest(q)[..., None]).astype(q.dtype)
    num_greedy = sum(is_greedy[..., action] for action in range(q.shape[-1]))
    return epsilon / q.shape[-1] + (1.0 - epsilon) * is_greedy / jnp.asarray(num_greedy)[..., None]


def actor() -> BehaviourPolicy:
    """The actor that is learned with the values.

    Raises:
        UserError: the values have none; said when the policy is given them.
    """

    def build(values: ValueFunction) -> Policy:
        if values.actor is None:
            raise UserError("policy actor is learned with the values, and these have none: allowed are values sac")
        return Policy(draw=values.actor.draw, sample=values.actor.sample, actions=values.actor.actions)

    return build


S = TypeVar("S")


@dataclasses.dataclass(frozen=True)
class PolicyRow(Row[S]):
    """A behaviour policy that suites may name.

    Attributes:
        build: ``(settings, epsilon) -> BehaviourPolicy``; ε is the suite's exploration probability.
    """

    build: Callable[[S, Array | float], BehaviourPolicy]


@dataclasses.dataclass(frozen=True)
class EpsilonGreedySettings:
    """ε-greedy has no settings besides the suite's ε."""


EPSILON_GREEDY_ROW = PolicyRow(
    "epsilon_greedy",
    "with probability epsilon any action, else a greedy one",
    EpsilonGreedySettings,
    lambda settings, epsilon: epsilon_greedy(epsilon),
)


@dataclasses.dataclass(frozen=True)
class ActorSettings:
    """The actor's settings are among those of the values; the suite's ε has no effect."""


ACTOR_ROW = PolicyRow(
    "actor", "the actor that is learned with the values", ActorSettings, lambda settings, epsilon: actor()
)
