"""An ensemble of multilayer perceptrons that learn what follows an observation and an action.

Each member predicts the change of the observation, the reward and the end of the episode. Inputs and changes are
normalised by mean and deviation of the real transitions so far. Some of these are held out, and the error on them is
reported.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mgsc.errors import UserError
from mgsc.facts import Facts
from mgsc.indexing import lookup
from mgsc.models.base import Model
from mgsc.models.moments import Moments, no_moments, standard_deviation, with_number
from mgsc.models.row import BuiltModel, ModelRow
from mgsc.networks import ACTIVATIONS, Layers, apply_mlp, init_mlp
from mgsc.noise import uniforms
from mgsc.rings import empty_ring, put_transition, take_transitions
from mgsc.sampling import uniform_index
from mgsc.settings import added, choice, number, size
from mgsc.types import Array, PyTree, Successors, Transition

Kind = Literal["deterministic", "probabilistic"]
Answers = Literal["member", "mean"]

LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -10.0, 1.0
"""Bounds of a probabilistic member's log variances, of normalised changes."""

MOST_HELD_OUT = 200
"""Number of held-out transitions kept, the newest ones."""

MISS_RATE = 0.01
"""Weight of the newest rank in the running means by which elites are chosen."""

SMALLEST_DEVIATION = 1e-3
"""Least deviation by which inputs and changes are divided, as a share of the observation's scale."""


class MlpEnsembleState(NamedTuple):
    """The networks, and the state of their learning.

    Attributes:
        layers: parameters of all members; leaves have a leading axis [E].
        active: parameters of the member that answers until the next update; None where all answer in the mean.
        optimizer: Adam's state.
        ring, held: the last real transitions to learn from, and those held out, each with one slot more.
        count, num_held: int32 transitions of each so far.
        inputs, changes: moments of observations and of their changes.
        misses: [E] running means of the ranks of the members' losses on each new transition, before they learn from it;
            None where all members may answer.
    """

    layers: Layers
    active: Layers | None
    optimizer: PyTree
    ring: Transition
    held: Transition
    count: Array  # type: ignore[assignment]
    num_held: Array
    inputs: Moments
    changes: Moments
    misses: Array | None = None


class Prediction(NamedTuple):
    """A network's prediction for one observation and action.

    Attributes:
        change: [F] normalised change of the observation.
        reward: [] over the scale of rewards.
        ends: [] logit of the end.
        log_variance: [F + 1] of change and reward; None of a deterministic network.
    """

    change: Array
    reward: Array
    ends: Array
    log_variance: Array | None


@dataclasses.dataclass(frozen=True)
class MlpEnsemble:
    """Networks that learn from minibatches of real transitions, each from its own."""

    members: int = size(5, 1, 64, "networks")
    units: int = size(64, 1, 4096, "units of each hidden layer; a few make a model that cannot be right everywhere")
    layers: int = size(2, 0, 8, "hidden layers")
    activation: str = choice("relu", tuple(ACTIVATIONS), "what follows each hidden layer")
    kind: Kind = choice("deterministic", ("deterministic", "probabilistic"), "whether noise around answers is learned")
    answers: Answers = choice("member", ("member", "mean"), "who answers: one member, another each real step, or all")
    step_size: float = number(1e-3, 0.0, 1.0, "step size of Adam", above=True)
    batch_size: int = size(32, 1, 100_000, "real transitions of one update; each member makes one each real step")
    capacity: int = size(10_000, 1, 10_000_000, "real transitions kept to learn from")
    held_out_every: int = size(10, 2, 2**30, "of so many real transitions one is held out")
    steepness: float = added(
        number(0.0, 0.0, 1000.0, "of first units, whose thresholds are spread over the inputs; 0: all at the origin")
    )
    elites: int = added(size(0, 0, 64, "members that may answer, those that of late were wrong least; 0: all of them"))


