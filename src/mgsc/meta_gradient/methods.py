"""The ways to compute the meta-gradient by the logits of d, behind one interface.

A method takes the planning that is differentiated and real experience, and returns ∂L/∂logits and L. Experience is the
newest real transition, each of the last ones apart (the mean of their meta-losses), or all of them in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.errors import UserError
from mgsc.indexing import add_at, lookup
from mgsc.meta_gradient import automatic, exact_network
from mgsc.meta_gradient.exact_table import TABLE_FORMS, VisitedGradient, visited_gradient, visited_logits_gradient
from mgsc.meta_gradient.forms import FORMS, ORIGINS, Form, Origin, check_choice
from mgsc.meta_gradient.softmax import logits_gradient
from mgsc.meta_gradient.successive import successive_loss_and_weights_gradient
from mgsc.types import Array, Candidates, Params, Parts, Transition

MethodName = Literal["table", "network", "automatic"]


class Planning(NamedTuple):
    """The planning of one real step, as a function of the probabilities that queries are drawn with.

    Attributes:
        weights: [N] or [N, A] these probabilities: ``softmax``, perhaps mixed with a uniform share.
        softmax: [N] or [N, A] softmax(logits / temperature).
        step_size: α.
        planning_updates: K.
        has_stored: whether the weights have a column of stored transitions, see ``exact_network``.
    """

    parts: Parts
    params: Params
    candidates: Candidates
    weights: Array
    softmax: Array
    temperature: Array | float
    step_size: Array | float
    planning_updates: Array | int
    has_stored: bool = False


SlopeAndLoss = tuple[Array, Array]
"""(∂L/∂logits by way of ``softmax``, like the weights; [] L)."""


class Method(NamedTuple):
    """A way to compute the meta-gradient.

    Attributes:
        newest: ``(planning, transition, form, origin) -> (slope, loss)``.
        recent: ``(planning, transitions [n], share [n], form, origin) -> (slope, loss)``, weighted means.
        successive: ``(planning, transitions [n], is_real [n], form) -> (slope, loss)``; None where not offered.
        forms, origins: for which it is defined.
    """

    newest: Callable[[Planning, Transition, Form, Origin], SlopeAndLoss]
    recent: Callable[[Planning, Transition, Array, Form, Origin], SlopeAndLoss]
    successive: Callable[[Planning, Transition, Array, Form], SlopeAndLoss] | None
    forms: tuple[Form, ...]
    origins: tuple[Origin, ...]


def _visited(planning: Planning, transition: Transition, form: Form) -> VisitedGradient:
    return visited_gradient(
        planning.parts,
        planning.params,
        planning.weights,
        transition,
        planning.step_size,
        planning.planning_updates,
        form=form,
    )


def _at_entry(slope: Array, state: Array, action: Array, amount: Array) -> Array:
    """``slope`` with an amount added for the visited state or, where it is over pairs, the visited pair."""
    return add_at(slope, state if slope.ndim == 1 else (state, action), amount)


def _newest_of_table(planning: Planning, transition: Transition, form: Form, origin: Origin) -> SlopeAndLoss:
    del origin
    visited = _visited(planning, transition, form)
    slope = visited_logits_gradient(planning.softmax, visited, planning.temperature, action=transition.action)
    return slope, visited.meta_loss


def _recent_of_table(
    planning: Planning, transitions: Transition, share: Array, form: Form, origin: Origin
) -> SlopeAndLoss:
    """Each transition gives one number at one entry, and the softmax is passed once."""
    del origin
    visited = jax.vmap(lambda real: _visited(planning, real, form))(transitions)

    def collect(number: Array, slope: Array) -> Array:
        entry = (lookup(column, number) for column in (visited.state, transitions.action, share * visited.gradient))
        return _at_entry(slope, *entry)

    slope = lax.fori_loop(0, len(share), collect, jnp.zeros_like(planning.weights))
    return logits_gradient(planning.softmax, slope, planning.temperature), jnp.sum(share * visited.meta_loss)


def _successive_of_table(planning: Planning, transitions: Transition, is_real: Array, form: Form) -> SlopeAndLoss:
    loss, slope = successive_loss_and_weights_gradient(
        planning.parts,
        planning.params,
        planning.candidates,
        planning.weights,
        transitions,
        planning.step_size,
        planning.planning_updates,
        is_real=is_real,
        form=form,
    )
    return logits_gradient(planning.softmax, slope, planning.temperature), loss


def _dense(
    loss_and_weights_gradient: Callable[..., SlopeAndLoss], forms: tuple[Form, ...], *, takes_share: bool = False
) -> Method:
    """A method that gives ∂L/∂w of all candidates at once, and with ``takes_share`` of several transitions at once."""

    def of(planning: Planning, transition: Transition, form: Form, origin: Origin, **options: Array) -> SlopeAndLoss:
        loss, slope = loss_and_weights_gradient(
            planning.parts,
            planning.params,
            planning.candidates,
            planning.weights,
            transition,
            planning.step_size,
            planning.planning_updates,
            form=form,
            origin=origin,
            **options,
            **({"has_stored": True} if planning.has_stored else {}),
        )
        return logits_gradient(planning.softmax, slope, planning.temperature), loss

    def recent(planning: Planning, transitions: Transition, share: Array, form: Form, origin: Origin) -> SlopeAndLoss:
        if takes_share:
            return of(planning, transitions, form, origin, share=share)
        slopes, losses = jax.vmap(lambda real: of(planning, real, form, origin))(transitions)
        weight = share.reshape(-1, *[1] * planning.weights.ndim)
        return jnp.sum(weight * slopes, 0), jnp.sum(share * losses)

    return Method(newest=of, recent=recent, successive=None, forms=forms, origins=ORIGINS)


METHODS: Mapping[MethodName, Method] = {
    "table": Method(
        newest=_newest_of_table,
        recent=_recent_of_table,
        successive=_successive_of_table,
        forms=TABLE_FORMS,
        origins=("planned",),
    ),
    "network": _dense(exact_network.loss_and_weights_gradient, exact_network.NETWORK_FORMS, takes_share=True),
    "automatic": _dense(automatic.loss_and_weights_gradient, FORMS),
}
"""``table``: closed form, 1 + A expected backups for each transition, for action-value tables with all states as
candidates. ``network``: one forward-mode pass over the candidates, for any differentiable values. ``automatic``: the
general way."""


def get_method(name: MethodName, form: Form, origin: Origin, *, is_successive: bool = False) -> Method:
    """The method of that name.

    Raises:
        ValueError: there is none, or it is not defined for this form, origin or experience; the message names those it
            is defined for.
    """
    check_choice("method", name, tuple(METHODS))
    method = METHODS[name]
    check_choice("form", form, FORMS)
    check_choice("target", origin, ORIGINS)
    if form not in method.forms or origin not in method.origins:
        raise ValueError(
            f'method "{name}" offers form {", ".join(method.forms)} with target {", ".join(method.origins)}; '
            f'for form "{form}" with target "{origin}" use "automatic"'
        )
    if is_successive and (method.successive is None or form not in ("scaled", "single")):
        raise ValueError('experience "successive" is for method "table" with form "scaled" or "single"')
    return method


def suitable_method(form: Form, target: Origin, *, is_table: bool, is_listed: bool) -> MethodName:
    """The way to compute the meta-gradient: of a table in closed form, of other values in one forward-mode pass.

    Automatic differentiation computes all others.

    Args:
        form, target: of the planned parameters and of the target.
        is_table: whether the values are a table.
        is_listed: whether the candidates are all states, in order.

    Raises:
        UserError: "saturating" with values that are no table.
    """
    if form == "saturating" and not is_table:
        raise UserError("form=saturating counts the updates of each entry of a table: other values need another form")
    if is_table and is_listed:
        return "table" if target == "planned" and form in TABLE_FORMS else "automatic"
    return "network" if form in exact_network.NETWORK_FORMS else "automatic"
