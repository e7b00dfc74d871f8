"""A model that learns the next observation, the reward and the end of the episode with a multilayer perceptron."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.models.base import Model
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.networks import ACTIVATIONS, Layers, apply_mlp, init_mlp
from mgsc.noise import keys, uniforms
from mgsc.rings import empty_ring, put_transition, take_transitions
from mgsc.settings import choice, number, size
from mgsc.types import Array, PyTree, Successors, Transition


class MlpModelState(NamedTuple):
    """The network, and what learning it needs.

    Attributes:
        layers: its parameters.
        optimizer: Adam's state.
        buffer: the last real transitions, arrays [capacity].
        count: int32 transitions met so far.
    """

    layers: Layers
    optimizer: PyTree
    buffer: Transition
    count: Array  # type: ignore[assignment]


@dataclasses.dataclass(frozen=True)
class MlpModel:
    """A model that learns from minibatches of real transitions."""

    units: int = size(64, 1, 4096, "units of each hidden layer")
    layers: int = size(2, 0, 8, "hidden layers")
    activation: str = choice("tanh", tuple(ACTIVATIONS), "what follows each hidden layer")
    step_size: float = number(1e-3, 0.0, 1.0, "step size of Adam", above=True)
    batch_size: int = size(32, 1, 100_000, "real transitions of one update; one update is made for each real step")
    capacity: int = size(10_000, 1, 10_000_000, "real transitions kept to learn from")


def mlp_model(settings: MlpModel, facts: Facts) -> Model:
    """Predicts the change of the observation, the reward and the probability that the episode ends.

    An answer has two outcomes with the same reward and successor: the episode goes on, or it ends. Each real step
    makes one Adam step on a minibatch of the real transitions kept.

    Args:
        settings: of the network and of its learning.
        facts: of an environment whose observations are numbers, not states of a list.

    Source: *ours*; the loss is the squared error of change and reward, and the cross-entropy of the end.

    Raises:
        UserError: observations number the states of a list.
    """
    if not jnp.issubdtype(facts.observation.dtype, jnp.floating):
        raise UserError(
            "model mlp predicts observations that are numbers: states of a list need model fixed or learned"
        )
    shape, capacity = facts.observation.shape, settings.capacity
    width = int(np.prod(shape))
    sizes = (facts.num_inputs + facts.num_action_inputs, *[settings.units] * settings.layers, width + 2)
    adam = optax.adam(settings.step_size)
    scale = jnp.asarray(1.0 if facts.observation_scale is None else facts.observation_scale)
    activation = ACTIVATIONS[settings.activation]

    def init(key: Array) -> MlpModelState:
        layers, buffer = init_mlp(key, sizes), empty_ring(facts.observation, capacity, facts.action)
        return MlpModelState(layers, adam.init(layers), buffer, jnp.zeros((), jnp.int32))

    def predict(layers: Layers, observation: Array, action: Array) -> tuple[Array, Array, Array]:
        """The change of the observation and the reward, each over its scale, and the logit of the end."""
        inputs = jnp.concatenate([facts.encode(observation), facts.encode_action(action)])
        outputs = apply_mlp(layers, inputs, activation)
        return outputs[:width].reshape(shape), outputs[width], outputs[width + 1]

    def loss(layers: Layers, batch: Transition) -> Array:
        change, reward, logit = jax.vmap(predict, (None, 0, 0))(layers, batch.observation, batch.action)
        miss = jnp.mean((change - (batch.successor - batch.observation) / scale) ** 2)
        miss += jnp.mean((reward - batch.reward / facts.reward_scale) ** 2)
        is_end = jnp.asarray(batch.discount == 0, logit.dtype)
        return miss + jnp.mean(optax.sigmoid_binary_cross_entropy(logit, is_end))

    def update(noise: PyTree, state: MlpModelState, transition: Transition) -> MlpModelState:
        slot = state.count % capacity
        buffer = put_transition(state.buffer, slot, transition)
        count = state.count + 1
        drawn = jax.random.randint(noise, (settings.batch_size,), 0, jnp.minimum(count, capacity), jnp.int32)
        slope = jax.grad(loss)(state.layers, take_transitions(buffer, drawn))
        change, optimizer = adam.update(slope, state.optimizer, state.layers)
        return MlpModelState(optax.apply_updates(state.layers, change), optimizer, buffer, count)

    def expect(state: MlpModelState, observation: Array, action: Array) -> Successors:
        change, reward, logit = predict(state.layers, observation, action)
        ends = jax.nn.sigmoid(logit)
        return Successors(
            probability=jnp.stack([1 - ends, ends]),
            reward=jnp.stack([reward, reward]) * facts.reward_scale,
            discount=jnp.stack([jnp.asarray(facts.discount, ends.dtype), jnp.zeros_like(ends)]),
            observation=jnp.stack([observation + change * scale] * 2),
        )

    def sample(noise: PyTree, state: MlpModelState, observation: Array, action: Array) -> Transition:
        answers = expect(state, observation, action)
        is_end = noise < answers.probability[1]
        goes_on = jnp.where(is_end, 0.0, answers.discount[0])
        return Transition(observation, action, answers.reward[0], goes_on, answers.observation[0])

    return Model(init=init, draw=uniforms, sample=sample, expect=expect, update=update, draw_update=keys)


def _build(settings: MlpModel, facts: Facts) -> BuiltModel:
    return BuiltModel(mlp_model(settings, facts))


MLP_MODEL_ROW = ModelRow("mlp", "a multilayer perceptron of numbers", MlpModel, _build)
