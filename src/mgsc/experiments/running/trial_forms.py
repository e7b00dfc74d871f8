"""Shapes and dtypes of the results of parts of one's own, found without computing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mgsc.dyna import Dyna
from mgsc.environments.base import check_step
from mgsc.errors import UserError
from mgsc.experiments.design.own import named_errors
from mgsc.types import ActionChoice, Candidates, PyTree, Transition, kind_of, like

INTEGER, FLOAT, BOOL = jnp.integer, jnp.floating, jnp.bool_


def check_forms(agent: Dyna, observation: jax.ShapeDtypeStruct) -> None:
    """Follows one step through the environment, the values, the policy, the model and the candidates of an agent.

    Raises:
        UserError: a result has another shape or dtype than the loop needs, or code raises an error; the message names
            part, field, and the expected and the found form.
    """
    state = _check_reset(agent, observation, None)
    theta, learner = _check_pair(
        "init of the values", _form("init of the values", agent.values.init, jax.random.key(0))
    )
    if agent.values.action_values is not None:  # before the policy, which is given what they give
        each = _form("action_values of the values", agent.values.action_values, theta, observation)
        _check("action_values of the values", each, (agent.environment.num_actions,), FLOAT)
    action = _check_sample(agent, theta, observation)
    _check_step(agent, state, observation, action)
    _check_values(agent, theta, learner, observation, action)
    _check_policy(agent, theta, observation, action)
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


def _check_pair(what: str, given: Any) -> tuple[PyTree, PyTree]:
    if not (isinstance(given, tuple) and len(given) == 2):
        raise UserError(
            f"{what} gives {kind_of(given)}: it must give (θ, learner), where the learner is () if it has none"
        )
    return given


def _check_sample(agent: Dyna, theta: PyTree, observation: Any) -> Any:
    """The form of an action."""
    policy = agent.policy
    noise = _form("draw of the policy", policy.draw, jax.random.key(0))
    action = _action_form("sample of the policy", policy.sample, noise, theta, observation)
    if agent.environment.num_actions:
        _check("sample of the policy", action, (), INTEGER)
    if policy.explore is not None:
        step = like((), jnp.int32)
        explored = _action_form("explore of the policy", policy.explore, noise, theta, observation, step)
        _check("explore of the policy", explored, action.shape, action.dtype)
    return action


def _action_form(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    given: list[Any] = []
    action = _form(what, _kept(function, given), *arguments)
    if not hasattr(given[0], "dtype"):
        raise UserError(
            f"{what} gives a Python {type(given[0]).__name__}: it must give an array, such as jnp.int32(1) where "
            "actions are numbered"
        )
    return action


def _check_policy(agent: Dyna, theta: PyTree, observation: Any, action: Any) -> None:
    policy, values = agent.policy, agent.values
    choice = _form("actions of the policy", policy.actions, theta, observation)
    _check_type("actions of the policy", choice, ActionChoice)
    number = len(choice.probability) if choice.probability.ndim else 0
    _check("the probability of actions of the policy", choice.probability, (max(1, number),), FLOAT)
    _check("the action of actions of the policy", choice.action, (number, *action.shape), action.dtype)
    if policy.probabilities is not None and values.action_values is not None:
        q = _form("action_values of the values", values.action_values, theta, observation)
        _check("probabilities of the policy", _form("probabilities", policy.probabilities, q), q.shape, FLOAT)


def _kept(function: Callable[..., Any], given: list[Any]) -> Callable[..., Any]:
    """The function, whose result is also kept as it is: forms do not tell a number of Python from an array."""

    def keeps(*arguments: Any) -> Any:
        given[:] = [function(*arguments)]
        return given[0]

    return keeps


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
    given: list[Any] = []
    step = _form("step of the environment", _kept(environment.step, given), noise, state, action, params)
    check_step(step)
    if not hasattr(given[0].reward, "dtype"):
        raise UserError(
            f"the reward of step is a Python number ({type(given[0].reward).__name__}): it must be an array, as "
            "jnp.float32(reward) is"
        )
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
    _check_update(agent, theta, learner, observation, action)


def _check_update(agent: Dyna, theta: PyTree, learner: PyTree, observation: Any, action: Any) -> None:
    """Of a batch of one; values with ``learn`` are updated by it, and the real step follows it."""
    if agent.values.learn is not None:
        return
    numbers = like((1,), jnp.float32)
    batch = [like((1, *form.shape), form.dtype) for form in (observation, action)]
    what = "update of the values"
    given = _check_pair(what, _form(what, agent.values.update, theta, learner, *batch, numbers, numbers))
    check_state(f"{what}: θ", theta, given[0])
    check_state(f"{what}: the learner", learner, given[1])


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
