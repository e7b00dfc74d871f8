"""Meta-Gradient Search Control: a softmax over states, tuned through the planning updates.

Per real step, with θ the values before the direct update and d = softmax(η / τ):

    θ̄(η) = θ + α K E_{s̃∼d, ã∼π, m}[Δ]        planned parameters
    θ̂    = θ̄ + α Δ(real transition; θ̄)        target, held fixed
    J(η)  = ‖θ̂ − θ̄(η)‖² − β H(d)              one optimiser step on η along ∇J

Source: Burega, Martin, Kapeluck & Bowling 2024 (arXiv 2406.19561). The factor K, the entropy bonus,
the temperature and all forms but the expectation itself are this project's reconstruction.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import optax

from mgsc import meta_gradient as gradients
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition

Form = Literal["scaled", "single", "unrolled", "saturating"]
Target = Literal["planned", "current"]
Method = Literal["table", "network", "automatic"]


class MetaGradientState(NamedTuple):
    """What is learned.

    Attributes:
        logits: [N] η.
        weights: [N] d, the masked softmax of η / τ, kept because the next step needs it again.
        optimizer: the optimiser's state.
    """

    logits: Array
    weights: Array
    optimizer: PyTree


def meta_gradient(
    optimizer: optax.GradientTransformation,
    *,
    step_size: Array | float,
    planning_updates: Array | int,
    entropy_bonus: Array | float = 0.0,
    temperature: Array | float = 1.0,
    form: Form = "scaled",
    target: Target = "planned",
    method: Method = "table",
) -> Strategy:
    """MGSC over listed candidates.

    Args:
        optimizer: any Optax transformation; ``optax.adam`` is the paper's.
        step_size: α of the planning updates that are differentiated.
        planning_updates: K.
        entropy_bonus: β in reward² per nat; may be traced.
        temperature: τ > 0; may be traced.
        form: of the planned parameters, see ``mgsc.meta_gradient.planned_parameters``.
        target: what the real transition is applied to, θ̄ ("planned") or θ ("current").
        method: how the gradient is computed. "table": closed form, 1 + A expected backups,
            for tables with target "planned" and every form but "unrolled". "network": one forward-mode
            pass, for "scaled" and "single". "automatic": general, for all.

    Raises:
        ValueError: ``method`` does not offer ``form`` or ``target``.
    """
    check_method(method, form, target)
    # A bonus known to be zero costs nothing; its gradient would take a logarithm per candidate.
    has_bonus = not isinstance(entropy_bonus, int | float) or entropy_bonus != 0
    logits_gradient = functools.partial(_GRADIENTS[method], temperature=temperature, form=form, target=target)

    def softmax(logits: Array, candidates: Candidates) -> Array:
        return masked_softmax(logits / temperature, candidates.is_allowed)

    def init(key: Array, candidates: Candidates) -> MetaGradientState:
        del key
        logits = jnp.zeros(candidates.index.shape, jnp.result_type(float))
        return MetaGradientState(logits, softmax(logits, candidates), optimizer.init(logits))

    def build(parts: Parts) -> SearchControl:
        def observe(
            state: MetaGradientState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[MetaGradientState, dict[str, Array]]:
            logits, weights, optimizer_state = state
            question = (parts, params, candidates, weights, transition, step_size, planning_updates)
            slope, loss = logits_gradient(*question)
            if has_bonus:
                slope = slope - entropy_bonus * gradients.entropy_gradient(weights, temperature)
            change, optimizer_state = optimizer.update(slope, optimizer_state, logits)
            logits = optax.apply_updates(logits, change)
            info = {"meta_loss": loss, "meta_gradient_norm": jnp.sqrt(jnp.sum(slope**2))}
            return MetaGradientState(logits, softmax(logits, candidates), optimizer_state), info

        def current_weights(state: MetaGradientState, params: Params, candidates: Candidates) -> Array:
            del params, candidates
            return state.weights

        return SearchControl(init, current_weights, observe=observe)

    return build


def check_method(method: Method, form: Form, target: Target) -> None:
    """Refuses a way of computing the gradient that does not offer what is asked.

    Raises:
        ValueError: naming what it offers.
    """
    if method == "table" and (form == "unrolled" or target != "planned"):
        raise ValueError(
            'method "table" offers form "scaled", "single" or "saturating" with target "planned"; use "automatic"'
        )
    if method == "network" and form not in ("scaled", "single"):
        raise ValueError('method "network" offers form "scaled" or "single"; use "automatic"')


def _table(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    *rest: Any,
    temperature: Array | float,
    form: Form,
    target: Target,
) -> tuple[Array, Array]:
    del candidates, target
    visited = gradients.visited_gradient(parts, params, weights, *rest, form=form)
    return gradients.visited_logits_gradient(weights, visited, temperature), visited.meta_loss


def _dense(loss_and_weights_gradient: Any) -> Any:
    def logits_gradient(
        parts: Parts,
        params: Params,
        candidates: Candidates,
        weights: Array,
        *rest: Any,
        temperature: Array | float,
        form: Form,
        target: Target,
    ) -> tuple[Array, Array]:
        loss, slope = loss_and_weights_gradient(parts, params, candidates, weights, *rest, form=form, origin=target)
        return gradients.logits_gradient(weights, slope, temperature), loss

    return logits_gradient


_GRADIENTS = {
    "table": _table,
    "network": _dense(gradients.exact_network.loss_and_weights_gradient),
    "automatic": _dense(gradients.loss_and_weights_gradient),
}
"""How each method gives (∂L/∂η, L)."""
