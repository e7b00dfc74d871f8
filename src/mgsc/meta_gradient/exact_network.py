"""The meta-gradient of any differentiable q, without second-order terms or per-candidate gradients.

    g_i = ∂L/∂w_i = −2 α K ⟨u, Δ_i⟩,   u = θ̂ − θ̄,
    ⟨u, Δ_i⟩ = Σ_a π(a|s_i) E_m[δ(s_i, a)] ∂_u q(s_i, a; θ),

where ∂_u is the derivative at θ in the direction u: one forward-mode pass over the candidates computes them all. The
rest are values of the successors, one weighted reverse pass for θ̄, and the gradient of the real transition's
prediction. N candidates are enough; states are never enumerated.

Source: derived from Burega et al. 2024 (arXiv 2406.19561), the equations of θ̄ and θ̂ and the
meta-loss. Differs in: the paper enumerates states; this way around it and the factor K are *ours*.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mgsc.meta_gradient.forms import ORIGINS, Form, Origin, check_choice
from mgsc.types import ActionChoice, Array, Candidates, Params, Parts, PyTree, Transition

NETWORK_FORMS: tuple[Form, ...] = ("scaled", "single")
"""Forms in which θ̄ is linear in the weights."""


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
    share: Array | None = None,
    has_stored: bool = False,
) -> tuple[Array, Array]:
    """(L, ∂L/∂w), equal to the general way's to rounding.

    The losses of several transitions cost one forward-mode pass together, along the mean of their u.

    Args:
        parts: the agent's functions.
        params: θ and the model's state.
        candidates: N states. Where ``is_allowed`` is False the direction counts as zero. If they
            have their own ``action``, it replaces the policy's, and only that action is evaluated.
        weights: [N] probabilities, or [N, A] of states and actions jointly: then the policy is not
            applied.
        transition: the real transition, or n of them with a ``share``; may be None where ``target`` is given.
        step_size: α, of planning and of the real update.
        planning_updates: K; may be traced. No effect on ``single``.
        form: "scaled" or "single".
        origin: of the target; see ``mgsc.meta_gradient.forms.Origin``.
        target: θ̂; if it is given, transition and origin have no effect.
        share: [n] of each transition's own meta-loss in L; None of a single one. No effect without transitions.
        has_stored: whether the weights have one more column, [N, 2] or [N, A + 1]: of updates from the candidates' own
            stored transitions, δ ∇q(s_i, a_i), which ask no model. For numbered actions.

    Returns:
        [] the meta-loss, and its derivative shaped like ``weights``.

    Raises:
        ValueError: another form or origin; neither a transition nor a target; weights and
            candidates that do not fit together.
    """
    rate = _rate(step_size, planning_updates, form)
    loss, aligned = _loss_and_alignment(
        parts,
        params,
        candidates,
        weights,
        transition,
        step_size,
        rate,
        origin,
        target,
        share=share,
        has_stored=has_stored,
    )
    return loss, -2 * rate * aligned


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
    """⟨θ̂ − θ̄, Δ_i⟩ of every candidate; arguments as ``loss_and_weights_gradient``.

    Returns:
        Shaped like ``weights``; positive where a query would help. 0 where not allowed.
    """
    rate = _rate(step_size, planning_updates, form)
    return _loss_and_alignment(parts, params, candidates, weights, transition, step_size, rate, origin, target)[1]


def _rate(step_size: Array | float, planning_updates: Array | int, form: Form) -> Array | float:
    check_choice("form", form, NETWORK_FORMS, "; use mgsc.meta_gradient.weights_gradient")
    return step_size * planning_updates if form == "scaled" else step_size


def _loss_and_alignment(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    transition: Transition | None,
    step_size: Array | float,
    rate: Array | float,
    origin: Origin,
    target: PyTree | None,
    *,
    share: Array | None = None,
    has_stored: bool = False,
) -> tuple[Array, Array]:
    """([] ‖u‖², ⟨u, Δ_i⟩ shaped like the weights), or their means over several transitions."""
    theta = params.values
    stored = None
    if has_stored:
        weights, stored = _apart(parts, candidates, weights)
    is_joint = _check_weights(candidates, weights)
    # One forward pass serves the policy, the reverse pass and the forward-mode pass.
    if parts.is_discrete and candidates.action is None:
        q, along = jax.linearize(lambda values: all_values(parts, values, candidates), theta)
        choice = choices_of_all(parts, q)
    else:
        choice = action_choices(parts, theta, candidates)
        q, along = jax.linearize(lambda values: each_value(parts, values, candidates, choice), theta)
    pull_back = jax.linear_transpose(along, theta)
    # Δ_i = Σ_a coefficients[i, a] ∇q(s_i, a), each candidate's own share of the reverse pass.
    coefficients = expected_errors(parts, params, candidates, choice, q)
    if not is_joint:
        coefficients = coefficients * _beside(choice.probability, q)
    spread = _beside(weights if is_joint else weights[:, None], q) * coefficients
    of_stored = None
    if stored is not None:
        of_stored = stored_errors(parts, params, candidates, q)
        spread = spread + stored[:, None] * of_stored
    (direction,) = pull_back(spread.astype(q.dtype))
    planned = _moved(theta, direction, rate)
    loss, ahead = _loss_and_mean(
        lambda real, share: _difference(parts, planned, params, real, share, step_size, origin, target),
        transition,
        share,
    )
    slopes = along(ahead)
    aligned = slopes * coefficients
    if parts.heads is not None:
        aligned = jnp.sum(aligned, axis=-1)
    aligned = aligned if is_joint else jnp.sum(aligned, axis=1)
    if of_stored is None:
        return loss, aligned
    last = jnp.sum(slopes * of_stored, axis=1)
    return loss, jnp.column_stack([aligned, last])


def _loss_and_mean(
    difference: Callable[[Transition | None, Array | None], PyTree], transition: Transition | None, share: Array | None
) -> tuple[Array, PyTree]:
    """(‖u‖², u), or the means over n transitions: g_i is linear in u, so the mean u gives the mean g_i."""

    def squared(ahead: PyTree) -> Array:
        return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(ahead)), start=jnp.zeros(()))

    if share is None or transition is None:
        ahead = difference(transition, None)
        return squared(ahead), ahead
    # Each u by itself for its length alone; their mean in one reverse pass.
    each = jax.vmap(lambda real: squared(difference(real, None)))(transition)
    return jnp.sum(share * each), difference(transition, share)


def _difference(
    parts: Parts,
    planned: PyTree,
    params: Params,
    transition: Transition | None,
    share: Array | None,
    step_size: Array | float,
    origin: Origin,
    target: PyTree | None,
) -> PyTree:
    """The difference θ̂ − θ̄, or its mean over n transitions with a ``share`` [n], whose sum is 1.

    Where the target starts at θ̄, that is neither added nor subtracted.
    """
    check_choice("origin", origin, ORIGINS)
    if target is not None:
        return jax.tree.map(jnp.subtract, target, planned)
    if transition is None:
        raise ValueError("the meta-gradient needs a real transition or a target; both are None")
    start, learned, bootstrap = planned if origin == "planned" else params.values, parts.learned, parts.bootstrap
    if share is not None:
        learned, bootstrap = jax.vmap(learned, (None, 0, 0)), jax.vmap(bootstrap, (None, None, 0))
    q, pull_back = jax.vjp(lambda values: learned(values, transition.observation, transition.action), start)
    goal = transition.reward + transition.discount * bootstrap(start, params.learner, transition.successor)

    def column(numbers: Array) -> Array:
        """With an axis of 1 for the heads, where q has them."""
        return numbers.reshape(*numbers.shape, *[1] * (q.ndim - numbers.ndim))

    td_error = column(goal) - q
    if share is not None:
        td_error = column(share) * td_error
    (move,) = pull_back((step_size * td_error).astype(q.dtype))
    if origin == "planned":
        return move
    return jax.tree.map(lambda here, there, step: here + step - there, params.values, planned, move)


def action_choices(parts: Parts, values: PyTree, candidates: Candidates) -> ActionChoice:
    """The actions [N, C] and probabilities [N, C] of queries at each candidate: the policy's, or its own action."""
    if candidates.action is not None:
        action = candidates.action[:, None]
        return ActionChoice(action, jnp.ones(action.shape[:2], jnp.result_type(float)))
    choice: ActionChoice = jax.vmap(parts.actions, (None, 0))(values, candidates.observation)
    return choice


