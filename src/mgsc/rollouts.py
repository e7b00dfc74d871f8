"""Branched rollouts: how many begin at a real step, how long they are, and the buffer of their transitions."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.errors import UserError
from mgsc.rings import empty_ring, take_transitions
from mgsc.sampling import uniform_index
from mgsc.settings import number, size
from mgsc.types import Array, Transition


@dataclasses.dataclass(frozen=True)
class RolloutSettings:
    """Rollouts that fill a buffer, from which planning updates then draw."""

    starts: int = size(0, 0, 100_000, "rollouts that begin at each real step; 0: planning updates query the model")
    first_length: int = size(1, 1, 1000, "steps of a rollout at first")
    last_length: int = size(1, 1, 1000, "steps of a rollout in the end")
    first_step: int = size(0, 0, 2**30, "real step up to which the length is the first one")
    last_step: int = size(0, 0, 2**30, "real step from which on it is the last one; linear in between")
    capacity: int = size(20_000, 1, 2**23, "imagined transitions kept to draw from: the newest ones")
    real_share: float = number(0.05, 0.0, 1.0, "share of real transitions in a minibatch, rounded to whole ones")

    @property
    def longest(self) -> int:
        """Largest number of steps of a rollout."""
        return max(self.first_length, self.last_length)


def check_rollouts(settings: RolloutSettings, rollout_length: int) -> None:
    """Refuses a schedule that ends before it begins, and a buffer that one real step would fill more than once.

    Args:
        settings: of the rollouts.
        rollout_length: of the suite, for planning updates that query the model.

    Raises:
        UserError: naming both settings.
    """
    if not settings.starts:
        return
    if rollout_length > 1:
        raise UserError(
            f"rollout_length is {rollout_length} and rollouts.starts is {settings.starts}: with these, their own"
            " lengths hold; leave rollout_length at 1"
        )
    if settings.last_step < settings.first_step:
        raise UserError(
            f"rollouts.first_step is {settings.first_step} and rollouts.last_step is {settings.last_step}: the last"
            " length must not come before the first one's end"
        )
    most = settings.starts * settings.longest
    if most > settings.capacity:
        raise UserError(
            f"rollouts.capacity is {settings.capacity}: {settings.starts} rollouts of up to {settings.longest} steps"
            f" make {most} transitions at each real step, so at least that is needed"
        )


class Imagined(NamedTuple):
    """The buffer of imagined transitions.

    Attributes:
        ring: Transition of arrays [capacity + 1]; the last slot receives transitions that are not kept.
        count: int32 transitions kept so far.
    """

    ring: Transition
    count: Array  # type: ignore[assignment]


def nothing_imagined(
    observation: Array | jax.ShapeDtypeStruct, action: Array | jax.ShapeDtypeStruct, capacity: int
) -> Imagined:
    """An empty buffer for transitions of an observation's and an action's shape and dtype."""
    return Imagined(empty_ring(observation, capacity + 1, action), jnp.zeros((), jnp.int32))


def keep(imagined: Imagined, made: Transition, is_kept: Array) -> Imagined:
    """The buffer with the transitions of ``made`` [R] that are kept, [R] bool, in place of the oldest ones."""
    capacity = imagined.ring.reward.shape[0] - 1
    slots = jnp.where(is_kept, (imagined.count + jnp.cumsum(is_kept) - 1) % capacity, capacity)
    ring = jax.tree.map(lambda column, new: column.at[slots].set(new), imagined.ring, made)
    return Imagined(ring, imagined.count + jnp.sum(is_kept, dtype=jnp.int32))


def draw(uniform: Array, imagined: Imagined) -> Transition:
    """Transitions drawn uniformly from the buffer, one for each number in [0, 1)."""
    filled = jnp.clip(imagined.count, 1, imagined.ring.reward.shape[0] - 1)
    return take_transitions(imagined.ring, uniform_index(uniform, filled))


def length_at(settings: RolloutSettings, step: Array) -> Array:
    """[] int32 length of the rollouts of this real step.

    Source: Janner et al. 2019, appendix C: a linear schedule of lengths between two times.
    """
    span = max(settings.last_step - settings.first_step, 1)
    share = jnp.clip((step - settings.first_step) / span, 0.0, 1.0)
    grown = share * (settings.last_length - settings.first_length)
    # Rounding must not take a whole step away.
    return settings.first_length + jnp.floor(grown + 1e-4).astype(jnp.int32)