class _Networks(NamedTuple):
    """The members' common shape, and how their numbers are to be read."""

    settings: MlpEnsemble
    facts: Facts

    @property
    def width(self) -> int:
        return math.prod(self.facts.observation.shape)

    @property
    def scale(self) -> Array:
        """[F] typical sizes of an observation's entries."""
        scale = self.facts.observation_scale
        return jnp.ones(self.width) if scale is None else jnp.asarray(scale).reshape(-1)

    def flat(self, observation: Array) -> Array:
        return observation.reshape(-1)

    def init(self, key: Array) -> Layers:
        """[E, ...] each member from a key of its own."""
        probable = self.width + 1 if self.settings.kind == "probabilistic" else 0
        hidden = [self.settings.units] * self.settings.layers
        sizes = (self.width + self.facts.num_action_inputs, *hidden, self.width + 2 + probable)

        def init(key: Array) -> Layers:
            return init_mlp(key, sizes, steepness=self.settings.steepness)

        every: Layers = jax.vmap(init)(jax.random.split(key, self.settings.members))
        return every

    def deviation(self, moments: Moments) -> Array:
        return jnp.maximum(standard_deviation(moments), SMALLEST_DEVIATION * self.scale)

    def predict(self, layers: Layers, state: MlpEnsembleState, observation: Array, action: Array) -> Prediction:
        """The prediction of one network."""
        place = (self.flat(observation) - state.inputs.mean) / self.deviation(state.inputs)
        inputs = jnp.concatenate([place, self.facts.encode_action(action).astype(place.dtype)])
        out = apply_mlp(layers, inputs, ACTIVATIONS[self.settings.activation])
        width, variance = self.width, None
        if self.settings.kind == "probabilistic":
            variance = _between(out[width + 2 :], LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)
        return Prediction(out[:width], out[width], out[width + 1], variance)

    def loss(self, layers: Layers, state: MlpEnsembleState, transition: Transition) -> Array:
        """[] of one network and one transition: squared errors, or the negative log-likelihood; and cross-entropy."""
        said = self.predict(layers, state, transition.observation, transition.action)
        change = self.flat(transition.successor - transition.observation) / self.deviation(state.changes)
        miss = jnp.append((said.change - change) ** 2, (said.reward - transition.reward / self.facts.reward_scale) ** 2)
        if said.log_variance is not None:
            miss = miss * jnp.exp(-said.log_variance) + said.log_variance
        is_end = jnp.asarray(transition.discount == 0, said.ends.dtype)
        of_end: Array = optax.sigmoid_binary_cross_entropy(said.ends, is_end)
        return jnp.mean(miss[:-1]) + miss[-1] + of_end

    def answer(self, state: MlpEnsembleState, observation: Array, action: Array) -> Prediction:
        """The prediction of the active member, or the mean of all."""
        if state.active is not None:
            return self.predict(state.active, state, observation, action)
        mean: Prediction = jax.tree.map(lambda leaf: jnp.mean(leaf, 0), self.each(state, observation, action))
        return mean

    def each(self, state: MlpEnsembleState, observation: Array, action: Array) -> Prediction:
        """[E, ...] the predictions of all members."""
        said: Prediction = jax.vmap(self.predict, (0, None, None, None))(state.layers, state, observation, action)
        return said

    def successor(self, state: MlpEnsembleState, observation: Array, change: Array) -> Array:
        moved = self.flat(observation) + change * self.deviation(state.changes)
        return jnp.asarray(moved, observation.dtype).reshape(observation.shape)


