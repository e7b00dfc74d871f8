"""Numbers that a policy and values of one's own give after the first real step: where they lie, and what must stay."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mgsc.dyna import Dyna, DynaState
from mgsc.errors import UserError
from mgsc.types import ActionChoice, Array, PyTree, Transition

TRIES = 32
"""Actions that are sampled of a policy."""

TOLERANCE = 1e-4
"""Largest distance of the sum of probabilities, or of a strategy's weights, from one."""


class Behaviour(NamedTuple):
    """What a policy does in one state.

    Attributes:
        sampled: [TRIES, ...] actions.
        explored: [TRIES, ...] actions of real steps spread over a run; None where ``sample`` chooses them.
        choice: its distribution.
        probabilities: [A]; None where actions are continuous.
    """

    sampled: Array
    explored: Array | None
    choice: ActionChoice
    probabilities: Array | None


def behaviour_of(agent: Dyna, state: DynaState, num_steps: int) -> Behaviour:
    """What the policy of an agent does in a state, throughout a run of ``num_steps``; may be traced."""
    policy, values = agent.policy, agent.values

    def sample(key: Array) -> Array:
        return policy.sample(policy.draw(key), state.values, state.observation)

    def explore(key: Array, step: Array) -> Array:
        assert policy.explore is not None, "called where there is one"
        return policy.explore(policy.draw(key), state.values, state.observation, step)

    probabilities = None
    if policy.probabilities is not None and values.action_values is not None:
        probabilities = policy.probabilities(values.action_values(state.values, state.observation))
    keys = jax.random.split(jax.random.key(0), TRIES)
    steps = jnp.asarray(np.linspace(0, num_steps - 1, TRIES).astype(np.int32))
    explored = None if policy.explore is None else jax.vmap(explore)(keys, steps)
    return Behaviour(jax.vmap(sample)(keys), explored, policy.actions(state.values, state.observation), probabilities)


def check_behaviour(name: str, behaviour: Behaviour, num_actions: int) -> None:
    """Checks the actions and probabilities of a policy.

    Args:
        name: of the policy.
        behaviour: with numbers.
        num_actions: A; 0 where actions are numbers.

    Raises:
        UserError: an action that there is not, or probabilities that are none.
    """
    _check_actions(f"sample of policy {name}", np.asarray(behaviour.sampled), num_actions)
    if behaviour.explored is not None:
        _check_actions(f"explore of policy {name}", np.asarray(behaviour.explored), num_actions)
    _check_actions(f"actions of policy {name}", np.asarray(behaviour.choice.action), num_actions)
    check_probabilities(
        f"the probabilities that actions of policy {name} gives", np.asarray(behaviour.choice.probability)
    )
    if behaviour.probabilities is not None:
        check_probabilities(
            f"the numbers that probabilities of policy {name} gives", np.asarray(behaviour.probabilities)
        )


def after_nothing(agent: Dyna, state: DynaState) -> tuple[PyTree, PyTree]:
    """θ, moved away from its first values by chance, and θ after an update with step size 0 and error 1; may be traced.

    Of a θ that is all 0, weights that decay stay where they are.
    """
    values, key = agent.values, jax.random.key(0)

    def moved(leaf: Array) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return leaf + jax.random.uniform(key, leaf.shape, leaf.dtype, 0.5, 1.5)

    theta = jax.tree.map(moved, state.values)
    observation, action = state.observation[None], _action(agent, theta, state.observation)[None]
    one, zero = jnp.ones(1), jnp.zeros(1)
    if values.learn is None:
        return theta, values.update(theta, state.learner, observation, action, one, zero)[0]
    batch = Transition(observation, action, one, one, observation)
    return theta, values.learn(values.draw(key), theta, state.learner, batch, zero)[0]


def check_after_nothing(name: str, before: PyTree, after: PyTree) -> None:
    """Checks that values of one's own stand still at step size 0.

    Raises:
        UserError: an entry of θ has moved.
    """
    for (place, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        moved = np.asarray(old) != np.asarray(new)
        if moved.any():
            first = (np.asarray(part)[moved][0] for part in (old, new))
            raise UserError(
                f"update of values {name} changes θ{jax.tree_util.keystr(place)} where the step size is 0, from "
                f"{' to '.join(f'{number:g}' for number in first)}: where the step size is 0, θ must not change, since "
                "updates beyond an agent's K have step size 0"
            )


def check_table(name: str, agent: Dyna, state: DynaState) -> None:
    """Checks that values which say that they are a table are one, on a θ that chance has filled.

    Raises:
        UserError: θ is no array [S, A], a value is not its entry, or ``bootstrap`` is not the maximum of a row.
    """
    says = f"values {name} say is_table=True"
    remedy = "give is_table=False, and the meta-gradient is computed by the general way"
    if jnp.ndim(state.values) != 2:  # a pytree that is no array has no dimensions either
        raise UserError(f"{says}, and their θ is no array [S, A]: {remedy}")
    theta = jax.random.normal(jax.random.key(0), state.values.shape, state.values.dtype)
    states, actions = (jnp.arange(size) for size in theta.shape)
    entries = jax.vmap(jax.vmap(agent.values.q, (None, None, 0)), (None, 0, None))(theta, states, actions)
    bootstrap = jax.vmap(agent.values.bootstrap, (None, None, 0))(theta, state.learner, states)
    if not np.allclose(entries, theta, rtol=1e-5):
        raise UserError(f"{says}, and their q is not the entry of θ: {remedy}")
    if not np.allclose(bootstrap, theta.max(-1), rtol=1e-5):
        raise UserError(f"{says}, and their bootstrap is not the maximum of a row of θ: {remedy}")


def probabilities_of(agent: Dyna, state: DynaState) -> Array:
    """[M] probabilities of the outcomes that the model expects of a state and an action; may be traced."""
    action = _action(agent, state.values, state.observation)
    return agent.model.expect(state.model, state.observation, action).probability


def _action(agent: Dyna, theta: PyTree, observation: Array) -> Array:
    """One action that the policy samples."""
    return jnp.asarray(agent.policy.sample(agent.policy.draw(jax.random.key(0)), theta, observation))


def _check_actions(what: str, actions: np.ndarray[Any, Any], num_actions: int) -> None:
    if num_actions:
        wrong, allowed = (actions < 0) | (actions >= num_actions), f"in 0..{num_actions - 1}"
    else:
        wrong, allowed = ~np.isfinite(actions), "finite"
    if wrong.any():
        raise UserError(f"{what} gives action {actions[wrong][0]}: actions must be {allowed}")


def check_probabilities(what: str, given: np.ndarray[Any, Any]) -> None:
    """Checks numbers [M] that are to be probabilities.

    Raises:
        UserError: they are none; it begins with ``what``.
    """
    if not np.isfinite(given).all():
        wrong = "are not finite"
    elif (given < 0).any():
        wrong = f"hold {given.min():g}"
    elif abs(given.sum() - 1) > TOLERANCE:
        wrong = f"are {given.sum():g} in sum"
    else:
        return
    raise UserError(f"{what} {wrong}: they must be 0 or more, and 1 in sum")
