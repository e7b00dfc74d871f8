"""An agent in its environment: its parts, its state, and the noise of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp

from mgsc.candidates import CandidateSource, listed
from mgsc.environments.base import Environment
from mgsc.indexing import pick
from mgsc.models.base import Model
from mgsc.noise import Draw, Use, draw_all, keys, nothing
from mgsc.policies import BehaviourPolicy, Policy
from mgsc.reductions import largest
from mgsc.rollouts import RolloutSettings, nothing_imagined
from mgsc.search_control.base import SearchControl, Strategy
from mgsc.types import ActionChoice, Array, Candidates, Params, Parts, PyTree, Successors, Transition
from mgsc.values.base import ValueFunction

BEFORE_FIRST_STEP = 2**32 - 1
"""What a run's key is folded with to initialise: a number no step reaches. Parts added later take those before it."""


class Dyna(NamedTuple):
    """An agent in its environment; ``assemble`` makes it.

    Attributes:
        candidates: the source of the candidates of each real step.
        max_planning_updates: the static length of the planning loop.
        planning_updates: K ≤ max_planning_updates, may be traced; updates beyond K do nothing.
        planning_rounds: updates after which the loop stops, K … max_planning_updates; None for max_planning_updates.
        learns_model_first: True puts the model update before the meta-update.
        updates_directly: False omits the update from the real transition: values change by planning only.
        batch_size: queries of one planning update, static; their mean is one step of the values.
        rollout_length: updates of an imagined rollout, static; 1: each update has a query of its own.
        warm_up_steps: real steps before planning begins, static.
        rollouts: branched rollouts, from whose buffer planning updates draw; None where they query the model.
        model_miss: ``(params, candidates) -> [N]`` error of the model at the candidates, reported where rollouts begin;
            None reports nothing.
    """

    environment: Environment
    environment_params: PyTree
    values: ValueFunction
    policy: Policy
    model: Model
    search_control: SearchControl
    candidates: CandidateSource
    step_size: Array | float
    discount: Array | float
    planning_updates: Array | int
    max_planning_updates: int
    learns_model_first: bool
    updates_directly: bool = True
    batch_size: int = 1
    planning_rounds: Array | None = None
    rollout_length: int = 1
    warm_up_steps: int = 0
    rollouts: RolloutSettings | None = None
    model_miss: Callable[[Params, Candidates], Array] | None = None


class DynaState(NamedTuple):
    """All that a step takes from the one before; a checkpoint holds it."""

    step: Array
    environment: PyTree
    observation: Array
    values: PyTree
    model: PyTree
    search: PyTree
    learner: PyTree = ()
    candidates: PyTree = ()
    imagined: PyTree = ()

    @property
    def params(self) -> Params:
        """The part of the state that a strategy may read."""
        return Params(self.values, self.model, self.learner)


class StepNoise(NamedTuple):
    """The noise of one real step, see ``mgsc.noise``.

    ``query``, ``plan_action``, ``imagine`` and ``plan_learn`` have a leading axis K; with minibatches, the first three
    have axes [K, batch size].
    """

    explore: PyTree
    environment: PyTree
    restart: PyTree
    query: PyTree
    plan_action: PyTree
    imagine: PyTree
    learn_model: PyTree
    candidates: PyTree
    plan_learn: PyTree
    rollout: PyTree


class StepInfo(NamedTuple):
    """What one step reports.

    Attributes:
        transition: the real transition.
        weights: [N] or [N, A] d; None without planning.
        search: numbers the strategy reports.
        terminated: whether the task ended with this step.
        truncated: whether the episode was cut short after it.
        environment: numbers the environment reports.
    """

    transition: Transition
    weights: Array | None
    search: dict[str, Array]
    terminated: Array
    truncated: Array
    environment: dict[str, Array]

    @property
    def is_over(self) -> Array:
        """[] bool: whether an episode ended with this step, terminated or truncated."""
        return self.terminated | self.truncated


def assemble(
    environment: Environment,
    environment_params: PyTree,
    values: ValueFunction,
    policy: BehaviourPolicy,
    model: Model,
    strategy: Strategy,
    candidates: CandidateSource | Candidates,
    *,
    step_size: Array | float,
    discount: Array | float,
    planning_updates: Array | int,
    max_planning_updates: int | None = None,
    learns_model_first: bool = False,
    batch_size: int = 1,
    rollout_length: int = 1,
    warm_up_steps: int = 0,
) -> Dyna:
    """Binds the parts into an agent; policy and strategy receive the agent's other parts.

    Args:
        candidates: a source; or listed candidates, which are the same in every step.
        planning_updates: K planning updates per real step; 0 is Q-learning. May be traced if
            ``max_planning_updates`` gives the static bound.
        batch_size: queries of one planning update.
        rollout_length: updates of an imagined rollout that begins at a candidate, see ``mgsc.planning.rolled_out``.
        warm_up_steps: real steps before planning begins.

    Raises:
        TypeError: K is traced and no bound is given.
        ValueError: a batch of no queries, or rollouts of no length.
    """
    _check_at_least_one(batch_size=batch_size, rollout_length=rollout_length)
    behaviour = policy(values)
    return Dyna(
        environment=environment,
        environment_params=environment_params,
        values=values,
        policy=behaviour,
        model=model,
        search_control=strategy(parts_of(values, behaviour, model)),
        candidates=listed(candidates) if isinstance(candidates, Candidates) else candidates,
        step_size=step_size,
        discount=discount,
        planning_updates=planning_updates,
        max_planning_updates=_bound(planning_updates, max_planning_updates),
        learns_model_first=learns_model_first,
        batch_size=batch_size,
        rollout_length=rollout_length,
        warm_up_steps=warm_up_steps,
    )