def mlp_ensemble(settings: MlpEnsemble, facts: Facts) -> Model:
    """E networks, of which one answers, another in each real step, or all in the mean.

    Each member makes one Adam step on its own minibatch for each real step. The answers that ``sample`` draws from
    have one reward and one successor, after which the episode goes on or ends; those of a probabilistic network are
    normally distributed around these. ``expect`` returns their mean: one outcome, whose discount is γ times the
    probability that the episode goes on. So each successor is valued once, and the expected targets of a deterministic
    network are exact.

    Args:
        settings: of the networks and of their learning.
        facts: of an environment whose observations are numbers, not states of a list.

    Source: Chua et al. 2018 (probabilistic ensembles), Janner et al. 2019. Differs in that members differ in
    their first weights and their minibatches, with no fixed bootstrap samples; that one member answers for a whole
    real step; and that variances are kept between fixed bounds.

    Raises:
        UserError: observations number the states of a list, or more elites than members.
    """
    if settings.elites > settings.members:
        raise UserError(
            f"model.elites is {settings.elites} and model.members is {settings.members}: no more than there are can"
            " answer, and 0 takes all"
        )
    if not jnp.issubdtype(facts.observation.dtype, jnp.floating):
        raise UserError(
            "model mlp_ensemble predicts observations that are numbers: states of a list need fixed or learned"
        )
    networks = _Networks(settings, facts)
    adam = optax.adam(settings.step_size)
    return Model(
        init=functools.partial(_init, networks, adam),
        draw=_draw(networks),
        sample=functools.partial(_sample, networks),
        expect=functools.partial(_expect, networks),
        update=functools.partial(_update, networks, adam),
        draw_update=lambda key: jax.random.uniform(key, (settings.members, settings.batch_size)),
        disagreement=functools.partial(_disagreement, networks) if settings.members > 1 else None,
        held_out_error=functools.partial(_held_out_error, networks),
    )


def _init(networks: _Networks, adam: optax.GradientTransformation, key: Array) -> MlpEnsembleState:
    settings, observation = networks.settings, networks.facts.observation
    layers, nothing = networks.init(key), no_moments(networks.width)
    return MlpEnsembleState(
        layers=layers,
        active=_member(layers, jnp.zeros((), jnp.int32)) if settings.answers == "member" else None,
        optimizer=adam.init(layers),
        ring=empty_ring(observation, settings.capacity + 1, networks.facts.action),
        held=empty_ring(observation, MOST_HELD_OUT + 1, networks.facts.action),
        count=jnp.zeros((), jnp.int32),
        num_held=jnp.zeros((), jnp.int32),
        inputs=nothing,
        changes=nothing,
        misses=jnp.zeros(settings.members) if _has_elites(settings) else None,
    )


def _update(
    networks: _Networks, adam: optax.GradientTransformation, noise: Array, state: MlpEnsembleState, seen: Transition
) -> MlpEnsembleState:
    """Keeps the transition, in one ring or the other, and makes an Adam step of each member on its minibatch."""
    settings = networks.settings
    misses = state.misses
    if misses is not None:
        found = jax.vmap(networks.loss, (0, None, None))(state.layers, state, seen)
        ranks = jnp.sum(found[None, :] < found[:, None], 1)
        misses = misses + MISS_RATE * (ranks - misses)
    state = _keep(networks, state, seen)
    # Slots counted from the newest; the spare slot, where a held-out transition may lie, is never among them.
    kept = jnp.minimum(state.count, settings.capacity)
    age = uniform_index(noise, kept)
    batch = take_transitions(state.ring, (state.count - 1 - age) % (settings.capacity + 1))

    def loss(layers: Layers, batch: Transition) -> Array:
        return jnp.mean(jax.vmap(networks.loss, (None, None, 0))(layers, state, batch))

    slope = jax.vmap(jax.grad(loss))(state.layers, batch)
    change, optimizer = adam.update(slope, state.optimizer, state.layers)
    layers = optax.apply_updates(state.layers, change)
    active = None
    if state.active is not None:
        turn = state.count + state.num_held
        if misses is None:
            active = _member(layers, turn % settings.members)
        else:
            active = _member(layers, jnp.argsort(misses)[turn % settings.elites])
    return state._replace(layers=layers, active=active, optimizer=optimizer, misses=misses)


def _has_elites(settings: MlpEnsemble) -> bool:
    return settings.answers == "member" and 0 < settings.elites < settings.members


