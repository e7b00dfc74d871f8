"""Updates of the values, from real transitions and from imagined ones: K planning updates per real step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.agent import Dyna, StepNoise
from mgsc.indexing import lookup
from mgsc.search_control.base import Distribution, make_distribution, sample_query
from mgsc.types import NO_CANDIDATE, Array, Backup, Candidates, Params, PyTree, Query, Transition

MAX_UNROLL = 2
"""Planning updates that are unrolled in the compiled step; more are scanned over in such groups."""


class PlanCarry(NamedTuple):
    """The state between two planning updates; entries that the agent does not use are None."""

    values: PyTree
    learner: PyTree
    search: PyTree
    last: Backup | None
    previous: Transition | None


def td_error(agent: Dyna, params: Params, transition: Transition) -> Array:
    """δ = r + γ' max q(s', ·) − q(s, a)."""
    bootstrap = agent.values.bootstrap(params.values, params.learner, transition.successor)
    target = transition.reward + transition.discount * bootstrap
    return target - agent.values.q(params.values, transition.observation, transition.action)


def learn(
    agent: Dyna,
    params: Params,
    transition: Transition,
    index: Array | int,
    step_size: Array | float,
    noise: PyTree | None = None,
) -> tuple[PyTree, PyTree, Backup]:
    """One Q-learning update from a real or an imagined transition, or from a minibatch with a leading axis.

    Args:
        noise: of a planning update; None for the real transition's own update, in which values with ``learn`` stay as
            they are.

    Returns:
        θ, the learner's state, and the backup.
    """
    is_batch = transition.reward.ndim == 1
    if agent.values.learn is not None and noise is not None:
        return _learned(agent, params, transition, index, step_size, noise)
    each = jax.vmap(td_error, (None, None, 0)) if is_batch else td_error
    error = each(agent, params, transition)
    if agent.values.learn is not None:
        return params.values, params.learner, Backup(jnp.asarray(index, jnp.int32), transition, error)
    batch = (transition.observation, transition.action, error, jnp.broadcast_to(jnp.asarray(step_size), error.shape))
    if not is_batch:
        batch = jax.tree.map(lambda leaf: leaf[None], batch)
    values, learner = agent.values.update(params.values, params.learner, *batch)
    return values, learner, Backup(jnp.asarray(index, jnp.int32), transition, error)


def _learned(
    agent: Dyna, params: Params, transition: Transition, index: Array | int, step_size: Array | float, noise: PyTree
) -> tuple[PyTree, PyTree, Backup]:
    """An update of values that have ``learn``."""
    assert agent.values.learn is not None, "the values learn from whole transitions"
    is_batch = transition.reward.ndim == 1
    batch = transition if is_batch else jax.tree.map(lambda leaf: leaf[None], transition)
    each = jnp.broadcast_to(jnp.asarray(step_size), batch.reward.shape)
    values, learner, error = agent.values.learn(noise, params.values, params.learner, batch, each)
    return values, learner, Backup(jnp.asarray(index, jnp.int32), transition, error if is_batch else error[0])


def plan(
    agent: Dyna, params: Params, search: PyTree, candidates: Candidates, real: Backup, noise: StepNoise
) -> tuple[PyTree, PyTree, PyTree, Array | None]:
    """Makes K sampled planning updates, each of the values that the one before has left.

    Returns:
        θ, the learner's state, search control's state, and d [N] or [N, A], which is None without planning.
    """
    if agent.max_planning_updates == 0:
        return params.values, params.learner, search, None
    control, search = agent.search_control, after_learning(agent, search, params, real)
    distribution = make_distribution(control.weights(search, params, candidates))
    context = PlanContext(agent, params.model, search, candidates, distribution)
    queries = noise.query
    if control.propose is None and not context.samples_in_turn:
        # All K at once: the shared sampler looks at nothing that planning changes.
        queries = jax.vmap(context.each(lambda noise: sample_query(noise, distribution, candidates)))(queries)
    numbers = jnp.arange(agent.max_planning_updates)
    turns = Turn(numbers, queries, noise.plan_action, noise.imagine, noise.plan_learn)
    carry = _repeated(agent, functools.partial(_update, context), _begun(agent, params, search, real), turns)
    search = search if carry.search is None else carry.search
    return carry.values, carry.learner, search, distribution.weights


class PlanContext(NamedTuple):
    """What all planning updates of a real step share.

    Attributes:
        agent: the agent.
        model: the model's state.
        search: search control's state before the first update.
        candidates: of this step.
        distribution: d over them.
    """

    agent: Dyna
    model: PyTree
    search: PyTree
    candidates: Candidates
    distribution: Distribution

    @property
    def samples_in_turn(self) -> bool:
        """Whether each update draws its own query: not all of ``max_planning_updates`` may be made."""
        return self.agent.search_control.propose is None and self.agent.planning_rounds is not None

    @property
    def may_skip(self) -> bool:
        """Whether some updates change nothing; else states are not chosen between, which would copy a queue."""
        agent = self.agent
        return not isinstance(agent.planning_updates, int) or agent.planning_updates < agent.max_planning_updates

    def each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` of one query, over a minibatch where updates have one."""
        return jax.vmap(function) if self.agent.batch_size > 1 else function


