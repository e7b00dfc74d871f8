"""The meta-loss, its gradient and the alignment, the general way: automatic differentiation of θ̄.

Any value function, any form, any target; the two ``exact`` modules are cheaper where they apply and
share no code with this one and ``planned``, so that each can be checked against the others.

Source: Burega et al. 2024 (arXiv 2406.19561), meta-loss (1). Differs in: the forms, the ablation of
the target and the alignment as a quantity of its own are *ours*.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mgsc.meta_gradient.forms import ORIGINS, Form, Origin, check_choice
from mgsc.meta_gradient.planned import expected_direction, planned_parameters, target_parameters
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition


def squared_distance(first: PyTree, second: PyTree) -> Array:
    """‖first − second‖² over all leaves; [] (reward² for a table)."""
    squares = jax.tree.map(lambda one, other: jnp.sum((one - other) ** 2), first, second)
    return jax.tree.reduce(jnp.add, squares)


def meta_loss(planned: PyTree, target: PyTree) -> Array:
    """L = ‖θ̂ − θ̄‖² for a given target, which is held fixed.

    Args:
        planned: θ̄.
        target: θ̂, like ``planned``.

    Returns:
        [] L (reward² for a table).

    Raises:
        ValueError: their structures or shapes differ.
    """
    forms = [jax.tree.map(jnp.shape, tree) for tree in (planned, target)]
    if forms[0] != forms[1]:
        raise ValueError(f"target must be like planned, {forms[0]}, not {forms[1]}")
    return squared_distance(jax.lax.stop_gradient(target), planned)


def transition_meta_loss(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transition: Transition | None,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
    origin: Origin = "planned",
    target: PyTree | None = None,
) -> Array:
    """L(w) = ‖θ̂ − θ̄(w)‖² for a real transition, or for a given target.

    Args:
        parts: the agent's functions.
        params: θ and the model's state.
        candidates: N states; see ``planned_parameters``.
        weights: [N] or [N, A] probabilities.
        transition: the real transition; may be None where ``target`` is given.
        step_size: α, of planning and of the real update.
        planning_updates: K.
        form: of θ̄.
        origin: of θ̂.
        target: θ̂; if it is given, transition and origin have no effect.

    Returns:
        [] L (reward² for a table), differentiable in ``weights``, the target held fixed.

    Raises:
        ValueError, TypeError: as ``planned_parameters`` and ``target_parameters``; neither a
            transition nor a target.
    """
    planned = planned_parameters(parts, params, candidates, weights, step_size, planning_updates, form=form)
    target = _target(parts, planned, params, transition, step_size, origin, target)
    return meta_loss(planned, target)


def loss_and_weights_gradient(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transition: Transition | None,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
    origin: Origin = "planned",
    target: PyTree | None = None,
) -> tuple[Array, Array]:
    """(L, ∂L/∂w) by reverse-mode automatic differentiation; arguments as ``transition_meta_loss``.

    Returns:
        [] the meta-loss, and its derivative shaped like ``weights``: each probability varied by itself. It is 0 where
        a candidate is not allowed. ``softmax.logits_gradient`` makes the derivative by the logits of it.
    """

    def loss(weights: Array) -> Array:
        return transition_meta_loss(
            parts,
            params,
            candidates,
            weights,
            transition,
            step_size,
            planning_updates,
            form=form,
            origin=origin,
            target=target,
        )

    return jax.value_and_grad(loss)(weights)


def weights_gradient(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transition: Transition | None,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
    origin: Origin = "planned",
    target: PyTree | None = None,
) -> Array:
    """∂L/∂w, the second of ``loss_and_weights_gradient``."""
    return loss_and_weights_gradient(
        parts,
        params,
        candidates,
        weights,
        transition,
        step_size,
        planning_updates,
        form=form,
        origin=origin,
        target=target,
    )[1]


def alignment(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transition: Transition | None,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
    origin: Origin = "planned",
    target: PyTree | None = None,
) -> Array:
    """⟨θ̂ − θ̄, Δ_i⟩: how much of each candidate's update at θ goes in the direction of real experience.

    For ``scaled`` it is −∂L/∂w_i / (2 α K), for ``single`` −∂L/∂w_i / (2 α). Arguments as
    ``transition_meta_loss``.

    Returns:
        Shaped like ``weights``; positive where a query would help. 0 where not allowed.
    """
    planned = planned_parameters(parts, params, candidates, weights, step_size, planning_updates, form=form)
    goal = _target(parts, planned, params, transition, step_size, origin, target)
    difference = jax.tree.map(jnp.subtract, goal, planned)

    def progress(weights: Array) -> Array:
        direction = expected_direction(parts, params, candidates, weights)
        # Not vdot: accelerators multiply matrices at less than float32's precision.
        products = jax.tree.map(lambda one, other: jnp.sum(one * other), difference, direction)
        total: Array = jax.tree.reduce(jnp.add, products)
        return total

    # Linear in the weights, so that its derivative is every ⟨θ̂ − θ̄, Δ_i⟩ at once.
    aligned: Array = jax.grad(progress)(weights)
    return aligned


def _target(
    parts: Parts,
    planned: PyTree,
    params: Params,
    transition: Transition | None,
    step_size: Array | float,
    origin: Origin,
    target: PyTree | None,
) -> PyTree:
    check_choice("origin", origin, ORIGINS)
    if target is not None:
        return target
    if transition is None:
        raise ValueError("the meta-loss needs a real transition or a target; both are None")
    return target_parameters(
        parts, planned, params.values, transition, step_size, origin=origin, learner=params.learner
    )
