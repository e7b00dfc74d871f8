"""The planned parameters θ̄, differentiable in the search-control probabilities, and their target θ̂.

For any value function. No per-candidate gradient is ever materialised: Σ_i w_i Δ_i is one reverse
pass of the batched q, with w_i π(a|s_i) E_m[δ(s_i, a)] as its cotangent.

Source: Burega et al. 2024 (arXiv 2406.19561), the equations of θ̄ and θ̂. Differs in: the paper's
code is not public, so the factor K, the other forms and the ablation of the target are a reconstruction (*ours*); each
is a setting (see ``mgsc.meta_gradient.forms``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.meta_gradient.forms import FORMS, ORIGINS, Form, Origin, check_at_least, check_choice
from mgsc.types import ActionChoice, Array, Candidates, Params, Parts, PyTree, Transition


def planned_from_directions(
    values: PyTree,
    directions: PyTree,
    weights: Array,
    step_size: Array | float,
    planning_updates: Array | int = 1,
    form: Form = "scaled",
) -> PyTree:
    """θ̄ = θ + α K Σ_i w_i Δ_i from given update directions.

    Args:
        values: θ, any pytree.
        directions: like ``values`` with a leading axis [N, ...]: Δ_i.
        weights: [N] probabilities.
        step_size: α.
        planning_updates: K; no effect on ``single``. May be traced.
        form: "scaled" or "single".

    Returns:
        θ̄ like ``values``, differentiable in ``weights``.

    Raises:
        ValueError: another form, which needs more than directions at θ; weights of another form; a negative K.
    """
    check_choice("form", form, ("scaled", "single"), "; the others need planned_parameters")
    check_at_least("planning_updates", planning_updates, 0)
    for direction in jax.tree.leaves(directions):
        if jnp.shape(weights) != jnp.shape(direction)[:1]:
            raise ValueError(
                f"weights must have shape {list(jnp.shape(direction)[:1])}, not {list(jnp.shape(weights))}"
            )
    rate = step_size * planning_updates if form == "scaled" else step_size
    # Accelerators would otherwise multiply at less than float32's precision.
    weighted_sum = functools.partial(jnp.tensordot, weights, axes=1, precision="highest")
    total = jax.tree.map(weighted_sum, directions)
    return _step(values, total, rate)


def planned_parameters(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    step_size: Array | float,
    planning_updates: Array | int,
    *,
    form: Form = "scaled",
) -> PyTree:
    """θ̄(w): the expected parameters after K planning updates from states drawn with probability w.

    An expectation over states, the policy's actions and the model's answers. The policy, the
    bootstrap values and the model are held fixed; ``unrolled`` re-evaluates policy and bootstrap
    values at each stage, and its derivative runs through q(s, a; θ̄_k) and ∇q.

    Args:
        parts: the agent's functions.
        params: θ and the model's state. For ``saturating`` θ is a table [S, A].
        candidates: N states. Where ``is_allowed`` is False the direction counts as zero. If they
            have their own ``action``, it replaces the policy's. For ``saturating``, ``observation`` holds state
            indices; a state listed twice is visited with both weights.
        weights: [N] probabilities, or [N, A] of states and actions jointly: then the policy is not
            applied.
        step_size: α; at most 1 for ``saturating``.
        planning_updates: K. May be traced, except for ``unrolled``, which needs a Python int.
        form: see ``mgsc.meta_gradient.forms.Form``.

    Returns:
        θ̄ like ``params.values``, differentiable in ``weights``.

    Raises:
        ValueError: unknown form; ``saturating`` without a table; joint weights together with
            ``candidates.action``; pairs [N, A] in ``is_allowed`` without joint weights;
            negative K.
        TypeError: ``unrolled`` with a K that is not a Python int.
    """
    check_choice("form", form, FORMS)
    if not isinstance(planning_updates, str | bool):
        check_at_least("planning_updates", planning_updates, 0)
    if form == "saturating":
        return _saturating(parts, params, candidates, weights, step_size, planning_updates)
    if form == "unrolled":
        stages = _static_count(planning_updates)
        return _unrolled(parts, params, candidates, weights, step_size, stages)
    rate = step_size * planning_updates if form == "scaled" else step_size
    return _step(params.values, expected_direction(parts, params, candidates, weights), rate)


def expected_direction(parts: Parts, params: Params, candidates: Candidates, weights: Array) -> PyTree:
    """Σ_i w_i Δ_i at θ: the mean direction of one planning update, E_{d, π, m}[Δ].

    Args:
        parts: the agent's functions.
        params: θ and the model's state.
        candidates: N states; see ``planned_parameters``.
        weights: [N] probabilities, or [N, A] of states and actions jointly.

    Returns:
        Like ``params.values``; linear in ``weights``.

    Raises:
        ValueError: weights and candidates that do not fit together.
    """
    _check_candidates(candidates, weights)
    choice = jax.lax.stop_gradient(_choices(parts, params.values, candidates))

    def taken(values: PyTree) -> Array:
        one_state = jax.vmap(parts.learned, (None, None, 0))
        prediction: Array = jax.vmap(one_state, (None, 0, 0))(values, candidates.observation, choice.action)
        return prediction

    prediction, pull_back = jax.vjp(taken, params.values)
    visits = weights if weights.ndim == 2 else weights[:, None] * choice.probability
    errors = _expected_errors(parts, params, candidates, choice.action, prediction)
    if parts.heads is not None:
        visits = visits[..., None]
    (direction,) = pull_back((visits * errors).astype(prediction.dtype))
    return direction


def target_parameters(
    parts: Parts,
    planned: PyTree,
    current: PyTree,
    transition: Transition,
    step_size: Array | float,
    *,
    origin: Origin = "planned",
    learner: PyTree = (),
) -> PyTree:
    """θ̂: the planned (or the current) parameters after the real transition's update; held fixed.

    Args:
        parts: the agent's functions.
        planned: θ̄.
        current: θ, used for ``origin="current"`` only.
        transition: one real transition, without batch axes.
        step_size: α.
        origin: "planned", θ̂ = θ̄ + α Δ(·; θ̄), is the method; "current", θ̂ = θ + α Δ(·; θ), an
            ablation.
        learner: the state of the values' learner, from which the bootstrap value is taken.

    Returns:
        θ̂ like ``planned``; no derivative passes.

    Raises:
        ValueError: unknown origin.
    """
    check_choice("origin", origin, ORIGINS)
    start = jax.lax.stop_gradient(planned if origin == "planned" else current)

    def taken(values: PyTree) -> Array:
        return parts.learned(values, transition.observation, transition.action)

    bootstrap = parts.bootstrap(start, learner, transition.successor)
    goal = transition.reward + transition.discount * bootstrap
    if parts.heads is not None:
        prediction, pull_back = jax.vjp(taken, start)
        (move,) = pull_back(step_size * (goal - prediction))
        return jax.lax.stop_gradient(_step(start, move, 1.0))
    prediction, gradient = jax.value_and_grad(taken)(start)
    return jax.lax.stop_gradient(_step(start, gradient, step_size * (goal - prediction)))


def _step(values: PyTree, direction: PyTree, rate: Array | float) -> PyTree:
    return jax.tree.map(lambda leaf, change: leaf + (rate * change).astype(leaf.dtype), values, direction)


def _choices(parts: Parts, values: PyTree, candidates: Candidates) -> ActionChoice:
    """The actions [N, C] each candidate may imagine, with their probabilities: the policy's, or its own one."""
    if candidates.action is not None:
        own = candidates.action[:, None]
        return ActionChoice(own, jnp.ones(own.shape[:2], jnp.result_type(float)))
    choice: ActionChoice = jax.vmap(parts.actions, (None, 0))(values, candidates.observation)
    return choice


