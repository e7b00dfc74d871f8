"""Dyna with search control: the real step, and its compiled loop.

The loop knows no strategy, model or value function by name. ``real_step`` is the algorithm; the rest
draws its noise ahead, repeats it, and reduces what is recorded while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.environments.base import Environment
from mgsc.indexing import pick
from mgsc.models.base import Model
from mgsc.noise import Use, draw_all
from mgsc.policies import Policy
from mgsc.sampling import largest
from mgsc.search_control.base import SearchControl, Strategy, make_distribution, sample_query
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Query, Transition
from mgsc.values.base import ValueFunction

MAX_UNROLL = 5
"""Planning updates that are unrolled in the compiled step; more are scanned over in such groups."""


BEFORE_FIRST_STEP = 2**32 - 1
"""What a run's key is folded with to initialise: a number no step reaches."""

REAL = -1
"""The candidate index of an update from real experience."""


class Dyna(NamedTuple):
    """An agent in its environment, assembled by ``assemble``.

    Attributes:
        max_planning_updates: the static length of the planning loop.
        planning_updates: K ≤ max_planning_updates, may be traced; updates beyond K do nothing.
        learns_model_first: True puts the model update before the meta-update.
        updates_directly: False leaves the update from the real transition out: values change by planning only.
    """

    environment: Environment
    environment_params: PyTree
    values: ValueFunction
    policy: Policy
    model: Model
    search_control: SearchControl
    candidates: Candidates
    step_size: Array | float
    discount: Array | float
    planning_updates: Array | int
    max_planning_updates: int
    learns_model_first: bool
    updates_directly: bool = True


class DynaState(NamedTuple):
    """Everything a step needs from the one before: what a checkpoint must hold."""

    step: Array
    environment: PyTree
    observation: Array
    values: PyTree
    model: PyTree
    search: PyTree


class StepNoise(NamedTuple):
    """The chance of one real step, see ``mgsc.noise``; the planning entries have a leading K axis."""

    explore: PyTree
    environment: PyTree
    restart: PyTree
    query: PyTree
    plan_action: PyTree
    imagine: PyTree


class StepInfo(NamedTuple):
    """What people look at after a step: the transition, d (None without planning), and the strategy's info."""

    transition: Transition
    weights: Array | None
    search: dict[str, Array]


class PlanCarry(NamedTuple):
    """What one planning update hands to the next; entries nobody asks for are None."""

    values: PyTree
    search: PyTree
    last: Backup | None


def assemble(
    environment: Environment,
    environment_params: PyTree,
    values: ValueFunction,
    policy: Policy,
    model: Model,
    strategy: Strategy,
    candidates: Candidates,
    *,
    step_size: Array | float,
    discount: Array | float,
    planning_updates: Array | int,
    max_planning_updates: int | None = None,
    learns_model_first: bool = False,
) -> Dyna:
    """Binds the parts into an agent; ``strategy`` is given the agent's values, policy and model.

    Args:
        planning_updates: K planning updates per real step; 0 is Q-learning. May be traced if
            ``max_planning_updates`` gives the static bound.

    Raises:
        TypeError: K is traced and no bound is given.
    """
    if max_planning_updates is None:
        if not isinstance(planning_updates, int):
            raise TypeError("max_planning_updates must be given where planning_updates is not a Python int")
        max_planning_updates = planning_updates
    search_control = strategy(Parts(values.apply, policy.probabilities, model.expect))
    return Dyna(
        environment,
        environment_params,
        values,
        policy,
        model,
        search_control,
        candidates,
        step_size,
        discount,
        planning_updates,
        max_planning_updates,
        learns_model_first,
    )


def init(agent: Dyna, key: Array) -> DynaState:
    """The state before the first step; ``key`` is the run's key, as in ``run_chunk``."""
    key_reset, key_values, key_search = jax.random.split(jax.random.fold_in(key, BEFORE_FIRST_STEP), 3)
    env = agent.environment
    environment, observation = env.reset(env.draw_reset(key_reset), agent.environment_params, None)
    params = Params(agent.values.init(key_values), agent.model.init())
    search = agent.search_control.init(key_search, params, agent.candidates)
    return DynaState(jnp.zeros((), jnp.int32), environment, observation, *params, search)


