"""The meta-gradient of search control as plain functions, for any agent and any pytree of values.

Search control draws a state i with probability w_i = softmax(η)_i, and the model imagines a transition from it. The
expected effect of K such planning updates on the parameters θ is differentiable in η. Its distance from the target of a
real transition (s, a, r, γ', s') is the meta-loss L::

    Δ_i  = Σ_a π(a|s_i) E_m[ δ(s_i, a; θ) ] ∇q(s_i, a; θ)       direction of one planning update
    θ̄(η) = θ + α K Σ_i w_i Δ_i                                  planned parameters
    θ̂    = stop_gradient( θ̄ + α δ(s, a, r, γ', s'; θ̄) ∇q(s, a; θ̄) )      target
    L(η) = ‖θ̂ − θ̄(η)‖²
    ∂L/∂w_i = −2 α K ⟨θ̂ − θ̄, Δ_i⟩,   ∂L/∂η_i = w_i (∂L/∂w_i − Σ_j w_j ∂L/∂w_j)

Three implementations that share no code and agree to rounding:

* the functions named here: automatic differentiation, for every form and any values;
* ``exact_table``: an action-value table by 1 + A expected backups, whatever its size;
* ``exact_network``: any differentiable q by one forward-mode pass over the candidates.

Source: Burega, Martin, Kapeluck, Bowling, *Meta-Gradient Search Control*, 2024 (arXiv 2406.19561).
The factor K, the forms other than these equations and the exact ways are *ours*.

Two planning updates with directions (1, 0) and (0, 1); the target lies further along the first:

    >>> import jax, jax.numpy as jnp
    >>> from mgsc import meta_gradient
    >>> def loss(logit):
    ...     p = jax.nn.sigmoid(logit)
    ...     weights = jnp.stack([p, 1 - p])
    ...     planned = meta_gradient.planned_from_directions(jnp.zeros(2), jnp.eye(2), weights, 0.2)
    ...     return meta_gradient.meta_loss(planned, jnp.array([0.3, 0.1]))
    >>> value, gradient = jax.value_and_grad(loss)(0.0)
    >>> print(f"L = {value:.2f}, dL/dη = {gradient:.2f}")
    L = 0.04, dL/dη = -0.02
"""

from mgsc.meta_gradient import exact_network, exact_table, methods
from mgsc.meta_gradient.automatic import (
    alignment,
    loss_and_weights_gradient,
    meta_loss,
    squared_distance,
    transition_meta_loss,
    weights_gradient,
)
from mgsc.meta_gradient.exact_table import (
    VisitedGradient,
    visited_gradient,
    visited_logits_gradient,
)
from mgsc.meta_gradient.forms import FORMS, ORIGINS, Form, Origin
from mgsc.meta_gradient.planned import (
    expected_direction,
    planned_from_directions,
    planned_parameters,
    target_parameters,
)
from mgsc.meta_gradient.softmax import entropy, entropy_gradient, logits_gradient
from mgsc.meta_gradient.successive import successive_loss_and_weights_gradient

__all__ = [
    "FORMS",
    "ORIGINS",
    "Form",
    "Origin",
    "VisitedGradient",
    "alignment",
    "entropy",
    "entropy_gradient",
    "exact_network",
    "exact_table",
    "expected_direction",
    "logits_gradient",
    "loss_and_weights_gradient",
    "meta_loss",
    "methods",
    "planned_from_directions",
    "planned_parameters",
    "squared_distance",
    "successive_loss_and_weights_gradient",
    "target_parameters",
    "transition_meta_loss",
    "visited_gradient",
    "visited_logits_gradient",
    "weights_gradient",
]
