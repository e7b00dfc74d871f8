"""Dyna with search control: the real step, and its compiled loop.

No strategy, model or value function is named in the loop. ``real_step`` is the algorithm; ``run_chunk`` draws its
noise ahead, repeats it, and reduces what is recorded while it runs. ``mgsc.agent`` holds an agent's parts and state,
``mgsc.planning`` the updates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.agent import Dyna, DynaState, StepInfo, StepNoise, assemble, discrete_parts, draw_noise, init
from mgsc.branching import branch, plan_from
from mgsc.environments.base import Step
from mgsc.indexing import after
from mgsc.planning import after_learning, learn, plan, td_error
from mgsc.types import NO_CANDIDATE, Array, Candidates, Params, PyTree, Transition

__all__ = [
    "REAL",
    "Dyna",
    "DynaState",
    "Recorder",
    "StepInfo",
    "StepNoise",
    "act",
    "assemble",
    "discrete_parts",
    "draw_candidates",
    "draw_noise",
    "explore",
    "init",
    "learn",
    "learn_model",
    "observe",
    "plan",
    "rate_candidates",
    "real_step",
    "run",
    "run_chunk",
    "total_reward",
]

REAL = NO_CANDIDATE
"""The candidate index of an update from real experience."""

LARGE = 2_000
"""Size of a table from which on it is written in place, which fixes the order of reads and writes; a smaller one is
copied faster."""


def real_step(agent: Dyna, state: DynaState, noise: StepNoise) -> tuple[DynaState, StepInfo]:
    """One real step: act, draw candidates, learn the model, meta-update, learn the values, plan.

    The meta-update is given the model as it was before this step's transition, unless ``learns_model_first``.
    """
    action = explore(agent, state, noise)
    transition, environment, observation, outcome = act(agent, state, action, noise)
    source, candidates = draw_candidates(agent, state.candidates, transition, noise)

    model = learn_model(agent, state.model, transition, noise)
    current = model if agent.learns_model_first else state.model
    search, info = observe(agent, state.search, state.params._replace(model=current), candidates, transition)

    transition = _once_reported(agent, state.values, transition, info)
    direct_step_size = agent.step_size if agent.updates_directly else 0.0
    values, learner, backup = learn(agent, state.params, transition, REAL, direct_step_size)
    params = Params(values, model, learner)
    ready, imagined = _warmed_up(agent, state.step), state.imagined
    if agent.rollouts is None:
        values, learner, search, weights = plan(ready, params, search, candidates, backup, noise)
    else:
        search = after_learning(agent, search, params, backup)
        imagined, weights, report = branch(agent, params, search, candidates, imagined, noise.rollout, state.step)
        info = {**info, **report}
        values, learner = plan_from(ready, params, imagined, source, noise)
    source = rate_candidates(agent, source, Params(values, model, learner), candidates)

    following = DynaState(
        step=state.step + 1,
        environment=environment,
        observation=observation,
        values=values,
        model=model,
        search=search,
        learner=learner,
        candidates=source,
        imagined=imagined,
    )
    return following, StepInfo(
        transition=transition,
        weights=weights,
        search=info,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        environment=outcome.info,
    )


def _warmed_up(agent: Dyna, step: Array) -> Dyna:
    """The agent, which makes no planning update before its warm-up is over."""
    if not agent.warm_up_steps:
        return agent
    return agent._replace(planning_updates=jnp.where(step < agent.warm_up_steps, 0, agent.planning_updates))


def explore(agent: Dyna, state: DynaState, noise: StepNoise) -> Array:
    """The real action of the behaviour policy."""
    if agent.policy.explore is None:
        return agent.policy.sample(noise.explore, state.values, state.observation)
    return agent.policy.explore(noise.explore, state.values, state.observation, state.step)


def act(agent: Dyna, state: DynaState, action: Array, noise: StepNoise) -> tuple[Transition, PyTree, Array, Step]:
    """Takes a step in the environment, and resets it where the episode ended.

    Returns:
        The transition, the environment's next state and observation, and the ``Step`` itself.
    """
    env = agent.environment
    step = env.step(noise.environment, state.environment, action, agent.environment_params)
    discount = agent.discount * (1.0 - step.terminated)
    transition = Transition(state.observation, action, step.reward, discount, step.observation)
    restarted = env.reset(noise.restart, agent.environment_params, step.state)
    is_over = step.terminated | step.truncated
    environment, observation = jax.tree.map(
        lambda new, old: jnp.where(is_over, new, old), restarted, (step.state, step.observation)
    )
    return transition, environment, observation, step


def draw_candidates(agent: Dyna, source: PyTree, transition: Transition, noise: StepNoise) -> tuple[PyTree, Candidates]:
    """The source's new state, and the candidates of this step."""
    if agent.candidates.observe is not None:
        source = agent.candidates.observe(source, transition)
    if agent.candidates.refresh is not None:
        source = agent.candidates.refresh(noise.candidates, source)
    return source, agent.candidates.candidates(noise.candidates, source)