class Turn(NamedTuple):
    """Number and noise of one planning update; ``query`` is a ``Query`` where it has been drawn before."""

    number: Array
    query: PyTree
    action: PyTree
    imagine: PyTree
    learn: PyTree


def _update(context: PlanContext, carry: PlanCarry, turn: Turn) -> tuple[PlanCarry, None]:
    """One planning update, which changes nothing where its number is K or above."""
    agent = context.agent
    before = Params(carry.values, context.model, carry.learner)
    search = context.search if agent.search_control.after_backup is None else carry.search

    def imagined(
        noise_query: PyTree, noise_action: PyTree, noise_imagine: PyTree, previous: Transition | None
    ) -> tuple[Query, Transition]:
        if context.samples_in_turn:
            noise_query = sample_query(noise_query, context.distribution, context.candidates)
        query = next_query(agent, noise_query, search, before, context.distribution, context.candidates, carry.last)
        if previous is not None:
            query = rolled_out(agent, before, query, noise_action, previous, turn.number)
        return query, imagine(agent, before, query, noise_action, noise_imagine)

    query, transition = context.each(imagined)(turn.query, turn.action, turn.imagine, carry.previous)
    is_within = turn.number < agent.planning_updates
    step_size = jnp.where(is_within, agent.step_size, 0.0)
    if query.step_scale is not None:
        step_size = step_size * query.step_scale
    values, learner, backup = learn(agent, before, transition, query.index, step_size, turn.learn)
    after = after_backup(agent, search, Params(values, context.model, learner), backup)
    if context.may_skip:
        learner, after = jax.tree.map(
            lambda new, old: jnp.where(is_within, new, old), (learner, after), (carry.learner, carry.search)
        )
    last = None if carry.last is None else _newest(agent, backup)
    return PlanCarry(values, learner, after, last, None if carry.previous is None else transition), None


def _begun(agent: Dyna, params: Params, search: PyTree, real: Backup) -> PlanCarry:
    """The state before the first planning update; it leaves out what a strategy does not use.

    A replay ring in it would be copied at every update.
    """
    control = agent.search_control
    return PlanCarry(
        values=params.values,
        learner=params.learner,
        search=None if control.after_backup is None else search,
        last=None if control.propose is None else real,
        previous=None if agent.rollout_length == 1 else _no_transition(agent, real.transition),
    )


def after_learning(agent: Dyna, search: PyTree, params: Params, real: Backup) -> PyTree:
    """Search control's state after the real transition's own update, which it receives if it needs it."""
    receive = agent.search_control.after_learning
    return search if receive is None else receive(search, params, real)


def _repeated(
    agent: Dyna, update: Callable[[PlanCarry, Turn], tuple[PlanCarry, None]], carry: PlanCarry, turns: Turn
) -> PlanCarry:
    """Makes the updates one after the other, each with its entry of ``turns`` [K, ...]."""
    if agent.planning_rounds is None:
        # An update of a table is a few numbers; one of a network is work enough, and slow to compile twice.
        unroll = min(agent.max_planning_updates, MAX_UNROLL) if agent.values.is_table else 1
        return lax.scan(update, carry, turns, unroll=unroll)[0]

    def turn(number: Array, carry: PlanCarry) -> PlanCarry:
        return update(carry, jax.tree.map(lambda leaf: lookup(leaf, number), turns))[0]

    repeated: PlanCarry = lax.fori_loop(0, agent.planning_rounds, turn, carry)
    return repeated


