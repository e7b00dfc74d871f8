"""Meta-Gradient Search Control: a softmax over the candidates, tuned through the planning updates.

Per real step, with θ the values before the direct update and d = softmax(logits(η) / τ):

    θ̄(η) = θ + α K E_{s̃∼d, ã∼π, m}[Δ]        planned parameters
    θ̂    = θ̄ + α Δ(real transition; θ̄)        target, held fixed
    J(η)  = ‖θ̂ − θ̄(η)‖² − β H(d)              one optimiser step on η along ∇J

The logits are a table of numbers (the paper's method), linear in features, or a network; d is over candidates, or
over candidates and actions, which then replaces the policy in θ̄.

Source: Burega, Martin, Kapeluck & Bowling 2024 (arXiv 2406.19561). The factor K, the entropy bonus,
the temperature and all forms but the expectation itself are this project's reconstruction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mgsc import meta_gradient as gradients
from mgsc.errors import UserError
from mgsc.meta_gradient.exact_network import NETWORK_FORMS
from mgsc.meta_gradient.exact_table import TABLE_FORMS
from mgsc.meta_gradient.forms import Form, Origin
from mgsc.meta_gradient.methods import MethodName, Planning, SlopeAndLoss, get_method
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.search_control.experience import Experience, Recent, in_order, nothing_yet, remember
from mgsc.search_control.logits import LogitFunction, table_logits
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition


class MetaGradientState(NamedTuple):
    """What is learned.

    Attributes:
        logits: η: [N] or [N, A] numbers, or the parameters of the function that gives the logits.
        weights: the masked softmax of logits / τ, kept for the next step; None where the logits depend on more than η.
        optimizer: the optimiser's state.
        recent: the real transitions looked at besides the newest; None where there are none.
        count: int32 real steps so far; None where the optimiser is never reset.
    """

    logits: PyTree
    weights: Array | None
    optimizer: PyTree
    recent: Recent | None
    count: Array | None  # type: ignore[assignment]


def meta_gradient(
    optimizer: optax.GradientTransformation,
    *,
    step_size: Array | float,
    planning_updates: Array | int,
    entropy_bonus: Array | float = 0.0,
    temperature: Array | float = 1.0,
    mixture: Array | float = 0.0,
    form: Form = "scaled",
    target: Origin = "planned",
    experience: Experience = "one",
    experience_length: int = 1,
    reset_every: int = 0,
    method: MethodName | None = None,
    logits: LogitFunction | None = None,
    is_listed: bool = True,
) -> Strategy:
    """MGSC over listed candidates or over a batch of them.

    Args:
        optimizer: of η, any Optax transformation; ``optax.adam`` is the paper's.
        step_size: α of the planning updates that are differentiated.
        planning_updates: K.
        entropy_bonus: β in reward² per nat; may be traced.
        temperature: τ > 0; may be traced.
        mixture: share in [0, 1) of the queries that are uniform, whatever is learned; may be traced.
        form: of the planned parameters, see ``mgsc.meta_gradient.planned_parameters``.
        target: what the real transition is applied to, θ̄ ("planned") or θ ("current").
        experience: the target is made of the newest real transition ("one"), of each of the last
            ``experience_length`` ones apart, with the mean of their meta-losses ("recent"), or of all
            those one after the other ("successive", for tables). "recent" makes all its expected backups for
            each of them: with five, a step is slower than three of uniform's.
        reset_every: real steps between resets of the optimiser's state; 0 for never.
        method: how the gradient is computed, see ``mgsc.meta_gradient.methods``: "table" is for action-value tables
            with all states as candidates, and target "planned"; "network" for "scaled" and "single". None takes
            what suits the agent's values, see ``suitable_method``.
        logits: how η gives the logits, see ``mgsc.search_control.logits``; None is ``table_logits()``, a number for
            each listed candidate.
        is_listed: whether the candidates are all states, in order; False for a batch that changes from step to step.

    Raises:
        ValueError: ``method`` does not offer ``form``, ``target`` or ``experience``.
        UserError: "saturating" with values that are no table; when the strategy is given the agent's parts.
    """
    if method is not None:
        get_method(method, form, target, is_successive=experience == "successive")  # refuses at once
    # A bonus or a share known to be zero costs nothing; the former's gradient would take many logarithms.
    has_bonus = not isinstance(entropy_bonus, int | float) or entropy_bonus != 0
    has_mixture = not isinstance(mixture, int | float) or mixture != 0

    def softmax(logits: Array, candidates: Candidates) -> Array:
        return masked_softmax(logits / temperature, candidates.is_allowed)

    def mixed(weights: Array, candidates: Candidates) -> Array:
        if not has_mixture:
            return weights
        return (1 - mixture) * weights + mixture * masked_softmax(jnp.zeros_like(weights), candidates.is_allowed)

    def reset(state: MetaGradientState) -> MetaGradientState:
        if state.count is None:
            return state
        is_due = state.count % reset_every == 0
        fresh = jax.tree.map(functools.partial(jnp.where, is_due), optimizer.init(state.logits), state.optimizer)
        return state._replace(optimizer=fresh, count=state.count + 1)

    def build(parts: Parts) -> SearchControl:
        name = method or suitable_method(form, target, is_table=parts.is_table, is_listed=is_listed)
        gradient_of = _gradient(name, form, target, experience)
        function = (logits or table_logits())(parts)

        def softmax_of(eta: PyTree, params: Params, candidates: Candidates) -> Array:
            return softmax(function.apply(eta, params, candidates), candidates)

        def init(key: Array, params: Params, candidates: Candidates) -> MetaGradientState:
            eta = function.init(key, params, candidates)
            return MetaGradientState(
                logits=eta,
                weights=softmax_of(eta, params, candidates) if function.is_table else None,
                optimizer=optimizer.init(eta),
                recent=None if experience == "one" else nothing_yet(candidates, experience_length),
                count=jnp.zeros((), jnp.int32) if reset_every else None,
            )

        def observe(
            state: MetaGradientState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[MetaGradientState, dict[str, Array]]:
            eta, weights, optimizer_state, recent, count = reset(state)
            recent = None if recent is None else remember(recent, transition)
            if weights is None:
                found, to_eta = jax.vjp(lambda eta: function.apply(eta, params, candidates), eta)
                weights = softmax(found, candidates)
            planning = Planning(
                parts=parts,
                params=params,
                candidates=candidates,
                weights=mixed(weights, candidates),
                softmax=weights,
                temperature=temperature,
                step_size=step_size,
                planning_updates=planning_updates,
            )
            slope, loss = gradient_of(planning, transition if recent is None else recent)
            if has_mixture:
                slope = (1 - mixture) * slope
            if has_bonus:
                slope = slope - entropy_bonus * gradients.entropy_gradient(weights, temperature)
            eta_slope = slope if function.is_table else to_eta(slope)[0]
            change, optimizer_state = optimizer.update(eta_slope, optimizer_state, eta)
            eta = optax.apply_updates(eta, change)
            after = MetaGradientState(
                logits=eta,
                weights=softmax_of(eta, params, candidates) if function.is_table else None,
                optimizer=optimizer_state,
                recent=recent,
                count=count,
            )
            return after, {"meta_loss": loss, "meta_gradient_norm": jnp.sqrt(jnp.sum(slope**2))}

        def current_weights(state: MetaGradientState, params: Params, candidates: Candidates) -> Array:
            weights = state.weights
            return mixed(softmax_of(state.logits, params, candidates) if weights is None else weights, candidates)

        return SearchControl(init=init, weights=current_weights, observe=observe)

    return build


def suitable_method(form: Form, target: Origin, *, is_table: bool, is_listed: bool) -> MethodName:
    """The way to compute the meta-gradient: of a table in closed form, of other values in one forward-mode pass.

    What these do not offer is left to automatic differentiation.

    Args:
        form, target: as in ``meta_gradient``.
        is_table: whether the values are a table.
        is_listed: whether the candidates are all states, in order.

    Raises:
        UserError: "saturating" with values that are no table.
    """
    if form == "saturating" and not is_table:
        raise UserError("form=saturating counts the updates of each entry of a table: other values need another form")
    if is_table and is_listed:
        return "table" if target == "planned" and form in TABLE_FORMS else "automatic"
    return "network" if form in NETWORK_FORMS else "automatic"


_GradientOf = Callable[[Planning, Transition | Recent], SlopeAndLoss]


def _gradient(name: MethodName, form: Form, target: Origin, experience: Experience) -> _GradientOf:
    """(∂L/∂logits, L) of a planning, for the experience that the target is made of."""
    method = get_method(name, form, target, is_successive=experience == "successive")

    def of(planning: Planning, seen: Transition | Recent) -> SlopeAndLoss:
        if isinstance(seen, Transition):
            return method.newest(planning, seen, form, target)
        transitions, is_real = in_order(seen)
        if experience == "successive" and method.successive is not None:
            return method.successive(planning, transitions, is_real, form)
        return method.recent(planning, transitions, is_real / is_real.sum(), form, target)

    return of
