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

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mgsc import meta_gradient as gradients
from mgsc.indexing import add_at, lookup
from mgsc.search_control.base import SearchControl, Strategy, masked_softmax
from mgsc.search_control.experience import Experience, Recent, in_order, nothing_yet, remember
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition

Form = Literal["scaled", "single", "unrolled", "saturating"]
Target = Literal["planned", "current"]
Method = Literal["table", "network", "automatic"]


class MetaGradientState(NamedTuple):
    """What is learned.

    Attributes:
        logits: [N] η.
        weights: [N] the masked softmax of η / τ, kept because the next step needs it again.
        optimizer: the optimiser's state.
        recent: the real transitions looked at besides the newest; None where there are none.
        count: int32 real steps so far; None where the optimiser is never reset.
    """

    logits: Array
    weights: Array
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
    target: Target = "planned",
    experience: Experience = "one",
    experience_length: int = 1,
    reset_every: int = 0,
    method: Method = "table",
) -> Strategy:
    """MGSC over listed candidates.

    Args:
        optimizer: any Optax transformation; ``optax.adam`` is the paper's.
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
        method: how the gradient is computed. "table": closed form, 1 + A expected backups per
            transition, for tables with target "planned" and every form but "unrolled". "network": one
            forward-mode pass, for "scaled" and "single". "automatic": general, for all.

    Raises:
        ValueError: ``method`` does not offer ``form``, ``target`` or ``experience``.
    """
    check_method(method, form, target, experience)
    # A bonus or a share known to be zero costs nothing; the former's gradient would take many logarithms.
    has_bonus = not isinstance(entropy_bonus, int | float) or entropy_bonus != 0
    has_mixture = not isinstance(mixture, int | float) or mixture != 0
    one_gradient = functools.partial(_GRADIENTS[method], temperature=temperature, form=form, target=target)
    logits_gradient = _EXPERIENCES[experience](one_gradient)

    def softmax(logits: Array, candidates: Candidates) -> Array:
        return masked_softmax(logits / temperature, candidates.is_allowed)

    def mixed(weights: Array, candidates: Candidates) -> Array:
        if not has_mixture:
            return weights
        return (1 - mixture) * weights + mixture * masked_softmax(jnp.zeros_like(weights), candidates.is_allowed)

    def init(key: Array, params: Params, candidates: Candidates) -> MetaGradientState:
        del key, params
        logits = jnp.zeros(candidates.index.shape, jnp.result_type(float))
        recent = None if experience == "one" else nothing_yet(candidates, experience_length)
        count = jnp.zeros((), jnp.int32) if reset_every else None
        return MetaGradientState(logits, softmax(logits, candidates), optimizer.init(logits), recent, count)

    def reset(state: MetaGradientState) -> MetaGradientState:
        if state.count is None:
            return state
        is_due = state.count % reset_every == 0
        fresh = jax.tree.map(functools.partial(jnp.where, is_due), optimizer.init(state.logits), state.optimizer)
        return state._replace(optimizer=fresh, count=state.count + 1)

    def build(parts: Parts) -> SearchControl:
        def observe(
            state: MetaGradientState, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[MetaGradientState, dict[str, Array]]:
            logits, weights, optimizer_state, recent, count = reset(state)
            recent = None if recent is None else remember(recent, transition)
            question = Question(parts, params, candidates, mixed(weights, candidates), step_size, planning_updates)
            slope, loss = logits_gradient(question, transition if recent is None else recent, softmax=weights)
            if has_mixture:
                slope = (1 - mixture) * slope
            if has_bonus:
                slope = slope - entropy_bonus * gradients.entropy_gradient(weights, temperature)
            change, optimizer_state = optimizer.update(slope, optimizer_state, logits)
            logits = optax.apply_updates(logits, change)
            info = {"meta_loss": loss, "meta_gradient_norm": jnp.sqrt(jnp.sum(slope**2))}
            return MetaGradientState(logits, softmax(logits, candidates), optimizer_state, recent, count), info

        def current_weights(state: MetaGradientState, params: Params, candidates: Candidates) -> Array:
            del params
            return mixed(state.weights, candidates)

        return SearchControl(init, current_weights, observe=observe)

    return build


class Question(NamedTuple):
    """What the gradient is asked of, but for the real transition.

    Attributes:
        weights: [N] the probabilities queries are drawn with.
    """

    parts: Parts
    params: Params
    candidates: Candidates
    weights: Array
    step_size: Array | float
    planning_updates: Array | int


def check_method(method: Method, form: Form, target: Target, experience: Experience = "one") -> None:
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
    if experience == "successive" and (method != "table" or form not in ("scaled", "single")):
        raise ValueError('experience "successive" is for method "table" with form "scaled" or "single"')


def _table(
    question: Question,
    transition: Transition,
    *,
    softmax: Array,
    temperature: Array | float,
    form: Form,
    target: Target,
) -> tuple[Array, Array]:
    del target
    parts, params, _, weights, step_size, planning_updates = question
    visited = gradients.visited_gradient(parts, params, weights, transition, step_size, planning_updates, form=form)
    slope = add_at(jnp.zeros_like(weights), visited.state, visited.gradient)
    return gradients.logits_gradient(softmax, slope, temperature), visited.meta_loss


def _dense(loss_and_weights_gradient: Any) -> Any:
    def logits_gradient(
        question: Question,
        transition: Transition,
        *,
        softmax: Array,
        temperature: Array | float,
        form: Form,
        target: Target,
    ) -> tuple[Array, Array]:
        *parts, step_size, planning_updates = question
        loss, slope = loss_and_weights_gradient(
            *parts, transition, step_size, planning_updates, form=form, origin=target
        )
        return gradients.logits_gradient(softmax, slope, temperature), loss

    return logits_gradient


_GRADIENTS = {
    "table": _table,
    "network": _dense(gradients.exact_network.loss_and_weights_gradient),
    "automatic": _dense(gradients.loss_and_weights_gradient),
}
"""How each method gives (∂L/∂η, L) for one real transition."""


def _mean_of_recent(one_gradient: Any) -> Any:
    def logits_gradient(question: Question, recent: Recent, *, softmax: Array) -> tuple[Array, Array]:
        transitions, is_real = in_order(recent)
        share = is_real / is_real.sum()
        if one_gradient.func is _table:
            return _mean_of_visited(question, transitions, share, softmax, **one_gradient.keywords)
        slopes, losses = jax.vmap(lambda real: one_gradient(question, real, softmax=softmax))(transitions)
        return jnp.sum(share[:, None] * slopes, 0), jnp.sum(share * losses)

    return logits_gradient


def _mean_of_visited(
    question: Question,
    transitions: Transition,
    share: Array,
    softmax: Array,
    *,
    temperature: Array | float,
    form: Form,
    target: Target,
) -> tuple[Array, Array]:
    """The same for a table: each transition gives one number at one state, and the softmax is passed once."""
    del target
    parts, params, _, weights, *_ = question

    def one(real: Transition) -> gradients.VisitedGradient:
        numbers = (question.step_size, question.planning_updates)
        return gradients.visited_gradient(parts, params, weights, real, *numbers, form=form)

    visited = jax.vmap(one)(transitions)

    def collect(number: Array, slope: Array) -> Array:
        return add_at(slope, lookup(visited.state, number), lookup(share * visited.gradient, number))

    slope = lax.fori_loop(0, len(share), collect, jnp.zeros_like(weights))
    return gradients.logits_gradient(softmax, slope, temperature), jnp.sum(share * visited.meta_loss)


def _successive(one_gradient: Any) -> Any:
    def logits_gradient(question: Question, recent: Recent, *, softmax: Array) -> tuple[Array, Array]:
        transitions, is_real = in_order(recent)
        loss, slope = gradients.successive_loss_and_weights_gradient(
            question.parts,
            question.params,
            question.candidates,
            question.weights,
            transitions,
            question.step_size,
            question.planning_updates,
            is_real=is_real,
            form=one_gradient.keywords["form"],
        )
        return gradients.logits_gradient(softmax, slope, one_gradient.keywords["temperature"]), loss

    return logits_gradient


_EXPERIENCES: dict[Experience, Any] = {
    "one": lambda one_gradient: one_gradient,
    "recent": _mean_of_recent,
    "successive": _successive,
}
"""How the gradient for one transition serves for what is looked at."""
