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
from mgsc.settings import Row, number, size
from mgsc.types import ActionChoice, Array, PyTree
from mgsc.values.base import ValueFunction


class Policy(NamedTuple):
    """A behaviour policy of an agent: a function of its values and, in real steps, perhaps of their number.

    Attributes:
        draw: noise of one choice.
        sample: ``(noise, θ, observation) -> action``.
        actions: ``(θ, observation) -> ActionChoice``, the distribution ``sample`` draws from.
        probabilities: ``(action values [A]) -> [A]``; None where actions are continuous.
        explore: ``(noise, θ, observation, step []) -> action`` of real steps, where it depends on their number; None:
            ``sample``, as in planning.
    """

    draw: Draw
    sample: Callable[[PyTree, PyTree, Array], Array]
    actions: Callable[[PyTree, Array], ActionChoice]
    probabilities: Callable[[Array], Array] | None = None
    explore: Callable[[PyTree, PyTree, Array, Array], Array] | None = None


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
        action_values = _compared_values("epsilon_greedy", values)
        probabilities = functools.partial(epsilon_greedy_probabilities, epsilon=epsilon)

        def sample(noise: PyTree, theta: PyTree, observation: Array) -> Array:
            return index_from_weights(noise, probabilities(action_values(theta, observation)))

        def actions(theta: PyTree, observation: Array) -> ActionChoice:
            probability = probabilities(action_values(theta, observation))
            return ActionChoice(jnp.arange(probability.shape[-1], dtype=jnp.int32), probability)

        return Policy(draw=uniforms, sample=sample, actions=actions, probabilities=probabilities)

    return build


def _compared_values(name: str, values: ValueFunction) -> Callable[[PyTree, Array], Array]:
    """``(θ, observation) -> [A]``, which the policy ``name`` needs.

    Raises:
        UserError: the values have none.
    """
    if values.action_values is None:
        raise UserError(
            f"{name} compares the values of all actions, and these values have no action_values: where actions are "
            "numbers, policy actor is allowed"
        )
    return values.action_values


def linear_epsilon(epsilon: Array | float, final: Array | float, num_steps: Array | int) -> BehaviourPolicy:
    """ε-greedy, whose ε changes evenly with the number of the real step; planning keeps the first one.

    Args:
        epsilon: exploration probability in the first real step, and of all planning, in [0, 1]; may be traced.
        final: that of real steps from ``num_steps`` on, in [0, 1]; may be traced.
        num_steps: real steps until then, 1 or more; may be traced.

    Raises:
        UserError: as ``epsilon_greedy``.
    """

    def build(values: ValueFunction) -> Policy:
        _compared_values("linear_epsilon", values)  # under this name, not under that of epsilon_greedy

        def explore(noise: PyTree, theta: PyTree, observation: Array, step: Array) -> Array:
            now = epsilon_at(step, epsilon, final, num_steps)
            return epsilon_greedy(now)(values).sample(noise, theta, observation)

        return epsilon_greedy(epsilon)(values)._replace(explore=explore)

    return build


def epsilon_at(step: Array, epsilon: Array | float, final: Array | float, num_steps: Array | int) -> Array:
    """[...] ε of ``linear_epsilon`` in the real steps of these numbers [...]."""
    left = 1 - jnp.minimum(step / num_steps, 1)
    return final + (epsilon - final) * left


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
        epsilons: ``(settings, epsilon, steps [T] int) -> [T]`` ε of each real step; None: the same in all.
    """

    build: Callable[[S, Array | float], BehaviourPolicy]
    epsilons: Callable[[S, float, Array], Array] | None = None


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
class LinearEpsilonSettings:
    """Settings of ``linear_epsilon``, which begins with the suite's ε."""

    final: float = number(0.01, 0.0, 1.0, "exploration probability after over_steps")
    over_steps: int = size(10_000, 1, 2**30, "real steps in which it gets there, evenly")


LINEAR_EPSILON_ROW = PolicyRow(
    "linear_epsilon",
    "epsilon_greedy, whose probability in real steps goes evenly from epsilon to final",
    LinearEpsilonSettings,
    lambda settings, epsilon: linear_epsilon(epsilon, settings.final, settings.over_steps),
    lambda settings, epsilon, steps: epsilon_at(steps, epsilon, settings.final, settings.over_steps),
)


@dataclasses.dataclass(frozen=True)
class ActorSettings:
    """The actor's settings are among those of the values; the suite's ε has no effect."""


ACTOR_ROW = PolicyRow(
    "actor", "the actor that is learned with the values", ActorSettings, lambda settings, epsilon: actor()
)
