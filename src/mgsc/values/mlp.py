"""Action values from a multilayer perceptron, with an optimiser and perhaps a target network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.indexing import pick
from mgsc.networks import ACTIVATIONS, Layers, apply_mlp, init_mlp
from mgsc.reductions import largest
from mgsc.settings import added, choice, number, size, switch
from mgsc.types import Array, PyTree
from mgsc.values.base import ValueFunction
from mgsc.values.row import ValuesRow

LEAST_SHARE = 0.05
"""Share of the step size that is left after ``decay_updates``."""


class MlpLearner(NamedTuple):
    """The state of the updates besides the network.

    Attributes:
        optimizer: the optimiser's state.
        target: the network that bootstrap values come from; None for θ itself.
        count: int32 updates so far; None without a target network.
    """

    optimizer: PyTree
    target: PyTree
    count: Array | None  # type: ignore[assignment]


def mlp(
    encode: Callable[[Array], Array],
    sizes: Sequence[int],
    *,
    activation: Callable[[Array], Array] = jnp.tanh,
    normalises: bool = False,
    optimizer: optax.GradientTransformation | None = None,
    target_every: int = 0,
    is_double: bool = True,
    largest_error: Array | float | None = None,
    initial_value: Array | float = 0.0,
    steepness: float = 0.0,
    tiles: int = 0,
) -> ValueFunction:
    """q(s, ·; θ) of A discrete actions as the outputs of a network.

    With a target network the bootstrap value is Double DQN's: the target network's value of the action that θ
    finds best. Planned parameters are those of the squared loss, whatever ``largest_error`` and the optimiser are.

    Args:
        encode: ``(observation) -> [inputs]``.
        sizes: numbers of inputs, of each hidden layer's units, and A.
        activation: of the hidden layers.
        normalises: whether each hidden layer is normalised before its activation.
        optimizer: a transformation of gradients *without* a step size, such as ``optax.scale_by_adam()``: the
            agent's step size is applied after it. None is plain gradient descent.
        target_every: updates between copies of θ to the target network; 0 for none.
        is_double: False takes the target network's largest value instead, as DQN does; without one it has no effect.
        largest_error: κ of Huber's loss: errors beyond ±κ count as ±κ (reward). None for the squared loss; may be
            traced.
        initial_value: of all actions (reward); may be traced.
        steepness: of the first hidden layer's units, whose thresholds then are spread over the range of inputs, see
            ``mgsc.networks.init_mlp``; 0 leaves all of them at the origin.
        tiles: of each unit of the last hidden layer, within ±1, see ``mgsc.networks.fuzzy_tiles``; 0 for none.

    Source: Mnih et al. 2015 (target network, errors within ±κ), van Hasselt et al. 2016 (Double DQN). Differs in that
    updates are plain semi-gradient steps unless an optimiser is given.
    """
    rule = _Rule(
        encode=encode,
        sizes=sizes,
        activation=activation,
        normalises=normalises,
        optimizer=optax.identity() if optimizer is None else optimizer,
        target_every=target_every,
        is_double=is_double,
        largest_error=largest_error,
        initial_value=initial_value,
        steepness=steepness,
        tiles=tiles,
    )
    return ValueFunction(
        init=rule.init, q=rule.q, bootstrap=rule.bootstrap, update=rule.update, action_values=rule.action_values
    )


class _Rule(NamedTuple):
    """The arguments of ``mlp``."""

    encode: Callable[[Array], Array]
    sizes: Sequence[int]
    activation: Callable[[Array], Array]
    normalises: bool
    optimizer: optax.GradientTransformation
    target_every: int
    is_double: bool
    largest_error: Array | float | None
    initial_value: Array | float
    steepness: float
    tiles: int

    def init(self, key: Array) -> tuple[Layers, MlpLearner]:
        *hidden, (weights, biases) = init_mlp(key, self.sizes, steepness=self.steepness, tiles=self.tiles)
        theta = [*hidden, (weights, biases + self.initial_value)]
        target, count = (theta, jnp.zeros((), jnp.int32)) if self.target_every else (None, None)
        return theta, MlpLearner(self.optimizer.init(theta), target, count)

    def action_values(self, theta: Layers, observation: Array) -> Array:
        inputs = self.encode(observation)
        return apply_mlp(theta, inputs, self.activation, normalises=self.normalises, tiles=self.tiles)

    def q(self, theta: Layers, observation: Array, action: Array) -> Array:
        return pick(self.action_values(theta, observation), action)

    def bootstrap(self, theta: Layers, learner: MlpLearner, observation: Array) -> Array:
        found = self.action_values(theta, observation)
        if learner.target is None:
            return largest(found)
        of_target = self.action_values(learner.target, observation)
        return pick(of_target, jnp.argmax(found)) if self.is_double else largest(of_target)

    def update(
        self, theta: Layers, learner: MlpLearner, observation: Array, action: Array, error: Array, step_size: Array
    ) -> tuple[Layers, MlpLearner]:
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
            return theta, MlpLearner(optimizer_state, None, None)
        is_due = (learner.count + 1) % self.target_every == 0
        target = jax.tree.map(lambda new, old: jnp.where(is_due, new, old), theta, learner.target)
        return theta, MlpLearner(optimizer_state, target, learner.count + 1)


@dataclasses.dataclass(frozen=True)
class MlpSettings:
    """A multilayer perceptron over the observation, one output for each action."""

    units: int = size(64, 1, 4096, "units of each hidden layer")
    layers: int = size(2, 0, 8, "hidden layers")
    activation: str = choice("tanh", tuple(ACTIVATIONS), "what follows each hidden layer")
    optimizer: str = choice("sgd", ("sgd", "adam"), "how gradients become steps; step_size is applied after it")
    target_every: int = size(0, 0, 2**30, "updates between copies to the target network; 0 for no target network")
    layer_norm: bool = added(switch(False, "whether hidden layers are normalised before their activation"))
    is_double: bool = added(switch(True, "with a target network: its value of the action that the values find best"))
    loss: str = added(choice("squared", ("squared", "huber"), "of an error: squared, or linear beyond largest_error"))
    largest_error: float = added(number(1.0, 0.0, math.inf, "where loss=huber becomes linear (reward)", above=True))
    steepness: float = added(
        number(0.0, 0.0, 1000.0, "of first units, whose thresholds are spread over the inputs; 0: all at the origin")
    )
    tiles: int = added(
        size(0, 0, 1024, "fuzzy tiles of each unit of the last hidden layer, for tanh: few are active; 0: none")
    )
    decay_updates: int = added(
        size(0, 0, 2**30, "updates in which the step falls evenly to a twentieth, and stays there; 0: it does not fall")
    )


def _build(settings: MlpSettings, facts: Facts, initial_value: Array | float) -> ValueFunction:
    if settings.tiles and (settings.activation != "tanh" or not settings.layers):
        raise UserError(
            f"values.tiles is {settings.tiles} with activation {settings.activation} and {settings.layers} layers:"
            " tiles need hidden units within ±1, so activation=tanh and at least one layer; tiles=0 has none"
        )
    return mlp(
        facts.encode,
        (facts.num_inputs, *[settings.units] * settings.layers, facts.num_actions),
        activation=ACTIVATIONS[settings.activation],
        optimizer=_optimizer(settings),
        normalises=settings.layer_norm,
        target_every=settings.target_every,
        is_double=settings.is_double,
        largest_error=settings.largest_error if settings.loss == "huber" else None,
        initial_value=initial_value,
        steepness=settings.steepness,
        tiles=settings.tiles,
    )


def _optimizer(settings: MlpSettings) -> optax.GradientTransformation | None:
    rule = optax.scale_by_adam() if settings.optimizer == "adam" else None
    if not settings.decay_updates:
        return rule
    fall = optax.scale_by_schedule(optax.linear_schedule(1.0, LEAST_SHARE, settings.decay_updates))
    return fall if rule is None else optax.chain(rule, fall)


def _step_sizes(settings: MlpSettings) -> tuple[float, float]:
    """A step of Adam has the size of the step size, one of plain descent that of the gradient besides."""
    return (1e-4, 1e-2) if settings.optimizer == "adam" else (0.01, 0.5)


MLP_VALUES_ROW = ValuesRow("mlp", "a multilayer perceptron", MlpSettings, _build, step_sizes=_step_sizes)