def draw_noise(agent: Dyna, key: Array, steps: Array) -> StepNoise:
    """All the chance of the real steps numbered ``steps`` [T] of the run with ``key``; leading axis T."""
    draws = {
        Use.EXPLORE: agent.policy.draw,
        Use.ENVIRONMENT: agent.environment.draw,
        Use.RESTART: agent.environment.draw_reset,
        Use.QUERY: agent.search_control.draw,
        Use.PLAN_ACTION: agent.policy.draw,
        Use.IMAGINE: agent.model.draw,
    }
    noise = draw_all(key, steps, draws, agent.max_planning_updates)
    return StepNoise(*(noise[use] for use in draws))


def real_step(agent: Dyna, state: DynaState, noise: StepNoise) -> tuple[DynaState, StepInfo]:
    """One real step: act, observe, meta-update, learn the model, learn the values, plan."""
    action = agent.policy.sample(noise.explore, agent.values.apply(state.values, state.observation))
    transition, environment, observation = act(agent, state, action, noise)

    model = learn_model(agent, state.model, transition)
    believed = model if agent.learns_model_first else state.model
    search, info = observe(agent, state.search, Params(state.values, believed), transition)

    values, backup = learn(agent, state.values, transition, REAL, agent.step_size if agent.updates_directly else 0.0)
    values, search, weights = plan(agent, Params(values, model), search, backup, noise)

    after = DynaState(state.step + 1, environment, observation, values, model, search)
    return after, StepInfo(transition, weights, info)


def act(agent: Dyna, state: DynaState, action: Array, noise: StepNoise) -> tuple[Transition, PyTree, Array]:
    """Takes a step in the environment, and starts over where the episode ended."""
    env = agent.environment
    step = env.step(noise.environment, state.environment, action, agent.environment_params)
    discount = agent.discount * (1.0 - step.terminated)
    transition = Transition(state.observation, action, step.reward, discount, step.observation)
    restarted = env.reset(noise.restart, agent.environment_params, step.state)
    is_over = step.terminated | step.truncated
    environment, observation = jax.tree.map(
        lambda new, old: jnp.where(is_over, new, old), restarted, (step.state, step.observation)
    )
    return transition, environment, observation


def learn_model(agent: Dyna, model: PyTree, transition: Transition) -> PyTree:
    """The model learns from the real transition, if it learns at all."""
    return model if agent.model.update is None else agent.model.update(model, transition)


def observe(agent: Dyna, search: PyTree, params: Params, transition: Transition) -> tuple[PyTree, dict[str, Array]]:
    """Search control hears of the real transition: here MGSC makes its meta-update."""
    if agent.search_control.observe is None:
        return search, {}
    return agent.search_control.observe(search, params, agent.candidates, transition)


def td_error(agent: Dyna, values: PyTree, transition: Transition) -> Array:
    """δ = r + γ' max q(s', ·) − q(s, a)."""
    target = transition.reward + transition.discount * largest(agent.values.apply(values, transition.successor))
    return target - pick(agent.values.apply(values, transition.observation), transition.action)


def learn(
    agent: Dyna, values: PyTree, transition: Transition, index: Array | int, step_size: Array | float
) -> tuple[PyTree, Backup]:
    """One Q-learning update from a real or an imagined transition."""
    error = td_error(agent, values, transition)
    values = agent.values.update(values, transition.observation, transition.action, error, jnp.asarray(step_size))
    return values, Backup(jnp.asarray(index, jnp.int32), transition, error)


