"""Shapes and dtypes of the results of parts of one's own, found without computing anything."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mgsc.dyna import Dyna
from mgsc.environments.base import Step
from mgsc.errors import UserError
from mgsc.experiments.design.own import named_errors
from mgsc.types import Candidates, PyTree, Transition

INTEGER, FLOAT, BOOL = jnp.integer, jnp.floating, jnp.bool_


def check_forms(agent: Dyna, observation: jax.ShapeDtypeStruct) -> None:
    """Follows one step through the environment, the values, the policy, the model and the candidates of an agent.

    Raises:
        UserError: a result has another shape or dtype than the loop needs, or code raises an error; the message names
            part, field, and the expected and the found form.
    """
    state = _check_reset(agent, observation, None)
    theta, learner = _form("init of the values", agent.values.init, jax.random.key(0))
    noise = _form("draw of the policy", agent.policy.draw, jax.random.key(0))
    action = _form("sample of the policy", agent.policy.sample, noise, theta, observation)
    _check_step(agent, state, observation, action)
    _check_values(agent, theta, learner, observation, action)
    _check_model(agent, observation, action)
    _check_candidates(agent, observation)


def check_state(what: str, before: PyTree, after: PyTree) -> None:
    """Checks that a state has kept its form.

    Raises:
        UserError: it has not.
    """
    old, new = _leaves(before), _leaves(after)
    for place in old | new:
        if old.get(place) != new.get(place):
            nothing = "not there"
            raise UserError(
                f"{what} must give a state of the form it was given: {place} was {old.get(place, nothing)} "
                f"and is {new.get(place, nothing)}"
            )
    if str(jax.tree.structure(before)) != str(jax.tree.structure(after)):
        raise UserError(f"{what} must give a state of the form it was given, of the same types")


def _check_reset(agent: Dyna, observation: jax.ShapeDtypeStruct, previous: PyTree) -> PyTree:
    environment = agent.environment
    noise = _form("draw_reset of the environment", environment.draw_reset, jax.random.key(0))
    given = _form("reset of the environment", environment.reset, noise, agent.environment_params, previous)
    if not (isinstance(given, tuple) and len(given) == 2):
        raise UserError(f"reset of the environment gives a {type(given).__name__}: it must be (state, observation)")
    _check("the observation of reset", given[1], observation.shape, observation.dtype)
    return given[0]


def _check_step(agent: Dyna, state: PyTree, observation: jax.ShapeDtypeStruct, action: Any) -> None:
    environment, params = agent.environment, agent.environment_params
    noise = _form("draw of the environment", environment.draw, jax.random.key(0))
    step = _form("step of the environment", environment.step, noise, state, action, params)
    _check_type("step of the environment", step, Step)
    _check("the observation of step", step.observation, observation.shape, observation.dtype)
    _check("the reward of step", step.reward, (), None)
    _check("terminated of step", step.terminated, (), BOOL)
    _check("truncated of step", step.truncated, (), BOOL)
    check_state("step of the environment", state, step.state)
    check_state("reset of the environment after an episode", state, _check_reset(agent, observation, step.state))


def _check_values(agent: Dyna, theta: PyTree, learner: PyTree, observation: Any, action: Any) -> None:
    values = agent.values
    _check("q of the values", _form("q of the values", values.q, theta, observation, action), (), FLOAT)
    bootstrap = _form("bootstrap of the values", values.bootstrap, theta, learner, observation)
    _check("bootstrap of the values", bootstrap, (), FLOAT)
    if values.action_values is not None:
        each = _form("action_values of the values", values.action_values, theta, observation)
        _check("action_values of the values", each, (agent.environment.num_actions,), FLOAT)


def _check_model(agent: Dyna, observation: Any, action: Any) -> None:
    state = _form("init of the model", agent.model.init, jax.random.key(0))
    noise = _form("draw of the model", agent.model.draw, jax.random.key(0))
    imagined = _form("sample of the model", agent.model.sample, noise, state, observation, action)
    _check_type("sample of the model", imagined, Transition)
    _check("the reward of the model's sample", imagined.reward, (), None)
    _check("the discount of the model's sample", imagined.discount, (), None)
    _check("the successor of the model's sample", imagined.successor, observation.shape, observation.dtype)
    _check("the action of the model's sample", imagined.action, action.shape, action.dtype)


def _check_candidates(agent: Dyna, observation: Any) -> None:
    source = agent.candidates
    state = _form("init of the candidates", source.init, jax.random.key(0))
    noise = _form("draw of the candidates", source.draw, jax.random.key(0))
    given = _form("candidates of the candidates", source.candidates, noise, state)
    _check_type("candidates of the candidates", given, Candidates)
    number = len(given.index) if given.index.ndim else 0
    if not number:
        raise UserError(f"the index of the candidates is {_words(given.index)}: it must be integers [N], N at least 1")
    _check("the index of the candidates", given.index, (number,), INTEGER)
    _check("the observation of the candidates", given.observation, (number, *observation.shape), observation.dtype)
    by_pair = (number, agent.environment.num_actions)
    allowed = by_pair if given.is_allowed.ndim == 2 else (number,)
    _check("is_allowed of the candidates", given.is_allowed, allowed, BOOL)


def _form(what: str, function: Any, *arguments: Any) -> Any:
    """What a function gives, as shapes and dtypes."""
    with named_errors(f"{what} fails", traces=False):
        return jax.eval_shape(function, *arguments)


def _check_type(what: str, found: Any, wanted: type) -> None:
    if not isinstance(found, wanted):
        raise UserError(f"{what} gives a {type(found).__name__}: it must be a {wanted.__name__}")


def _check(what: str, found: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Refuses another shape, or another dtype or kind of dtype; None takes any number."""
    fits = dtype is None or (
        found.dtype == dtype if isinstance(dtype, jnp.dtype) else jnp.issubdtype(found.dtype, dtype)
    )
    if tuple(found.shape) != tuple(shape) or not fits:
        wanted = "a number" if dtype is None else getattr(dtype, "name", getattr(dtype, "__name__", str(dtype)))
        raise UserError(f"{what} is {_words(found)}: it must be {wanted}{list(shape)}")


def _words(found: Any) -> str:
    return f"{found.dtype}{list(found.shape)}"


def _leaves(state: PyTree) -> dict[str, str]:
    return {
        f"state{jax.tree_util.keystr(place)}": f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"
        for place, leaf in jax.tree_util.tree_leaves_with_path(state)
    }