def _check_at_least_one(**numbers: int) -> None:
    for name, given in numbers.items():
        if given < 1:
            raise ValueError(f"{name} is {given}: at least 1 is needed")


def _bound(planning_updates: Array | int, max_planning_updates: int | None) -> int:
    """The static length of the planning loop."""
    if max_planning_updates is not None:
        return max_planning_updates
    if not isinstance(planning_updates, int):
        raise TypeError("max_planning_updates must be given where planning_updates is not a Python int")
    return planning_updates


def parts_of(values: ValueFunction, policy: Policy, model: Model) -> Parts:
    """The agent's functions that search control may call."""
    return Parts(
        q=values.q,
        bootstrap=values.bootstrap,
        actions=policy.actions,
        expect=model.expect,
        action_values=values.action_values or _not_discrete,
        policy=policy.probabilities or _not_discrete,
        is_table=values.is_table,
        disagreement=model.disagreement,
        heads=values.heads,
        is_discrete=values.action_values is not None and policy.probabilities is not None,
    )


def discrete_parts(
    action_values: Callable[[PyTree, Array], Array],
    policy: Callable[[Array], Array],
    expect: Callable[[PyTree, Array, Array], Successors],
    *,
    is_table: bool = False,
) -> Parts:
    """The functions of an agent of your own with A actions, for search control without this package's loop.

    Args:
        action_values: ``(values, observation) -> [A]``.
        policy: ``(action values [A]) -> [A]`` probabilities.
        expect: ``(model, observation, action) -> Successors``.
        is_table: whether ``values`` is an array [S, A] in which ``observation`` numbers a row.
    """

    def actions(values: PyTree, observation: Array) -> ActionChoice:
        probability = policy(action_values(values, observation))
        return ActionChoice(jnp.arange(probability.shape[-1], dtype=jnp.int32), probability)

    return Parts(
        q=lambda values, observation, action: pick(action_values(values, observation), action),
        bootstrap=lambda values, learner, observation: largest(action_values(values, observation)),
        actions=actions,
        expect=expect,
        action_values=action_values,
        policy=policy,
        is_table=is_table,
        is_discrete=True,
    )


def _not_discrete(*arguments: object) -> NoReturn:
    raise ValueError("this strategy compares all actions of a state: it is for discrete actions only")


def init(agent: Dyna, key: Array) -> DynaState:
    """The state before the first step; ``key`` is the run's key, as in ``run_chunk``."""
    key_reset, key_values, key_search = jax.random.split(jax.random.fold_in(key, BEFORE_FIRST_STEP), 3)
    key_model = jax.random.fold_in(key, BEFORE_FIRST_STEP - 1)
    key_source, key_candidates = jax.random.split(jax.random.fold_in(key, BEFORE_FIRST_STEP - 2))
    env = agent.environment
    environment, observation = env.reset(env.draw_reset(key_reset), agent.environment_params, None)
    values, learner = agent.values.init(key_values)
    params = Params(values, agent.model.init(key_model), learner)
    source = agent.candidates.init(key_source)
    candidates = agent.candidates.candidates(agent.candidates.draw(key_candidates), source)
    return DynaState(
        step=jnp.zeros((), jnp.int32),
        environment=environment,
        observation=observation,
        values=params.values,
        model=params.model,
        search=agent.search_control.init(key_search, params, candidates),
        learner=params.learner,
        candidates=source,
        imagined=_nothing_imagined(agent, observation, values),
    )


def _nothing_imagined(agent: Dyna, observation: Array, values: PyTree) -> PyTree:
    """An empty buffer of imagined transitions, where the agent has one."""
    if agent.rollouts is None:
        return ()
    noise = agent.policy.draw(jax.random.key(0))
    action = jax.eval_shape(agent.policy.sample, noise, values, observation)
    return nothing_imagined(observation, action, agent.rollouts.capacity)


def draw_noise(agent: Dyna, key: Array, steps: Array) -> StepNoise:
    """The noise of the real steps numbered ``steps`` [T] of the run with ``key``; leading axis T."""
    draws = {
        Use.EXPLORE: agent.policy.draw,
        Use.ENVIRONMENT: agent.environment.draw,
        Use.RESTART: agent.environment.draw_reset,
        Use.QUERY: _batched(agent.search_control.draw, agent.batch_size),
        Use.PLAN_ACTION: _batched(agent.policy.draw, agent.batch_size),
        Use.IMAGINE: _batched(agent.model.draw, agent.batch_size),
        Use.LEARN_MODEL: agent.model.draw_update,
        Use.CANDIDATES: agent.candidates.draw,
        Use.PLAN_LEARN: agent.values.draw,
        Use.ROLLOUT: nothing if agent.rollouts is None else keys,
    }
    noise = draw_all(key, steps, draws, agent.max_planning_updates)
    return StepNoise(
        explore=noise[Use.EXPLORE],
        environment=noise[Use.ENVIRONMENT],
        restart=noise[Use.RESTART],
        query=noise[Use.QUERY],
        plan_action=noise[Use.PLAN_ACTION],
        imagine=noise[Use.IMAGINE],
        learn_model=noise[Use.LEARN_MODEL],
        candidates=noise[Use.CANDIDATES],
        plan_learn=noise[Use.PLAN_LEARN],
        rollout=noise[Use.ROLLOUT],
    )


def _batched(draw: Draw, batch_size: int) -> Draw:
    """The noise of all queries of one planning update."""
    if batch_size == 1 or draw is nothing:
        return draw
    return lambda key: jax.vmap(draw)(jax.random.split(key, batch_size))