def all_values(parts: Parts, values: PyTree, candidates: Candidates) -> Array:
    """[N, A] q of every candidate and each of A actions."""
    q: Array = jax.vmap(parts.action_values, (None, 0))(values, candidates.observation)
    return q


def choices_of_all(parts: Parts, q: Array) -> ActionChoice:
    """All A actions of every candidate with the policy's probabilities, from their values [N, A]."""
    action = jnp.broadcast_to(jnp.arange(q.shape[1], dtype=jnp.int32), q.shape)
    return ActionChoice(action, jax.vmap(parts.policy)(q))


def each_value(parts: Parts, values: PyTree, candidates: Candidates, choice: ActionChoice) -> Array:
    """[N, C] q of every candidate and action of ``choice``; [N, C, J] where q has heads."""

    def of_candidate(observation: Array, actions: Array) -> Array:
        return jax.vmap(lambda action: parts.learned(values, observation, action))(actions)

    q: Array = jax.vmap(of_candidate)(candidates.observation, choice.action)
    return q


def _beside(numbers: Array, q: Array) -> Array:
    """Numbers [N, C] with an axis for the heads, where q [N, C, J] has one."""
    return numbers if q.ndim == 2 else numbers[..., None]


def expected_errors(parts: Parts, params: Params, candidates: Candidates, choice: ActionChoice, q: Array) -> Array:
    """E_m[δ(s_i, a)] of every candidate and action of ``choice``, shaped like q; 0 where not allowed."""
    errors = _beside(expected_targets(parts, params, candidates, choice), q) - q
    is_allowed = candidates.is_allowed
    return jnp.where(_beside(is_allowed if is_allowed.ndim == 2 else is_allowed[:, None], q), errors, 0)