def rate_candidates(agent: Dyna, source: PyTree, params: Params, candidates: Candidates) -> PyTree:
    """The source's state after it has received the TD errors of the candidates' experience, if it draws by them."""
    if agent.candidates.receive is None or candidates.experience is None:
        return source
    errors = jax.vmap(td_error, (None, None, 0))(agent, params, candidates.experience)
    return agent.candidates.receive(source, candidates, errors)


def learn_model(agent: Dyna, model: PyTree, transition: Transition, noise: StepNoise) -> PyTree:
    """The model's state after the real transition, from which it learns unless it is fixed."""
    return model if agent.model.update is None else agent.model.update(noise.learn_model, model, transition)


def observe(
    agent: Dyna, search: PyTree, params: Params, candidates: Candidates, transition: Transition
) -> tuple[PyTree, dict[str, Array]]:
    """Search control's state after the real transition, and what it reports; MGSC makes its meta-update here."""
    if agent.search_control.observe is None:
        return search, {}
    return agent.search_control.observe(search, params, candidates, transition)


def _once_reported(agent: Dyna, values: PyTree, transition: Transition, info: dict[str, Array]) -> Transition:
    """The transition; of a large table, its index depends on search control's report (``mgsc.indexing.after``)."""
    if not info or not agent.values.is_table or values.size < LARGE:
        return transition
    return transition._replace(observation=after(transition.observation, next(iter(info.values()))))


class Recorder(NamedTuple):
    """Reduces what is recorded while the loop runs, so that memory does not grow with its length.

    Attributes:
        init: ``() -> record`` at the start of a chunk.
        step: ``(record, StepInfo) -> record`` after every real step; its cost is that of every step.
        measure: ``(record, DynaState) -> record`` every ``measure_every`` steps.
        keep: ``(DynaState) -> pytree`` every ``measure_every`` steps; all of them are kept. None keeps nothing.
    """

    init: Callable[[], PyTree]
    step: Callable[[PyTree, StepInfo], PyTree]
    measure: Callable[[PyTree, DynaState], PyTree]
    keep: Callable[[DynaState], PyTree] | None = None


def total_reward() -> Recorder:
    """Records the sum of rewards of a chunk and nothing else."""
    return Recorder(
        init=lambda: jnp.zeros(()),
        step=lambda record, info: record + info.transition.reward,
        measure=lambda record, state: record,
    )


def run_chunk(
    agent: Dyna, state: DynaState, key: Array, *, num_steps: int, measure_every: int, recorder: Recorder
) -> tuple[DynaState, PyTree]:
    """Makes ``num_steps`` real steps and their record; compiled once, it serves every chunk.

    Args:
        key: the run's key; each step folds its number into it, so chunks of any length give the same run.
        num_steps: a multiple of ``measure_every``.
        measure_every: real steps between measurements; their noise is drawn at once.

    Returns:
        The state, and the record; of a recorder that keeps something, the pair of its record and of what it has
        kept, [num_steps / measure_every, ...].
    """

    def block(carry: tuple[DynaState, PyTree], _: None) -> tuple[tuple[DynaState, PyTree], PyTree]:
        noise = draw_noise(agent, key, carry[0].step + jnp.arange(measure_every))

        def step(carry: tuple[DynaState, PyTree], noise: StepNoise) -> tuple[tuple[DynaState, PyTree], None]:
            state, info = real_step(agent, carry[0], noise)
            return (state, recorder.step(carry[1], info)), None

        (state, record), _ = lax.scan(step, carry, noise)
        return (state, recorder.measure(record, state)), None if recorder.keep is None else recorder.keep(state)

    if num_steps % measure_every:
        raise ValueError(f"num_steps ({num_steps}) must be a multiple of measure_every ({measure_every})")
    (state, record), kept = lax.scan(block, (state, recorder.init()), None, length=num_steps // measure_every)
    return state, record if recorder.keep is None else (record, kept)


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
