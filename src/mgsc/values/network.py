"""Action values from any network, with an optimiser and perhaps a target network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mgsc.indexing import pick
from mgsc.reductions import largest
from mgsc.types import Array, PyTree
from mgsc.values.base import ValueFunction


class NetworkLearner(NamedTuple):
    """The state of the updates besides the network.

    Attributes:
        optimizer: the optimiser's state.
        target: the network that bootstrap values come from; None for θ itself.
        count: int32 updates so far; None without a target network.
    """

    optimizer: PyTree
    target: PyTree
    count: Array | None  # type: ignore[assignment]


def network(
    init: Callable[[Array], PyTree],
    apply: Callable[[PyTree, Array], Array],
    *,
    optimizer: optax.GradientTransformation | None = None,
    target_every: int = 0,
    is_double: bool = True,
    largest_error: Array | float | None = None,
) -> ValueFunction:
    """q(s, ·; θ) of A discrete actions as the outputs of a network.

    With a target network the bootstrap value is Double DQN's: the target network's value of the action that θ
    finds best. Planned parameters are those of the squared loss, whatever ``largest_error`` and the optimiser are.

    Args:
        init: ``(key) -> θ``, any pytree of floating-point numbers.
        apply: ``(θ, observation) -> [A]`` values, differentiable in θ.
        optimizer: a transformation of gradients *without* a step size, such as ``optax.scale_by_adam()``: the
            agent's step size is applied after it. None is plain gradient descent.
        target_every: updates between copies of θ to the target network; 0 for none.
        is_double: False takes the target network's largest value instead, as DQN does; without one it has no effect.
        largest_error: κ of Huber's loss: errors beyond ±κ count as ±κ (reward). None for the squared loss; may be
            traced.

    Source: Mnih et al. 2015 (target network, errors within ±κ), van Hasselt et al. 2016 (Double DQN). Differs in that
    updates are plain semi-gradient steps unless an optimiser is given.
    """
    rule = _Rule(
        begin=init,
        apply=apply,
        optimizer=optax.identity() if optimizer is None else optimizer,
        target_every=target_every,
        is_double=is_double,
        largest_error=largest_error,
    )
    return ValueFunction(
        init=rule.init, q=rule.q, bootstrap=rule.bootstrap, update=rule.update, action_values=rule.apply
    )


class _Rule(NamedTuple):
    """The arguments of ``network``."""

    begin: Callable[[Array], PyTree]
    apply: Callable[[PyTree, Array], Array]
    optimizer: optax.GradientTransformation
    target_every: int
    is_double: bool
    largest_error: Array | float | None

    def init(self, key: Array) -> tuple[PyTree, NetworkLearner]:
        theta = self.begin(key)
        target, count = (theta, jnp.zeros((), jnp.int32)) if self.target_every else (None, None)
        return theta, NetworkLearner(self.optimizer.init(theta), target, count)

    def q(self, theta: PyTree, observation: Array, action: Array) -> Array:
        return pick(self.apply(theta, observation), action)

    def bootstrap(self, theta: PyTree, learner: NetworkLearner, observation: Array) -> Array:
        found = self.apply(theta, observation)
        if learner.target is None:
            return largest(found)
        of_target = self.apply(learner.target, observation)
        return pick(of_target, jnp.argmax(found)) if self.is_double else largest(of_target)

    def update(
        self, theta: PyTree, learner: NetworkLearner, observation: Array, action: Array, error: Array, step_size: Array
    ) -> tuple[PyTree, NetworkLearner]:
        if self.largest_error is not None:
            error = jnp.clip(error, -self.largest_error, self.largest_error)
        # The optimiser sees the mean error's gradient; what a step is larger by than the mean step weighs its error.
        rate = jnp.mean(step_size)
        weight = jnp.where(rate > 0, step_size / jnp.where(rate > 0, rate, 1.0), 0.0)
        _, pull_back = jax.vjp(lambda theta: jax.vmap(self.q, (None, 0, 0))(theta, observation, action), theta)
        (descent,) = pull_back(-weight * error / error.shape[0])
        change, optimizer_state = self.optimizer.update(descent, learner.optimizer, theta)
        theta = jax.tree.map(lambda leaf, step: leaf - rate * step, theta, change)
        if learner.count is None:
            return theta, NetworkLearner(optimizer_state, None, None)
        is_due = (learner.count + 1) % self.target_every == 0
        target = jax.tree.map(lambda new, old: jnp.where(is_due, new, old), theta, learner.target)
        return theta, NetworkLearner(optimizer_state, target, learner.count + 1)
