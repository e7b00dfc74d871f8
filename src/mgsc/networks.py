"""Multilayer perceptrons as plain pytrees: a list of (weights, biases), one for each layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.types import Array

Layers = list[tuple[Array, Array]]

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu}
"""Activations of each layer but the last, by their names in settings."""

SMALLEST_VARIANCE = 1e-5
"""Added to a layer's variance, so that equal numbers can be divided by it."""

MOST_APART = 32
"""Up to so many inputs are scaled one by one."""


def init_mlp(key: Array, sizes: Sequence[int], *, steepness: float = 0.0, tiles: int = 0) -> Layers:
    """Layers of a network that begins as the constant 0: its last layer is zero.

    Networks whose first thresholds all lie at the origin tell places apart by their direction from there, so what is
    learned of one place is believed of many. With ``steepness`` they tell them apart by where they are.

    Args:
        key: of the other layers: normal weights of variance 1 / fan-in (LeCun), zero biases.
        sizes: numbers of the inputs, of each hidden layer's units, and of the outputs.
        steepness: above 0, each first unit changes fastest at a place of its own, drawn uniformly among inputs within
            ±1, and its weights are multiplied by it: the length over which it changes is about the inverse.
        tiles: above 0, of each unit of the last hidden layer, see ``fuzzy_tiles``. The last weights are then
            [outputs, units · tiles], the other way around: products along long rows take a third of the time.

    Raises:
        ValueError: fewer than two sizes, or one below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"a network needs at least inputs and outputs, each at least 1; sizes are {tuple(sizes)}")
    keys = jax.random.split(key, len(sizes) - 1)
    layers = [
        (jax.random.normal(key, (fan_in, fan_out)) * jnp.sqrt(1 / fan_in), jnp.zeros(fan_out))
        for key, fan_in, fan_out in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]
    weights, biases = layers[-1]
    layers = [*layers[:-1], (jnp.zeros_like(jnp.tile(weights.T, tiles) if tiles else weights), biases)]
    if not steepness:
        return layers
    weights, biases = layers[0]
    places = jax.random.uniform(jax.random.fold_in(key, len(sizes)), weights.shape, weights.dtype, minval=-1.0)
    steep = weights * steepness
    return [(steep, biases - jnp.sum(steep * places, 0)), *layers[1:]]


def apply_mlp(
    layers: Layers,
    inputs: Array,
    activation: Callable[[Array], Array] = jnp.tanh,
    *,
    normalises: bool = False,
    tiles: int = 0,
) -> Array:
    """[outputs] of a network for [inputs].

    Args:
        activation: of each layer but the last.
        normalises: whether each hidden layer is normalised before its activation.
        tiles: of each unit of the last hidden layer, as at ``init_mlp``.
    """
    for weights, biases in layers[:-1]:
        inputs = inputs @ weights + biases
        inputs = activation(layer_norm(inputs) if normalises else inputs)
    weights, biases = layers[-1]
    return (weights @ fuzzy_tiles(inputs, tiles) if tiles else inputs @ weights) + biases


def fuzzy_tiles(numbers: Array, tiles: int) -> Array:
    """[tiles · units] whether each of [units] numbers within ±1 lies in each tile: 1 there, 0 far from it.

    A tile is 2 / ``tiles`` long. So far beyond its ends the output is 1 minus the distance, so that gradients pass; at
    one length it falls to 0. At most three tiles of a unit are not 0, so what is learned of one input changes few
    others. Numbers beyond ±1 by more than a tile have none.

    Source: fuzzy tiling activations, Pan et al. 2021, with η = δ. Differs in the order: tile by tile.
    """
    length = 2 / tiles

    def tile(place: int) -> Array:
        middle = (place + 0.5) * length - 1
        beyond = jnp.maximum(jnp.abs(numbers - middle), length / 2) - length / 2
        return 1 - jnp.where(beyond < length, beyond, 1)

    # One by one: an array of all middles would be read once for each number.
    return jnp.concatenate([tile(place) for place in range(tiles)], -1)


def layer_norm(numbers: Array) -> Array:
    """[units] the numbers of one layer, shifted and scaled to mean 0 and variance 1.

    Source: Ba et al. 2016. Differs in that it learns no gain and no offset, which the next layer's weights replace.
    """
    centred = numbers - jnp.mean(numbers, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + SMALLEST_VARIANCE)


def flat(observation: Array) -> Array:
    """An observation of any shape as the inputs [F] of a network."""
    return jnp.asarray(observation, jnp.result_type(float)).reshape(-1)


def scaled(inputs: Array, scale: NDArray[np.float32]) -> Array:
    """[F] inputs of a network over their typical sizes [F].

    A compiled loop carries an array of constants anew for each place where it is used. To the compiler these are
    different numbers, and it computes a network for each place, though the outputs are the same. So few inputs are
    divided one by one, by numbers that stand in the program.
    """
    if len(scale) > MOST_APART:
        return inputs / scale
    return jnp.stack([inputs[place] / float(size) for place, size in enumerate(scale)])