def _keep(networks: _Networks, state: MlpEnsembleState, seen: Transition) -> MlpEnsembleState:
    every = networks.settings.held_out_every
    is_held = (state.count + state.num_held) % every == every - 1
    here, change = networks.flat(seen.observation), networks.flat(seen.successor - seen.observation)
    # Written into both, counted in one: the next to come takes the other's place.
    return state._replace(
        ring=put_transition(state.ring, state.count % len(state.ring.reward), seen),
        held=put_transition(state.held, state.num_held % len(state.held.reward), seen),
        count=state.count + ~is_held,
        num_held=state.num_held + is_held,
        inputs=with_number(state.inputs, here, is_counted=~is_held),
        changes=with_number(state.changes, change, is_counted=~is_held),
    )


def _member(layers: Layers, member: Array) -> Layers:
    found: Layers = jax.tree.map(lambda leaf: lookup(leaf, member), layers)
    return found


def _draw(networks: _Networks) -> Callable[[Array], PyTree]:
    """A uniform for the end; for a probabilistic answer also normal numbers."""
    if networks.settings.kind == "deterministic":
        return uniforms

    def draw(key: Array) -> PyTree:
        key_end, key_noise = jax.random.split(key)
        return jax.random.uniform(key_end), jax.random.normal(key_noise, (networks.width + 1,))

    return draw


def _sample(networks: _Networks, noise: PyTree, state: MlpEnsembleState, here: Array, action: Array) -> Transition:
    said = networks.answer(state, here, action)
    change, reward, uniform = said.change, said.reward, noise
    if said.log_variance is not None:
        uniform, normal = noise
        spread = jnp.exp(0.5 * said.log_variance) * normal
        change, reward = change + spread[:-1], reward + spread[-1]
    goes_on = jnp.where(uniform < jax.nn.sigmoid(said.ends), 0.0, jnp.asarray(networks.facts.discount, reward.dtype))
    successor = networks.successor(state, here, change)
    return Transition(here, action, reward * networks.facts.reward_scale, goes_on, successor)


def _expect(networks: _Networks, state: MlpEnsembleState, here: Array, action: Array) -> Successors:
    said = networks.answer(state, here, action)
    ends, successor = jax.nn.sigmoid(said.ends), networks.successor(state, here, said.change)
    one = Successors(
        jnp.ones(()), said.reward * networks.facts.reward_scale, networks.facts.discount * (1 - ends), successor
    )
    answers: Successors = jax.tree.map(lambda leaf: leaf[None], one)
    return answers


def _disagreement(networks: _Networks, state: MlpEnsembleState, here: Array, action: Array) -> Array:
    said = networks.each(state, here, action)
    means = jnp.concatenate([said.change, said.reward[:, None]], 1)
    return jnp.sqrt(jnp.mean(jnp.var(means, 0, ddof=1)))


def _held_out_error(networks: _Networks, state: MlpEnsembleState) -> Array:
    loss = jax.vmap(jax.vmap(networks.loss, (None, None, 0)), (0, None, None))(state.layers, state, state.held)
    # The spare slot holds a transition of the other ring, or an old one.
    slots = len(state.held.reward)
    age = (state.num_held - 1 - jnp.arange(slots)) % slots
    is_kept = age < jnp.minimum(state.num_held, slots - 1)
    return jnp.sum(jnp.mean(loss, 0) * is_kept) / jnp.sum(is_kept)


def _between(numbers: Array, least: float, most: float) -> Array:
    """Softly bounded on both sides."""
    bounded = most - jax.nn.softplus(most - numbers)
    return least + jax.nn.softplus(bounded - least)


def _build(settings: MlpEnsemble, facts: Facts) -> BuiltModel:
    return BuiltModel(mlp_ensemble(settings, facts))


MLP_ENSEMBLE_ROW = ModelRow("mlp_ensemble", "an ensemble of multilayer perceptrons", MlpEnsemble, _build)