def next_query(
    agent: Dyna,
    drawn: PyTree,
    search: PyTree,
    params: Params,
    distribution: Distribution,
    candidates: Candidates,
    last: Backup | None,
) -> Query:
    """The query that the shared sampler has drawn or, where the strategy proposes, the one it makes of its noise."""
    if agent.search_control.propose is None or last is None:
        query: Query = drawn
        return query
    return agent.search_control.propose(drawn, search, params, distribution, candidates, last)


def rolled_out(
    agent: Dyna, params: Params, query: Query, noise_action: PyTree, previous: Transition, number: Array
) -> Query:
    """The query; within an imagined rollout, a query at the successor of the update before.

    A rollout begins at a candidate and has ``rollout_length`` updates. Where the episode ends in the model, the next
    update takes the query itself. Later queries have no candidate's number, and the policy chooses their actions.
    """
    if query.outcome is not None and query.is_stored is None:
        return query
    goes_on = (number % agent.rollout_length > 0) & (previous.discount > 0)
    here = jnp.where(goes_on, previous.successor, query.observation)
    action = chosen_action(agent, params.values, query)
    if action is not None:
        action = jnp.where(goes_on, agent.policy.sample(noise_action, params.values, here), action)
    index, is_stored = jnp.where(goes_on, NO_CANDIDATE, query.index), query.is_stored
    if is_stored is not None:
        is_stored = is_stored & ~goes_on
    return query._replace(observation=here, index=index, action=action, is_stored=is_stored)


def chosen_action(agent: Dyna, values: PyTree, query: Query) -> Array | None:
    """The action that search control has chosen for a query; None leaves it to the policy.

    Where actions are numbers, a d over pairs [N, C] draws a place among the C actions that stand for the policy's
    distribution (``Policy.actions``); an action that a candidate brings along is its numbers.
    """
    action = query.action
    if action is None or agent.environment.num_actions or not jnp.issubdtype(action.dtype, jnp.integer):
        return action
    return lookup(agent.policy.actions(values, query.observation).action, action)


def _no_transition(agent: Dyna, example: Transition) -> Transition:
    """What stands before the first rollout: transitions after which nothing goes on."""
    ended = example._replace(discount=jnp.zeros_like(example.discount))
    if agent.batch_size == 1:
        return ended
    batch: Transition = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (agent.batch_size, *jnp.shape(leaf))), ended)
    return batch


def after_backup(agent: Dyna, search: PyTree, params: Params, backup: Backup) -> PyTree:
    """Search control's state after each backup of an update; None where it receives none."""
    receive = agent.search_control.after_backup
    if receive is None:
        return None
    if agent.batch_size == 1:
        return receive(search, params, backup)
    return lax.scan(lambda search, one: (receive(search, params, one), None), search, backup)[0]


def _newest(agent: Dyna, backup: Backup) -> Backup:
    """The last backup of a planning update."""
    return backup if agent.batch_size == 1 else jax.tree.map(lambda leaf: leaf[-1], backup)


def imagine(agent: Dyna, params: Params, query: Query, noise_action: PyTree, noise_imagine: PyTree) -> Transition:
    """The model's answer to a query, or the real transition of the query."""
    if query.outcome is not None and query.is_stored is None:
        return query.outcome
    action = chosen_action(agent, params.values, query)
    if action is None:
        action = agent.policy.sample(noise_action, params.values, query.observation)
    imagined = agent.model.sample(noise_imagine, params.model, query.observation, action)
    imagined = imagined._replace(reward=imagined.reward + query.reward_bonus)
    is_stored = query.is_stored
    if query.outcome is None or is_stored is None:
        return imagined
    chosen: Transition = jax.tree.map(lambda own, other: jnp.where(is_stored, own, other), query.outcome, imagined)
    return chosen