def _expected_errors(parts: Parts, params: Params, candidates: Candidates, actions: Array, prediction: Array) -> Array:
    """[N, C] E_m[δ] with the bootstrap held fixed; 0 where a candidate is not allowed."""

    def backup(observation: Array, action: Array) -> Array:
        answers = parts.expect(params.model, observation, action)
        bootstraps = jax.vmap(parts.bootstrap, (None, None, 0))(params.values, params.learner, answers.observation)
        return jnp.sum(answers.probability * (answers.reward + answers.discount * bootstraps))

    per_action: Callable[..., Array] = jax.vmap(backup, (None, 0))
    goals = jax.lax.stop_gradient(jax.vmap(per_action)(candidates.observation, actions))
    is_allowed = candidates.is_allowed.reshape(goals.shape[0], -1)
    if parts.heads is not None:
        goals, is_allowed = goals[..., None], is_allowed[..., None]
    return jnp.where(is_allowed, goals - prediction, 0)


def _unrolled(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    step_size: Array | float,
    stages: int,
) -> PyTree:
    def stage(values: PyTree, _: None) -> tuple[PyTree, None]:
        direction = expected_direction(parts, params._replace(values=values), candidates, weights)
        return _step(values, direction, step_size), None

    return jax.lax.scan(stage, params.values, length=stages)[0]


