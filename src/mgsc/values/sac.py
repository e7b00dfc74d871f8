"""Soft actor-critic: twin critics with target copies, a squashed Gaussian actor, and a tuned temperature."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.networks import ACTIVATIONS, Layers, apply_mlp, init_mlp
from mgsc.noise import keys
from mgsc.settings import choice, number, size
from mgsc.types import ActionChoice, Array, PyTree, Transition
from mgsc.values import squashed_gaussian
from mgsc.values.base import Actor, ValueFunction
from mgsc.values.row import ValuesRow

NUM_CRITICS = 2


class SacParams(NamedTuple):
    """θ.

    Attributes:
        critics: leaves have a leading axis of ``NUM_CRITICS``.
        actor: a network with mean and log deviation of each number of the action as outputs.
        log_temperature: [] logarithm of the temperature [log(reward / nat)].
    """

    critics: Layers
    actor: Layers
    log_temperature: Array


class SacLearner(NamedTuple):
    """The state of the updates besides θ.

    Attributes:
        target: the critics of the bootstrap values.
        critic_optimizer, actor_optimizer, temperature_optimizer: states of Adam.
    """

    target: Layers
    critic_optimizer: PyTree
    actor_optimizer: PyTree
    temperature_optimizer: PyTree


@dataclasses.dataclass(frozen=True)
class SacSettings:
    """Soft actor-critic; the critics' step size is the agent's."""

    units: int = size(64, 1, 4096, "units of each hidden layer of actor and critics; 256 in the papers")
    layers: int = size(2, 0, 8, "hidden layers")
    activation: str = choice("relu", tuple(ACTIVATIONS), "what follows each hidden layer")
    actor_step_size: float = number(3e-4, 0.0, 1.0, "step size of the actor's Adam", above=True)
    temperature_step_size: float = number(3e-4, 0.0, 1.0, "step size of the temperature's Adam; 0 keeps it")
    temperature: float = number(1.0, 0.0, math.inf, "temperature at the start (reward per nat)", above=True)
    target_entropy: float = number(-1.0, -math.inf, math.inf, "entropy aimed at, of each number of an action (nats)")
    target_rate: float = number(0.005, 0.0, 1.0, "share of the critics in their targets after an update", above=True)


class Sac(NamedTuple):
    """Soft actor-critic as functions.

    Attributes:
        settings: its numbers may be traced.
        facts: of an environment whose actions are numbers.
        initial_value: of the critics (reward); may be traced.
    """

    settings: SacSettings
    facts: Facts
    initial_value: Array | float = 0.0

    def init(self, key: Array) -> tuple[SacParams, SacLearner]:
        """Critics that begin as constants, and an actor that begins with tanh of standard normal numbers."""
        hidden, width = [self.settings.units] * self.settings.layers, self.facts.num_action_inputs
        key_critics, key_actor = jax.random.split(key)
        of_critics = (self.facts.num_inputs + width, *hidden, 1)
        each = jax.random.split(key_critics, NUM_CRITICS)
        *inner, (weights, biases) = jax.vmap(lambda key: init_mlp(key, of_critics))(each)
        critics = [*inner, (weights, biases + self.initial_value)]
        actor = init_mlp(key_actor, (self.facts.num_inputs, *hidden, 2 * width))
        log_temperature = jnp.log(jnp.asarray(self.settings.temperature, jnp.result_type(float)))
        adam = optax.scale_by_adam()
        learner = SacLearner(critics, adam.init(critics), adam.init(actor), adam.init(log_temperature))
        return SacParams(critics, actor, log_temperature), learner

    def judge(self, critics: Layers, observation: Array, action: Array) -> Array:
        """[J] of one observation and action, by each critic."""
        inputs = jnp.concatenate([self.facts.encode(observation), self.facts.encode_action(action)])
        each: Array = jax.vmap(lambda layers: apply_mlp(layers, inputs, self.activation)[0])(critics)
        return each

    def judge_each(self, critics: Layers, observation: Array, action: Array) -> Array:
        """[B, J] of a batch."""
        each: Array = jax.vmap(self.judge, (None, 0, 0))(critics, observation, action)
        return each

    @property
    def activation(self) -> PyTree:
        """What follows each hidden layer."""
        return ACTIVATIONS[self.settings.activation]

    def distribution(self, actor: Layers, observation: Array) -> tuple[Array, Array]:
        """[A] means and log deviations before squashing."""
        outputs = apply_mlp(actor, self.facts.encode(observation), self.activation)
        return squashed_gaussian.split(outputs)

    def draw_each(self, actor: Layers, key: Array, observation: Array) -> tuple[Array, Array]:
        """[B, ...] actions of a batch, and [B] their log densities."""
        mean, log_deviation = jax.vmap(self.distribution, (None, 0))(actor, observation)
        action, density = squashed_gaussian.draw(jax.random.normal(key, mean.shape), mean, log_deviation)
        return self.shaped(action), density

    def shaped(self, numbers: Array) -> Array:
        """[..., A] numbers as actions."""
        form = self.facts.action
        return numbers.reshape(*numbers.shape[:-1], *form.shape).astype(form.dtype)

    def heads(self, theta: SacParams, observation: Array, action: Array) -> Array:
        """[J] of θ's critics."""
        return self.judge(theta.critics, observation, action)

    def q(self, theta: SacParams, observation: Array, action: Array) -> Array:
        """[] mean of the critics."""
        return jnp.mean(self.heads(theta, observation, action))

    def bootstrap(self, theta: SacParams, learner: SacLearner, observation: Array) -> Array:
        """The soft value of the target critics: the actor's mean over its standing points."""
        mean, log_deviation = self.distribution(theta.actor, observation)
        raw, weights = squashed_gaussian.standing_points(mean, log_deviation)
        density = squashed_gaussian.log_density(raw, mean, log_deviation)
        actions = self.shaped(jnp.tanh(raw))
        found = jnp.min(jax.vmap(self.judge, (None, None, 0))(learner.target, observation, actions), -1)
        return jnp.sum(weights * (found - jnp.exp(theta.log_temperature) * density))

    def update(self, *arguments: object) -> tuple[PyTree, PyTree]:
        """Raises ``ValueError``: the critics learn from whole transitions only."""
        del arguments
        raise ValueError("soft actor-critic learns from whole transitions: call learn")

    def learn(
        self, noise: Array, theta: SacParams, learner: SacLearner, batch: Transition, step_size: Array
    ) -> tuple[SacParams, SacLearner, Array]:
        """One step of the critics, then of the actor, of the temperature, and of the targets.

        Returns:
            θ, the learner's state, and [B] the errors of the critics' mean before the step (reward).
        """
        settings, adam = self.settings, optax.scale_by_adam()
        key_next, key_actor = jax.random.split(noise)
        rate = jnp.mean(step_size)
        is_step = rate > 0
        weight = jnp.where(is_step, step_size / jnp.where(is_step, rate, 1.0), 0.0)
        temperature = jnp.exp(theta.log_temperature)
        goal = self.goals(key_next, theta, learner, batch)

        def critic_loss(critics: Layers) -> tuple[Array, Array]:
            error = goal[:, None] - self.judge_each(critics, batch.observation, batch.action)
            return 0.5 * jnp.sum(jnp.mean(weight[:, None] * error**2, 0)), jnp.mean(error, -1)

        slope, error = jax.grad(critic_loss, has_aux=True)(theta.critics)
        critics, critic_optimizer = _moved(adam, slope, theta.critics, learner.critic_optimizer, rate)

        def actor_loss(actor: Layers) -> tuple[Array, Array]:
            action, density = self.draw_each(actor, key_actor, batch.observation)
            found = jnp.min(self.judge_each(critics, batch.observation, action), -1)
            return jnp.mean(weight * (temperature * density - found)), density

        slope, density = jax.grad(actor_loss, has_aux=True)(theta.actor)
        actor_rate = jnp.where(is_step, settings.actor_step_size, 0.0)
        actor, actor_optimizer = _moved(adam, slope, theta.actor, learner.actor_optimizer, actor_rate)

        # Of −log α (log π + target): too little entropy raises the temperature.
        goal_entropy = settings.target_entropy * self.facts.num_action_inputs
        slope = -jnp.mean(weight * (density + goal_entropy))
        log_temperature, temperature_optimizer = _moved(
            adam,
            slope,
            theta.log_temperature,
            learner.temperature_optimizer,
            jnp.where(is_step, settings.temperature_step_size, 0.0),
        )
        share = jnp.where(is_step, settings.target_rate, 0.0)
        target = jax.tree.map(lambda old, new: old + share * (new - old), learner.target, critics)
        after = SacLearner(target, critic_optimizer, actor_optimizer, temperature_optimizer)
        return SacParams(critics, actor, log_temperature), after, error

    def goals(self, key: Array, theta: SacParams, learner: SacLearner, batch: Transition) -> Array:
        """[B] r + γ' (min q of the target critics − α log π) of an action that the actor draws."""
        action, density = self.draw_each(theta.actor, key, batch.successor)
        found = jnp.min(self.judge_each(learner.target, batch.successor, action), -1)
        return batch.reward + batch.discount * (found - jnp.exp(theta.log_temperature) * density)

    def draw_action(self, key: Array) -> Array:
        """Standard normal numbers [A]."""
        return jax.random.normal(key, (self.facts.num_action_inputs,))

    def sample(self, noise: Array, theta: SacParams, observation: Array) -> Array:
        """An action that the actor draws."""
        mean, log_deviation = self.distribution(theta.actor, observation)
        return self.shaped(squashed_gaussian.draw(noise, mean, log_deviation)[0])

    def actions(self, theta: SacParams, observation: Array) -> ActionChoice:
        """[C, ...] the standing points."""
        raw, weights = squashed_gaussian.standing_points(*self.distribution(theta.actor, observation))
        return ActionChoice(self.shaped(jnp.tanh(raw)), weights)

    def best(self, theta: SacParams, observation: Array) -> Array:
        """Tanh of the mean."""
        return self.shaped(jnp.tanh(self.distribution(theta.actor, observation)[0]))


