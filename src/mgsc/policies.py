"""Behaviour policies: how action values become actions, in the world and in imagination."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from mgsc.noise import Draw, uniforms
from mgsc.sampling import index_from_weights, largest
from mgsc.types import Array, PyTree


class Policy(NamedTuple):
    """A policy over A actions, a function of their values alone.

    Attributes:
        draw: noise of one choice.
        probabilities: ``(q [A]) -> [A]``.
        sample: ``(noise, q [A]) -> action`` int32.
    """

    draw: Draw
    probabilities: Callable[[Array], Array]
    sample: Callable[[PyTree, Array], Array]


def epsilon_greedy(epsilon: Array | float) -> Policy:
    """With probability ε any action, else a greedy one; ties are broken uniformly at random.

    Args:
        epsilon: exploration probability in [0, 1]; may be traced.
    """

    def probabilities(q: Array) -> Array:
        is_greedy = (q >= largest(q)[..., None]).astype(q.dtype)
        num_greedy = sum(is_greedy[..., action] for action in range(q.shape[-1]))
        return epsilon / q.shape[-1] + (1.0 - epsilon) * is_greedy / jnp.asarray(num_greedy)[..., None]

    def sample(noise: PyTree, q: Array) -> Array:
        return index_from_weights(noise, probabilities(q))

    return Policy(uniforms, probabilities, sample)
