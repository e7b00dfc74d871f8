"""Meta-Gradient Search Control: a softmax over the candidates, tuned through the planning updates.

Per real step, with θ the values before the direct update and d = softmax(logits(η) / τ):

    θ̄(η) = θ + α K E_{s̃∼d, ã∼π, m}[Δ]        planned parameters
    θ̂    = θ̄ + α Δ(real transition; θ̄)        target, held fixed
    J(η)  = ‖θ̂ − θ̄(η)‖² − β H(d)              one optimiser step on η along ∇J

With a uniform share (``mixture``) θ̄ is of the mixture, and H is of the softmax alone.

The logits are a table of numbers (the paper's method), linear in features, or a network; d is over candidates, or
over candidates and actions, which then replaces the policy in θ̄. With ``prior="policy"`` the latter begins where the
policy acts, d(s, a) ∝ π(a|s) exp(logit(s, a) / τ).

The gradient itself is a line of ``mgsc.meta_gradient.exact_table.visited_gradient`` for tables of values, of
``exact_network`` for networks; ``mgsc.meta_gradient.methods`` chooses.

Source: Burega, Martin, Kapeluck & Bowling 2024 (arXiv 2406.19561). The factor K, the entropy bonus,
the temperature and all forms but the expectation itself are this project's reconstruction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mgsc import meta_gradient as gradients
from mgsc.indexing import lookup, settled
from mgsc.lanes import shared_by_lanes
from mgsc.meta_gradient import exact_network
from mgsc.meta_gradient.forms import Form, Origin
from mgsc.meta_gradient.methods import Method, MethodName, Planning, SlopeAndLoss, get_method, suitable_method
from mgsc.rings import take_transitions
from mgsc.sampling import index_from_tree
from mgsc.search_control.base import Distribution, SearchControl, Strategy, masked_softmax
from mgsc.search_control.candidate_signals import check_num_choices, experience_of
from mgsc.search_control.experience import Experience, Recent, in_order, nothing_yet, remember
from mgsc.search_control.logits import LogitFunction, Logits, table_logits
from mgsc.search_control.optimizers import check_optimizer, optimizer_step
from mgsc.settings import check_choice
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition

Prior = Literal["uniform", "policy"]


class MetaGradientState(NamedTuple):
    """The learned logits.

    Attributes:
        logits: η: [N] or [N, A] numbers, or the parameters of the function that returns the logits.
        weights: the masked softmax of logits / τ, kept for the next step; None where the logits depend on more than η.
        optimizer: the optimiser's state.
        recent: the last real transitions; None where the target is made of the newest one only.
        count: int32 real steps so far; None where the optimiser is never reset and each step has a meta-update.
        report: of the last meta-update; None where each step has one.
        features: inputs of the logits besides η and the observations, of the candidates of the last step; None where
            there are none.
    """

    logits: PyTree
    weights: Array | None
    optimizer: PyTree
    recent: Recent | None
    count: Array | None  # type: ignore[assignment]
    features: PyTree = None
    report: dict[str, Array] | None = None


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
    update_every: int = 1,
    method: MethodName | None = None,
    logits: LogitFunction | None = None,
    is_listed: bool = True,
    replays: bool = False,
    prior: Prior = "uniform",
    action: jax.ShapeDtypeStruct | None = None,
) -> Strategy:
    """MGSC over listed candidates or over a batch of them.

    Args:
        optimizer: of η, any Optax transformation; ``optax.adam`` is the paper's.
        step_size: α of the planning updates that are differentiated, and of the real update that makes the target.
        planning_updates: K.
        entropy_bonus: β in reward² per nat; may be traced.
        temperature: τ > 0; may be traced.
        mixture: share in [0, 1) of the queries that stay uniform; may be traced.
        form: of the planned parameters, see ``mgsc.meta_gradient.planned_parameters``.
        target: the parameters to which the real transition is applied, θ̄ ("planned") or θ ("current").
        experience: the target is made of the newest real transition ("one"), of each of the last
            ``experience_length`` ones apart, with the mean of their meta-losses ("recent"), or of all
            those one after the other ("successive", for tables). Of a table "recent" makes all its expected backups
            for each of them: with five, a step is slower than three of uniform's. Method "network" makes one
            reverse pass and one forward-mode pass for all, and n reverse passes for the loss that is recorded;
            "automatic" makes all passes for each.
        reset_every: real steps between resets of the optimiser's state; 0 for never.
        update_every: real steps from one meta-update to the next; of features and weights each step needs its own.
            From the transitions between two of them something is learned with ``experience="recent"`` only. What is
            reported is of the last meta-update, and 0 before the first. Runs that are batched make the same step.
        method: of the gradient, see ``mgsc.meta_gradient.methods``: "table" is for action-value tables with all
            states as candidates, and target "planned"; "network" for "scaled" and "single". None takes that of
            ``suitable_method``.
        logits: of η, see ``mgsc.search_control.logits``; None is ``table_logits()``, a number for each listed
            candidate.
        is_listed: whether the candidates are all states, in order; False for a batch that changes from step to step.
        replays: whether the logits have one more column, [N, 2] or [N, A + 1]: of updates from the candidates' own
            stored transitions, in place of the model's answers. For method "network".
        prior: of the actions in a d over pairs before anything is learned, and in its uniform share: all alike, or as
            the policy chooses them ("policy"). Where actions are numbers, pairs are of a candidate and one of the C
            actions of ``Parts.actions``, which do not stand for the policy's distribution with equal weights. The
            entropy bonus draws towards equal probabilities, whatever the prior.
        action: shape and dtype of an action, which several transitions are kept with; None for the number of one.

    Raises:
        ValueError: ``update_every`` is below 1; ``method`` is not defined for ``form``, ``target``, ``experience`` or
            ``replays``, or ``prior`` not for ``replays``.
        UserError: ``experience`` or ``prior`` is none of these, or ``optimizer`` is no optimiser; "saturating" with
            values that are no table, which is raised when the strategy receives the agent's parts.
    """
    check_choice("experience", experience, get_args(Experience))
    check_choice("prior", prior, get_args(Prior))
    if replays and prior == "policy":
        raise ValueError('prior="policy" is for a d over pairs of states and actions: with replays take "uniform"')
    check_optimizer("optimizer", optimizer)
    if update_every < 1:
        raise ValueError(f"update_every must be 1 or more, not {update_every}")
    is_successive = experience == "successive"
    if method is not None:
        get_method(method, form, target, is_successive=is_successive)  # refuses at once

    def build(parts: Parts) -> SearchControl:
        name = method or suitable_method(form, target, is_table=parts.is_table, is_listed=is_listed)
        if replays and name != "network":
            raise ValueError(f'replays is for method "network", not "{name}"')
        rule = _Rule(
            parts=parts,
            logits=(logits or table_logits())(parts),
            method=get_method(name, form, target, is_successive=is_successive),
            form=form,
            target=target,
            experience=experience,
            experience_length=experience_length,
            optimizer=optimizer,
            reset_every=reset_every,
            update_every=update_every,
            step_size=step_size,
            planning_updates=planning_updates,
            entropy_bonus=entropy_bonus,
            temperature=temperature,
            mixture=mixture,
            replays=replays,
            prior=prior,
            action=action,
        )
        made = SearchControl(init=rule.init, weights=rule.weights, observe=rule.observe)
        return made._replace(propose=propose_answered, reports=("stored_share",)) if replays else made

    return build


class _Rule(NamedTuple):
    """What the strategy was built of: the agent's parts, and the arguments of ``meta_gradient``."""

    parts: Parts
    logits: Logits
    method: Method
    form: Form
    target: Origin
    experience: Experience
    experience_length: int
    optimizer: optax.GradientTransformation
    reset_every: int
    update_every: int
    step_size: Array | float
    planning_updates: Array | int
    entropy_bonus: Array | float
    temperature: Array | float
    mixture: Array | float
    replays: bool
    prior: Prior
    action: jax.ShapeDtypeStruct | None

    def init(self, key: Array, params: Params, candidates: Candidates) -> MetaGradientState:
        eta = self.logits.init(key, params, candidates)
        return MetaGradientState(
            logits=eta,
            weights=self.kept(eta, params, candidates),
            optimizer=self.optimizer.init(eta),
            recent=None if self.experience == "one" else nothing_yet(candidates, self.experience_length, self.action),
            count=jnp.zeros((), jnp.int32) if self.reset_every or self.update_every > 1 else None,
            features=self.look(params, candidates),
            report=None if self.update_every == 1 else dict.fromkeys(self.reported(), jnp.zeros(())),
        )

    def weights(self, state: MetaGradientState, params: Params, candidates: Candidates) -> Array:
        """What queries are drawn with."""
        softmax = state.weights
        if softmax is None:
            softmax = self.softmax(self.judged(state.logits, state.features, params, candidates), params, candidates)
        return settled(self.mixed(softmax, params, candidates))

    def observe(
        self, state: MetaGradientState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[MetaGradientState, dict[str, Array]]:
        """The meta-update, where one is due: one step of the optimiser on η along ∇J."""
        state = self.reset(state)
        if state.count is not None:
            state = state._replace(count=state.count + 1)
        recent = None if state.recent is None else remember(state.recent, transition)
        state = state._replace(features=self.look(params, candidates), recent=recent)
        seen = transition if recent is None else recent
        if self.update_every == 1:
            return self.updated(state, params, candidates, seen)
        assert state.count is not None, "init has made it"

        def update(state: MetaGradientState) -> MetaGradientState:
            after, report = self.updated(state, params, candidates, seen)
            return after._replace(report=jax.tree.map(lambda one, now: now.astype(one.dtype), state.report, report))

        def keep(state: MetaGradientState) -> MetaGradientState:
            return state._replace(weights=self.kept(state.logits, params, candidates))

        after = lax.cond(shared_by_lanes(state.count % self.update_every == 0), update, keep, state)
        return after, after.report

    def updated(
        self, state: MetaGradientState, params: Params, candidates: Candidates, seen: Transition | Recent
    ) -> tuple[MetaGradientState, dict[str, Array]]:
        """The state after a step of the optimiser, and what is reported."""
        softmax, to_eta = self.differentiable(state, params, candidates)
        planning = Planning(
            parts=self.parts,
            params=params,
            candidates=candidates,
            weights=self.mixed(softmax, params, candidates),
            softmax=softmax,
            temperature=self.temperature,
            step_size=self.step_size,
            planning_updates=self.planning_updates,
            has_stored=self.replays,
        )
        slope, loss = self.loss_gradient(planning, seen)
        if not _is_zero(self.mixture):
            slope = (1 - self.mixture) * slope
        if not _is_zero(self.entropy_bonus):
            slope = slope - self.entropy_bonus * gradients.entropy_gradient(softmax, self.temperature)
        eta, optimizer = optimizer_step(self.optimizer, to_eta(slope), state.optimizer, state.logits)
        weights = self.kept(eta, params, candidates)
        after = state._replace(logits=eta, weights=weights, optimizer=optimizer)
        info = {"meta_loss": loss, "meta_gradient_norm": jnp.sqrt(jnp.sum(slope**2))}
        if self.replays:
            info["stored_share"] = jnp.sum(planning.weights[:, -1])
        return after, info

    def loss_gradient(self, planning: Planning, seen: Transition | Recent) -> SlopeAndLoss:
        """(∂L/∂logits, L) for the experience that the target is made of."""
        if isinstance(seen, Transition):
            return self.method.newest(planning, seen, self.form, self.target)
        transitions, is_real = in_order(seen)
        if self.experience == "successive" and self.method.successive is not None:
            return self.method.successive(planning, transitions, is_real, self.form)
        return self.method.recent(planning, transitions, is_real / is_real.sum(), self.form, self.target)

    def softmax(self, logits: Array, params: Params, candidates: Candidates) -> Array:
        return self.from_prior(logits / self.temperature, params, candidates)

    def mixed(self, softmax: Array, params: Params, candidates: Candidates) -> Array:
        """The softmax with its uniform share."""
        if _is_zero(self.mixture):
            return softmax
        uniform = self.from_prior(jnp.zeros_like(softmax), params, candidates)
        return (1 - self.mixture) * softmax + self.mixture * uniform

    def from_prior(self, logits: Array, params: Params, candidates: Candidates) -> Array:
        """The softmax of logits that are added to those of the prior."""
        if self.prior == "policy" and logits.ndim == 2:
            choice = exact_network.action_choices(self.parts, params.values, candidates)
            check_num_choices(choice.probability.shape[1], logits.shape[1])
            logits = logits + jnp.log(lax.stop_gradient(choice.probability))
        return masked_softmax(logits, candidates.is_allowed)

    def kept(self, eta: PyTree, params: Params, candidates: Candidates) -> Array | None:
        """The softmax of a table of logits, which the next step needs again; None of what depends on more than η."""
        if not self.logits.is_table or self.prior == "policy":
            return None
        return self.softmax(self.logits.apply(eta, params, candidates), params, candidates)

    def differentiable(
        self, state: MetaGradientState, params: Params, candidates: Candidates
    ) -> tuple[Array, Callable[[Array], PyTree]]:
        """The softmax, and the function that takes a derivative by the logits to one by η."""
        if state.weights is not None:
            return state.weights, lambda slope: slope
        logits, pull_back = jax.vjp(lambda eta: self.judged(eta, state.features, params, candidates), state.logits)
        return self.softmax(logits, params, candidates), lambda slope: pull_back(slope)[0]

    def look(self, params: Params, candidates: Candidates) -> PyTree:
        """Inputs of the logits besides the observations, computed in the meta-update for the whole real step."""
        return None if self.logits.look is None else self.logits.look(params, candidates)

    def judged(self, eta: PyTree, features: PyTree, params: Params, candidates: Candidates) -> Array:
        """The logits, of features that were worked out before where they have some."""
        if self.logits.judge is None:
            return self.logits.apply(eta, params, candidates)
        return self.logits.judge(eta, candidates, features)

    def reset(self, state: MetaGradientState) -> MetaGradientState:
        """The state with a fresh optimiser, when that is due."""
        if not self.reset_every:
            return state
        assert state.count is not None, "init has made it"
        is_due = state.count % self.reset_every == 0
        fresh = jax.tree.map(functools.partial(jnp.where, is_due), self.optimizer.init(state.logits), state.optimizer)
        return state._replace(optimizer=fresh)

    def reported(self) -> tuple[str, ...]:
        """Names of what a meta-update reports."""
        return ("meta_loss", "meta_gradient_norm", *(("stored_share",) if self.replays else ()))


def propose_answered(
    noise: Array, state: PyTree, params: Params, distribution: Distribution, candidates: Candidates, last: Backup
) -> Query:
    """A query from d over candidates and answers [N, 2] or [N, A + 1]: the last is the candidate's own transition."""
    del state, params, last
    columns = distribution.weights.shape[1]
    drawn = index_from_tree(noise, distribution.tree)
    place, column = drawn // columns, drawn % columns
    return Query(
        lookup(candidates.observation, place),
        lookup(candidates.index, place),
        # Of two columns the first leaves the action to the policy.
        None if columns == 2 else jnp.minimum(column, columns - 2),
        outcome=take_transitions(experience_of(candidates), place),
        is_stored=column == columns - 1,
    )


def _is_zero(number: Array | float) -> bool:
    """Whether a bonus or a share is fixed at zero, which costs nothing: the former's gradient takes many logarithms."""
    return isinstance(number, int | float) and number == 0
