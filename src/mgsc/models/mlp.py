"""A model that learns the next observation, the reward and the end of the episode with a multilayer perceptron."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
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
    """The network, and the state of its learning.

    Attributes:
        layers: its parameters.
        optimizer: Adam's state.
        buffer: the last real transitions, arrays [capacity].
        count: [] int32 transitions so far.
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
    rule = _Rule(settings, facts)
    return Model(
        init=rule.init, draw=uniforms, sample=rule.sample, expect=rule.expect, update=rule.update, draw_update=keys
    )


class _Rule(NamedTuple):
    """What the model was built of."""

    settings: MlpModel
    facts: Facts

    @property
    def adam(self) -> optax.GradientTransformation:
        return optax.adam(self.settings.step_size)

    @property
    def scale(self) -> Array:
        """Typical sizes of an observation's entries."""
        scale = self.facts.observation_scale
        return jnp.asarray(1.0 if scale is None else scale)

    def init(self, key: Array) -> MlpModelState:
        facts, settings = self.facts, self.settings
        outputs = math.prod(facts.observation.shape) + 2
        inputs = facts.num_inputs + facts.num_action_inputs
        layers = init_mlp(key, (inputs, *[settings.units] * settings.layers, outputs))
        buffer = empty_ring(facts.observation, settings.capacity, facts.action)
        return MlpModelState(layers, self.adam.init(layers), buffer, jnp.zeros((), jnp.int32))

    def predict(self, layers: Layers, observation: Array, action: Array) -> tuple[Array, Array, Array]:
        """The change of the observation and the reward, each over its scale, and the logit of the end."""
        inputs = jnp.concatenate([self.facts.encode(observation), self.facts.encode_action(action)])
        outputs = apply_mlp(layers, inputs, ACTIVATIONS[self.settings.activation])
        shape = self.facts.observation.shape
        width = math.prod(shape)
        return outputs[:width].reshape(shape), outputs[width], outputs[width + 1]

    def loss(self, layers: Layers, batch: Transition) -> Array:
        """[] squared error of change and reward, and cross-entropy of the end, as means over the batch."""
        change, reward, logit = jax.vmap(self.predict, (None, 0, 0))(layers, batch.observation, batch.action)
        miss = jnp.mean((change - (batch.successor - batch.observation) / self.scale) ** 2)
        miss += jnp.mean((reward - batch.reward / self.facts.reward_scale) ** 2)
        is_end = jnp.asarray(batch.discount == 0, logit.dtype)
        return miss + jnp.mean(optax.sigmoid_binary_cross_entropy(logit, is_end))

    def update(self, noise: PyTree, state: MlpModelState, transition: Transition) -> MlpModelState:
        capacity = self.settings.capacity
        buffer = put_transition(state.buffer, state.count % capacity, transition)
        count = state.count + 1
        drawn = jax.random.randint(noise, (self.settings.batch_size,), 0, jnp.minimum(count, capacity), jnp.int32)
        slope = jax.grad(self.loss)(state.layers, take_transitions(buffer, drawn))
        change, optimizer = self.adam.update(slope, state.optimizer, state.layers)
        return MlpModelState(optax.apply_updates(state.layers, change), optimizer, buffer, count)

    def expect(self, state: MlpModelState, observation: Array, action: Array) -> Successors:
        change, reward, logit = self.predict(state.layers, observation, action)
        ends = jax.nn.sigmoid(logit)
        return Successors(
            probability=jnp.stack([1 - ends, ends]),
            reward=jnp.stack([reward, reward]) * self.facts.reward_scale,
            discount=jnp.stack([jnp.asarray(self.facts.discount, ends.dtype), jnp.zeros_like(ends)]),
            observation=jnp.stack([observation + change * self.scale] * 2),
        )

    def sample(self, noise: PyTree, state: MlpModelState, observation: Array, action: Array) -> Transition:
        answers = self.expect(state, observation, action)
        is_end = noise < answers.probability[1]
        goes_on = jnp.where(is_end, 0.0, answers.discount[0])
        return Transition(observation, action, answers.reward[0], goes_on, answers.observation[0])


def _build(settings: MlpModel, facts: Facts) -> BuiltModel:
    return BuiltModel(mlp_model(settings, facts))


MLP_MODEL_ROW = ModelRow("mlp", "a multilayer perceptron of numbers", MlpModel, _build)
