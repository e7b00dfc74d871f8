"""Action values from a multilayer perceptron."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.networks import ACTIVATIONS, Layers, apply_mlp, init_mlp
from mgsc.settings import added, choice, number, size, switch
from mgsc.types import Array
from mgsc.values.base import ValueFunction
from mgsc.values.network import network
from mgsc.values.row import ValuesRow

LEAST_SHARE = 0.05
"""Share of the step size that is left after ``decay_updates``."""


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
    """q(s, ·; θ) of A discrete actions as the outputs of a multilayer perceptron; see ``mgsc.values.network``.

    Args:
        encode: ``(observation) -> [inputs]``.
        sizes: numbers of inputs, of each hidden layer's units, and A.
        activation: of the hidden layers.
        normalises: whether each hidden layer is normalised before its activation.
        optimizer, target_every, is_double, largest_error: as there.
        initial_value: of all actions (reward); may be traced.
        steepness: of the first hidden layer's units, whose thresholds then are spread over the range of inputs, see
            ``mgsc.networks.init_mlp``; 0 leaves all of them at the origin.
        tiles: of each unit of the last hidden layer, within ±1, see ``mgsc.networks.fuzzy_tiles``; 0 for none.
    """

    def init(key: Array) -> Layers:
        *hidden, (weights, biases) = init_mlp(key, sizes, steepness=steepness, tiles=tiles)
        return [*hidden, (weights, biases + initial_value)]

    def apply(theta: Layers, observation: Array) -> Array:
        return apply_mlp(theta, encode(observation), activation, normalises=normalises, tiles=tiles)

    return network(
        init,
        apply,
        optimizer=optimizer,
        target_every=target_every,
        is_double=is_double,
        largest_error=largest_error,
    )


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