def _moved(
    adam: optax.GradientTransformation, slope: PyTree, at: PyTree, state: PyTree, rate: Array | float
) -> tuple[PyTree, PyTree]:
    change, state = adam.update(slope, state, at)
    return jax.tree.map(lambda leaf, step: leaf - rate * step, at, change), state


def sac(settings: SacSettings, facts: Facts, initial_value: Array | float = 0.0) -> ValueFunction:
    """Twin critics q(s, a; θ) of actions that are numbers, with the actor that is learned with them.

    ``q`` is the mean of the critics. ``bootstrap`` is the soft value for search control: the smaller value of the
    target critics less α log π, averaged over C = 2A + 1 actions that stand for the actor's distribution. Updates draw
    an action in place of that average.

    Args:
        settings: numbers of it may be traced.
        facts: of an environment whose actions are numbers in [−1, 1].
        initial_value: of the critics (reward); may be traced.

    Source: Haarnoja et al. 2018 (arXiv 1812.05905). Differs in that the actor's step comes after the critics' own,
    that the temperature's loss is linear in its logarithm, as is common, and that networks begin as constants.

    Raises:
        UserError: actions are numbered.
    """
    if facts.numbers is None:
        raise UserError("values sac are of actions that are numbers: of numbered ones, mlp and table are allowed")
    rule = Sac(settings, facts, initial_value)
    return ValueFunction(
        init=rule.init,
        q=rule.q,
        bootstrap=rule.bootstrap,
        update=rule.update,
        heads=rule.heads,
        learn=rule.learn,
        draw=keys,
        actor=Actor(draw=rule.draw_action, sample=rule.sample, actions=rule.actions, best=rule.best),
    )


SAC_ROW = ValuesRow(
    "sac",
    "twin critics of actions that are numbers, with their actor",
    SacSettings,
    sac,
    step_sizes=lambda settings: (1e-4, 3e-3),
    planned_step_sizes=(1e-5, 1e-3),
    takes_numbers=True,
)
