"""From a derivative with respect to probabilities to one with respect to softmax logits; entropy.

With w = softmax(η / τ):  ∂L/∂η_i = w_i (g_i − Σ_j w_j g_j) / τ,  g_i = ∂L/∂w_i.
The derivative of a candidate of probability 0 (masked) is exactly 0, whatever its g is.
"""

from __future__ import annotations

import jax.numpy as jnp

from mgsc.meta_gradient.forms import check_at_least
from mgsc.types import Array


def logits_gradient(weights: Array, gradient: Array, temperature: Array | float = 1.0) -> Array:
    """∂L/∂η from ∂L/∂w, by the chain rule through the softmax.

    Args:
        weights: [N] or [N, A] probabilities that sum to one; 0 where masked.
        gradient: like ``weights``, ∂L/∂w; anything, NaN included, where ``weights`` is 0.
        temperature: τ of w = softmax(η / τ).

    Returns:
        Like ``weights``: ∂L/∂η, summing to zero; exactly 0 where ``weights`` is 0.

    Raises:
        ValueError: a temperature that is not above 0.

    Source: chain rule; Burega et al. 2024 (arXiv 2406.19561) leave it to automatic differentiation.
    """
    check_at_least("temperature", temperature, 0, above=True)
    seen = jnp.where(weights > 0, gradient, 0)
    return weights * (seen - jnp.sum(weights * seen)) / temperature


def entropy(weights: Array) -> Array:
    """H(w) = −Σ w log w in nats, with 0 log 0 = 0.

    Args:
        weights: [N] or [N, A] probabilities that sum to one.

    Returns:
        [] nats. Its automatic derivative is 0, not NaN, where ``weights`` is 0.
    """
    return -jnp.sum(weights * _safe_log(weights))


def entropy_gradient(weights: Array, temperature: Array | float = 1.0) -> Array:
    """∂H/∂η = −w (log w + H) / τ of w = softmax(η / τ), in closed form.

    Args:
        weights: [N] or [N, A] probabilities that sum to one; 0 where masked.
        temperature: τ.

    Returns:
        Like ``weights``, in nats per unit of logit; exactly 0 where ``weights`` is 0.

    Raises:
        ValueError: a temperature that is not above 0.

    Source: the entropy bonus J = L − β H is *ours*.
    """
    check_at_least("temperature", temperature, 0, above=True)
    return -weights * (_safe_log(weights) + entropy(weights)) / temperature


def _safe_log(weights: Array) -> Array:
    # Two selections, not one: the derivative of the unselected branch must be finite as well.
    is_positive = weights > 0
    return jnp.where(is_positive, jnp.log(jnp.where(is_positive, weights, 1)), 0)