def plan(
    agent: Dyna, params: Params, search: PyTree, real: Backup, noise: StepNoise
) -> tuple[PyTree, PyTree, Array | None]:
    """K sampled planning updates, each applied to the values the one before has left."""
    if agent.max_planning_updates == 0:
        return params.values, search, None
    control = agent.search_control
    if control.after_learning is not None:
        search = control.after_learning(search, params, real)
    distribution = make_distribution(control.weights(search, params, agent.candidates))

    def update(carry: PlanCarry, xs: PyTree) -> tuple[PlanCarry, None]:
        number, query, noise_action, noise_imagine = xs
        before = Params(carry.values, params.model)
        heard = search if control.after_backup is None else carry.search
        if control.propose is not None and carry.last is not None:
            query = control.propose(query, heard, before, distribution, agent.candidates, carry.last)
        transition = imagine(agent, before, query, noise_action, noise_imagine)
        is_within = number < agent.planning_updates
        step_size = jnp.where(is_within, agent.step_size, 0.0)
        if query.step_scale is not None:
            step_size = step_size * query.step_scale
        values, backup = learn(agent, carry.values, transition, query.index, step_size)
        if control.after_backup is None:
            return PlanCarry(values, None, None if carry.last is None else backup), None
        told = control.after_backup(heard, Params(values, params.model), backup)
        if may_skip:
            told = jax.tree.map(lambda new, old: jnp.where(is_within, new, old), told, heard)
        return PlanCarry(values, told, None if carry.last is None else backup), None

    # Where every update counts, what a strategy keeps is not chosen between: a queue would be copied each time.
    may_skip = not isinstance(agent.planning_updates, int) or agent.planning_updates < agent.max_planning_updates
    counter = jnp.arange(agent.max_planning_updates)
    queries = noise.query
    if control.propose is None:
        # All K at once: the shared sampler looks at nothing that planning changes.
        queries = jax.vmap(lambda noise: sample_query(noise, distribution, agent.candidates))(queries)
    xs = (counter, queries, noise.plan_action, noise.imagine)
    # What a strategy does not use is not carried: a carried replay ring would be copied at every update.
    carry = PlanCarry(
        params.values,
        None if control.after_backup is None else search,
        None if control.propose is None else real,
    )
    carry, _ = lax.scan(update, carry, xs, unroll=min(agent.max_planning_updates, MAX_UNROLL))
    return carry.values, search if carry.search is None else carry.search, distribution.weights


def imagine(agent: Dyna, params: Params, query: Query, noise_action: PyTree, noise_imagine: PyTree) -> Transition:
    """The model's answer to a query, or the real transition it brings along."""
    if query.outcome is not None:
        return query.outcome
    action = query.action
    if action is None:
        action = agent.policy.sample(noise_action, agent.values.apply(params.values, query.observation))
    imagined = agent.model.sample(noise_imagine, params.model, query.observation, action)
    return imagined._replace(reward=imagined.reward + query.reward_bonus)


class Recorder(NamedTuple):
    """Reduces what is recorded while the loop runs, so that memory does not grow with its length.

    Attributes:
        init: ``() -> record`` at the start of a chunk.
        step: ``(record, StepInfo) -> record`` after every real step: keep it cheap.
        measure: ``(record, DynaState) -> record`` every ``measure_every`` steps.
    """

    init: Callable[[], PyTree]
    step: Callable[[PyTree, StepInfo], PyTree]
    measure: Callable[[PyTree, DynaState], PyTree]


def total_reward() -> Recorder:
    """Records the sum of rewards of a chunk and nothing else."""
    return Recorder(
        lambda: jnp.zeros(()),
        lambda record, info: record + info.transition.reward,
        lambda record, state: record,
    )


def run_chunk(
    agent: Dyna, state: DynaState, key: Array, *, num_steps: int, measure_every: int, recorder: Recorder
) -> tuple[DynaState, PyTree]:
    """``num_steps`` real steps, with their record; compile it once and call it for every chunk.

    Args:
        key: the run's key; the steps fold their number into it, so chunks of any length agree.
        num_steps: a multiple of ``measure_every``.
        measure_every: real steps whose noise is drawn at once, and after which is measured.
    """

    def block(carry: tuple[DynaState, PyTree], _: None) -> tuple[tuple[DynaState, PyTree], None]:
        noise = draw_noise(agent, key, carry[0].step + jnp.arange(measure_every))

        def step(carry: tuple[DynaState, PyTree], noise: StepNoise) -> tuple[tuple[DynaState, PyTree], None]:
            state, info = real_step(agent, carry[0], noise)
            return (state, recorder.step(carry[1], info)), None

        (state, record), _ = lax.scan(step, carry, noise)
        return (state, recorder.measure(record, state)), None

    if num_steps % measure_every:
        raise ValueError(f"num_steps ({num_steps}) must be a multiple of measure_every ({measure_every})")
    carry, _ = lax.scan(block, (state, recorder.init()), None, length=num_steps // measure_every)
    return carry


def run(agent: Dyna, key: Array, num_steps: int, *, chunk_steps: int = 250) -> tuple[DynaState, Array]:
    """A whole run of one seed.

    Args:
        num_steps: a multiple of ``chunk_steps``.

    Returns:
        The final state, and [num_steps / chunk_steps] sums of rewards.
    """
    recorder = total_reward()

    def chunk(state: DynaState, _: None) -> tuple[DynaState, Array]:
        return run_chunk(agent, state, key, num_steps=chunk_steps, measure_every=chunk_steps, recorder=recorder)

    return lax.scan(chunk, init(agent, key), None, length=num_steps // chunk_steps)
