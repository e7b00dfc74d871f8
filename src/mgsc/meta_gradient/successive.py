"""A target over several steps: successive real transitions applied to the planned parameters.

θ̂ is θ̄ after Q-learning updates from real transitions 1 … n, one after the other. So the value of the last transition
reaches the states before it, and L(w) = ‖θ̂ − θ̄(w)‖² has a gradient in the weights of all states on the agent's way.

Source: *ours*; for n = 1 it is the target of Burega et al. 2024 (arXiv 2406.19561).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.indexing import add_at, lookup, pick
from mgsc.meta_gradient.forms import Form, check_choice
from mgsc.reductions import largest
from mgsc.types import Array, Candidates, Params, Parts, Transition


def successive_loss_and_weights_gradient(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transitions: Transition,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    is_real: Array,
    form: Form = "scaled",
) -> tuple[Array, Array]:
    """L and ∂L/∂w of a table for a target made of several real transitions.

    Args:
        parts: the agent's functions.
        params: θ as an array [S, A], and the model's state.
        candidates: all S states in order.
        weights: [S] probabilities, or [S, A] of states and actions jointly.
        transitions: [n] each field; applied in this order.
        step_size: α.
        planning_updates: K; no effect on ``single``.
        is_real: [n] bool; False entries are skipped.
        form: "scaled" or "single".

    Returns:
        [] L (reward²), and ∂L/∂w like ``weights``.

    Raises:
        ValueError: another form.
    """
    check_choice("form", form, ("scaled", "single"), "; the others have a target from one transition")
    table = params.values
    rate = step_size * planning_updates if form == "scaled" else step_size
    is_joint = weights.ndim == 2
    share = weights if is_joint else weights[:, None]
    directions = _expected_errors(parts, params, candidates)
    if not is_joint:
        directions = jax.vmap(parts.policy)(table) * directions
    # The states that must not be queried have weight zero, and anything may stand in their direction.
    directions = jnp.where(share > 0, directions, 0)
    planned = table + rate * share * directions

    def apply(target: Array, xs: tuple[Transition, Array]) -> tuple[Array, None]:
        real, counts = xs
        goal = real.reward + real.discount * largest(lookup(target, real.successor))
        error = goal - pick(lookup(target, real.observation), real.action)
        return add_at(target, (real.observation, real.action), jnp.where(counts, step_size * error, 0)), None

    target, _ = lax.scan(apply, planned, (transitions, is_real))
    distance = target - planned
    slopes = distance * directions
    return jnp.sum(distance**2), -2 * rate * (slopes if is_joint else jnp.sum(slopes, -1))


def _expected_errors(parts: Parts, params: Params, candidates: Candidates) -> Array:
    """[S, A] E_m[δ]."""
    table = params.values
    actions = jnp.arange(table.shape[1])
    one_state = jax.vmap(parts.expect, (None, None, 0))
    answers = jax.vmap(one_state, (None, 0, None))(params.model, candidates.observation, actions)
    goals = answers.reward + answers.discount * largest(table)[answers.observation]
    errors: Array = jnp.sum(answers.probability * goals, -1) - table
    return errors
