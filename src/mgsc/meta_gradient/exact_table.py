"""The meta-gradient of an action-value table in closed form: 1 + A expected backups.

For the method's target, θ̂ = θ̄ + α Δ(s, a, r, γ', s'; θ̄), the difference θ̂ − θ̄ is α δ̄ at the visited
entry (s, a) and zero elsewhere. So of all ∂L/∂w_i only that of the visited state is not zero:

    L = (α δ̄)²,   g_s = −2 α δ̄ ∂θ̄(s, a)/∂w_s,   ∂θ̄(s, a)/∂w_s = α K π(a|s) E_m[δ(s, a)]  (scaled),

and the real error at θ̄, δ̄ = r + γ' max_b θ̄(s', b) − θ̄(s, a), requires θ̄ at the visited entry and at
the A entries of its successor. Nothing larger is computed, whatever the number of states. Where w is over states and
actions jointly, w_sa stands in place of w_s π(a|s).

Source: derived from Burega et al. 2024 (arXiv 2406.19561), the equations of θ̄ and θ̂ and the
meta-loss; the closed form and the forms with K are *ours*.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mgsc.indexing import lookup, pick
from mgsc.meta_gradient.forms import Form, check_at_least, check_choice
from mgsc.reductions import largest, total
from mgsc.types import Array, Params, Parts, Transition

TABLE_FORMS: tuple[Form, ...] = ("scaled", "single", "saturating")
"""Forms with a closed form for tables; ``unrolled`` couples entries over the stages."""


class VisitedGradient(NamedTuple):
    """The meta-gradient of a table: one number, and its entry.

    Attributes:
        state: [] the visited state s, the only one whose ∂L/∂w is not zero; of weights over pairs, only its pair with
            the action taken.
        gradient: [] g_s = ∂L/∂w_s, or ∂L/∂w_sa (reward² for a table).
        td_error: [] δ̄, the real transition's error at the planned parameters (reward).
        meta_loss: [] L = (α δ̄)² (reward²).
    """

    state: Array
    gradient: Array
    td_error: Array
    meta_loss: Array


def visited_gradient(
    parts: Parts,
    params: Params,
    weights: Array,
    transition: Transition,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
) -> VisitedGradient:
    """∂L/∂w of a table for one real transition, by 1 + A expected backups.

    Args:
        parts: the agent's functions; ``q`` and ``bootstrap`` are not called: θ is the table itself, and a state's value
            is the maximum of its row.
        params: θ as an array [S, A], and the model's state.
        weights: [S] probabilities of all states, or [S, A] of states and actions jointly; 0 where not allowed.
        transition: one real transition between state indices.
        step_size: α; at most 1 for ``saturating``.
        planning_updates: K; may be traced. No effect on ``single``.
        form: "scaled", "single" or "saturating".

    Returns:
        The visited state, its derivative, δ̄ and L, of which ``visited_logits_gradient`` makes ∂L/∂η.

    Raises:
        ValueError: another form; values that are no table; weights that are neither one per state nor one per pair.
    """
    check_choice("form", form, TABLE_FORMS, "; use mgsc.meta_gradient.weights_gradient")
    table = params.values
    _check_table(table, weights)
    state, action = jnp.asarray(transition.observation), jnp.asarray(transition.action)
    successor = jnp.asarray(transition.successor)
    errors_there, errors_next = _expected_errors(parts, params, state, action, successor)
    row, next_row = lookup(table, state), lookup(table, successor)
    here, visits = lookup(weights, state), lookup(weights, successor)
    if weights.ndim == 2:  # the distribution chooses the action: no policy
        rate, slope = _rate_and_slope(pick(here, action), step_size, planning_updates, form)
        probability: Array | float = 1.0
    else:
        probability = pick(parts.policy(row), action)
        rate, slope = _rate_and_slope(here * probability, step_size, planning_updates, form)
        visits = visits * parts.policy(next_row)
    next_rate, _ = _rate_and_slope(visits, step_size, planning_updates, form)
    planned = pick(row, action) + rate * errors_there
    # A terminal successor is never queried; whatever the model says of it leaves no trace.
    planned_next = next_row + jnp.where(visits > 0, next_rate * errors_next, 0)
    td_error = transition.reward + transition.discount * largest(planned_next) - planned
    move = step_size * td_error
    gradient = -2 * move * slope * probability * errors_there
    return VisitedGradient(state, gradient, td_error, move**2)


def visited_logits_gradient(
    weights: Array, visited: VisitedGradient, temperature: Array | float = 1.0, *, action: Array | None = None
) -> Array:
    """∂L/∂η of w = softmax(η / τ) where only one ∂L/∂w is not zero.

    Args:
        weights: [S] probabilities, or [S, A] of states and actions jointly.
        visited: from ``visited_gradient``.
        temperature: τ.
        action: [] the action taken, for weights over pairs.

    Returns:
        Like ``weights``, exactly 0 where ``weights`` is 0.

    Raises:
        ValueError: weights over pairs without an action; a temperature that is not above 0.
    """
    check_at_least("temperature", temperature, 0, above=True)
    entry = visited.state
    if weights.ndim == 2:
        if action is None:
            raise ValueError(f"weights have shape {weights.shape}: over pairs, the action taken must be given")
        entry = entry * weights.shape[1] + action
    flat = weights.ravel()
    baseline = lookup(flat, entry)
    gradient = jnp.where(baseline > 0, visited.gradient, 0)
    seen = jnp.where(jnp.arange(flat.shape[0]) == entry, gradient, 0)
    return (flat * (seen - baseline * gradient) / temperature).reshape(weights.shape)


def _expected_errors(
    parts: Parts, params: Params, state: Array, action: Array, successor: Array
) -> tuple[Array, Array]:
    """E_m[δ] of the visited entry, [], and of every action of the successor, [A]."""
    table = params.values
    num_actions = table.shape[1]
    # One batch of 1 + A questions: each array of the model is gathered from once.
    states = jnp.append(state, jnp.broadcast_to(successor, (num_actions,)))
    actions = jnp.append(action, jnp.arange(num_actions))
    answers = jax.vmap(parts.expect, (None, 0, 0))(params.model, states, actions)
    bootstraps = largest(lookup(table, answers.observation))
    goals = total(answers.probability * (answers.reward + answers.discount * bootstraps))
    return goals[0] - pick(lookup(table, state), action), goals[1:] - lookup(table, successor)


def _rate_and_slope(
    visits: Array, step_size: Array | float, planning_updates: Array | int, form: Form
) -> tuple[Array, Array | float]:
    """The share of its expected error that an entry moves by, and its derivative by visits."""
    if form == "saturating":
        left = 1 - step_size * visits
        fewer = jnp.maximum(planning_updates - 1, 0)
        return 1 - left**planning_updates, planning_updates * step_size * left**fewer
    slope = step_size * planning_updates if form == "scaled" else step_size
    return slope * visits, slope


def _check_table(table: object, weights: Array) -> None:
    shape = getattr(table, "shape", None)
    if shape is None or len(shape) != 2:
        raise ValueError(
            "visited_gradient is for tables: values must be one array [S, A]; for other values use "
            "mgsc.meta_gradient.exact_network"
        )
    if weights.shape not in (shape[:1], shape):
        raise ValueError(
            f"weights must have shape [S] = {shape[:1]}, one per row of values, or [S, A] = {shape}; "
            f"they have {weights.shape}"
        )