def _saturating(
    parts: Parts,
    params: Params,
    candidates: Candidates,
    weights: Array,
    step_size: Array | float,
    planning_updates: Array | int,
) -> PyTree:
    """θ̄ of a table whose entries each meet a fixed goal n times, n ~ Binomial(K, visits).

    n updates close 1 − (1 − α)^n of the error, 1 − (1 − α visits)^K in expectation over n.
    """
    table = params.values
    _check_candidates(candidates, weights)
    _check_table(table, candidates)
    choice = _choices(parts, table, candidates)
    actions = choice.action
    prediction = jnp.take_along_axis(table[candidates.observation], actions, axis=1)
    errors = _expected_errors(parts, params, candidates, actions, prediction)
    is_allowed = jnp.broadcast_to(candidates.is_allowed.reshape(len(actions), -1), actions.shape)
    # Rows beyond the table are dropped: what is not allowed leaves no trace.
    rows = jnp.where(is_allowed, candidates.observation[:, None], table.shape[0])
    chance = weights if weights.ndim == 2 else weights[:, None] * jax.lax.stop_gradient(choice.probability)
    visits = jnp.zeros_like(table).at[rows, actions].add(chance, mode="drop")
    error = jnp.zeros_like(table).at[rows, actions].set(errors, mode="drop")
    return table + (1 - (1 - step_size * visits) ** planning_updates) * error


def _static_count(planning_updates: Array | int) -> int:
    if isinstance(planning_updates, bool) or not isinstance(planning_updates, (int, np.integer)):
        raise TypeError(
            "form 'unrolled' needs planning_updates as a Python int, known at compile time, not "
            f"{type(planning_updates).__name__}; a traced K works with scaled, single, saturating"
        )
    if planning_updates < 0:
        raise ValueError(f"planning_updates must be 0 or more, not {planning_updates}")
    return int(planning_updates)


def _check_candidates(candidates: Candidates, weights: Array) -> None:
    if weights.ndim not in (1, 2):
        raise ValueError(f"weights must have shape [N] or [N, A], not {weights.shape}")
    if weights.ndim == 2 and candidates.action is not None:
        raise ValueError("joint weights [N, A] choose the action: candidates.action must be None")
    if weights.ndim == 1 and candidates.is_allowed.ndim == 2:
        raise ValueError("is_allowed [N, A] rules out actions: it needs joint weights [N, A]")


def _check_table(table: PyTree, candidates: Candidates) -> None:
    is_table = isinstance(table, (jax.Array, np.ndarray)) and table.ndim == 2
    states = candidates.observation
    if not is_table or states.ndim != 1 or not jnp.issubdtype(states.dtype, jnp.integer):
        raise ValueError(
            "form 'saturating' is for tables: values must be one array [S, A] and observations "
            "integer state indices [N]; choose scaled, single or unrolled"
        )