def stored_errors(parts: Parts, params: Params, candidates: Candidates, q: Array) -> Array:
    """[N, A] δ of each candidate's own transition, in the place of its action; 0 elsewhere, and where not allowed."""
    own = candidates.experience
    assert own is not None, "these candidates bring their transitions"
    after = jax.vmap(parts.bootstrap, (None, None, 0))(params.values, params.learner, own.successor)
    errors = (own.reward + own.discount * after)[:, None] - q
    is_own = (own.action[:, None] == jnp.arange(q.shape[1])) & candidates.is_allowed[:, None]
    return jnp.where(is_own, errors, 0)


def expected_targets(parts: Parts, params: Params, candidates: Candidates, choice: ActionChoice) -> Array:
    """[N, C] E_m[r + γ' V(s')] of every candidate and action of ``choice``; every outcome's value is computed anew."""
    num_candidates, num_actions = choice.action.shape[:2]
    # All pairs in one long row, candidate by candidate.
    observations = jnp.repeat(candidates.observation, num_actions, axis=0)
    actions = choice.action.reshape(-1, *choice.action.shape[2:])
    answers = jax.vmap(parts.expect, (None, 0, 0))(params.model, observations, actions)
    slots = answers.probability.shape
    successors = answers.observation.reshape(-1, *answers.observation.shape[2:])
    bootstraps = jax.vmap(parts.bootstrap, (None, None, 0))(params.values, params.learner, successors).reshape(slots)
    goals = jnp.sum(answers.probability * answers.reward, axis=1)
    goals = goals + jnp.sum(answers.probability * answers.discount * bootstraps, axis=1)
    return goals.reshape(num_candidates, -1)


def _moved(values: PyTree, direction: PyTree, rate: Array | float) -> PyTree:
    def move(leaf: Array, change: Array) -> Array:
        return leaf + jnp.asarray(rate * change, leaf.dtype)

    return jax.tree.map(move, values, direction)


def _apart(parts: Parts, candidates: Candidates, weights: Array) -> tuple[Array, Array]:
    """The weights [N] or [N, A] of the model's answers, and those [N] of stored transitions."""
    if not parts.is_discrete or candidates.experience is None or candidates.action is not None:
        raise ValueError("has_stored is for numbered actions that the policy chooses, and candidates with transitions")
    if weights.ndim != 2 or weights.shape[1] < 2:
        raise ValueError(f"with has_stored weights must have shape [N, 2] or [N, A + 1], not {weights.shape}")
    others = weights[:, :-1]
    return others[:, 0] if weights.shape[1] == 2 else others, weights[:, -1]


def _check_weights(candidates: Candidates, weights: Array) -> bool:
    """Whether the weights are joint over states and actions."""
    if weights.ndim == 2:
        if candidates.action is not None:
            raise ValueError("with joint weights [N, A], candidates.action must be None")
        return True
    if weights.ndim != 1:
        raise ValueError(f"weights must have shape [N] or [N, A], not {weights.shape}")
    if candidates.is_allowed.ndim == 2:
        raise ValueError("is_allowed [N, A] needs joint weights [N, A]")
    return False
