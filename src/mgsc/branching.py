"""Model-based policy optimisation: rollouts from states that search control draws, and updates from imagined steps.

A real step begins some rollouts at candidates that are drawn from d; where d is over pairs, their first actions, too.
Policy and model go on from there, and a buffer keeps the imagined transitions. The planning updates draw their
minibatches from this buffer and, in part, from real transitions. Rollouts that begin at uniformly drawn candidates are
the published method.

Source: Janner et al. 2019 (arXiv 1906.08253). Differs in that rollouts begin, and the model learns, at every real step.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from mgsc.agent import Dyna, StepNoise
from mgsc.planning import chosen_action, learn
from mgsc.rollouts import Imagined, draw, keep, length_at
from mgsc.search_control.base import Distribution, make_distribution, sample_query
from mgsc.types import NO_CANDIDATE, Array, Candidates, Params, PyTree, Transition

REPORTS = ("start_model_error", "candidate_model_error", "start_age")
"""Numbers of each real step: mean error of the model under d, and of all candidates, about their own transitions; mean
age of a candidate under d [environment steps]."""


def branch(
    agent: Dyna, params: Params, search: PyTree, candidates: Candidates, imagined: Imagined, noise: Array, step: Array
) -> tuple[Imagined, Array, dict[str, Array]]:
    """The buffer with the rollouts of one real step, d [N] or [N, A], and the numbers that are reported.

    Args:
        noise: a key.
        step: [] int32 number of the real step; before the end of the warm-up nothing is kept.
    """
    assert agent.rollouts is not None, "rollouts were asked for"
    settings = agent.rollouts
    distribution = make_distribution(agent.search_control.weights(search, params, candidates))
    made, is_reached = _roll_out(agent, params, distribution, candidates, noise)
    length = jnp.where(step < agent.warm_up_steps, 0, length_at(settings, step))
    is_kept = is_reached & (jnp.arange(settings.longest)[:, None] < length)
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), made)
    return (
        keep(imagined, rows, is_kept.reshape(-1)),
        distribution.weights,
        _report(agent, params, candidates, distribution),
    )


def reports_of_starts(agent: Dyna) -> tuple[str, ...]:
    """The names of ``REPORTS``, of an agent of which they are known."""
    return REPORTS if agent.model_miss is not None else ()


def _report(agent: Dyna, params: Params, candidates: Candidates, distribution: Distribution) -> dict[str, Array]:
    """The numbers of ``REPORTS``."""
    if agent.model_miss is None or candidates.age is None:
        return {}
    d, misses = distribution.weights.reshape(len(candidates.index), -1).sum(1), agent.model_miss(params, candidates)
    return {
        "start_model_error": jnp.sum(d * misses),
        "candidate_model_error": jnp.mean(misses),
        "start_age": jnp.sum(d * candidates.age),
    }


def _roll_out(
    agent: Dyna, params: Params, distribution: Distribution, candidates: Candidates, noise: Array
) -> tuple[Transition, Array]:
    """Transition of arrays [longest, starts], and bool which of them are reached before the episode ends."""
    assert agent.rollouts is not None, "rollouts were asked for"
    shape = agent.rollouts.longest, agent.rollouts.starts
    key_start, key_act, key_imagine = jax.random.split(noise, 3)
    uniforms = jax.random.uniform(key_start, shape[1:])
    start = jax.vmap(lambda uniform: sample_query(uniform, distribution, candidates))(uniforms)
    policy, model = agent.policy, agent.model
    first = jax.vmap(lambda query: chosen_action(agent, params.values, query))(start)
    noise_act = jax.vmap(jax.vmap(policy.draw))(jax.random.split(key_act, shape))
    noise_imagine = jax.vmap(jax.vmap(model.draw))(jax.random.split(key_imagine, shape))

    def go_on(carry: tuple[Array, Array], xs: PyTree) -> tuple[tuple[Array, Array], tuple[Transition, Array]]:
        here, goes_on = carry
        number, noise_act, noise_imagine = xs
        action = jax.vmap(policy.sample, (0, None, 0))(noise_act, params.values, here)
        if first is not None:
            action = jnp.where(number == 0, first, action)
        made = jax.vmap(model.sample, (0, None, 0, 0))(noise_imagine, params.model, here, action)
        return (made.successor, goes_on & (made.discount > 0)), (made, goes_on)

    begun = start.observation, jnp.ones(shape[1], bool)
    return lax.scan(go_on, begun, (jnp.arange(shape[0]), noise_act, noise_imagine))[1]


def plan_from(
    agent: Dyna, params: Params, imagined: Imagined, source: PyTree, noise: StepNoise
) -> tuple[PyTree, PyTree]:
    """K planning updates from minibatches of imagined and of real transitions.

    Args:
        imagined: the buffer of imagined transitions.
        source: state of the candidate source, which keeps the real transitions.

    Returns:
        θ and the learner's state.
    """
    assert agent.rollouts is not None, "rollouts were asked for"
    num_real, stored = round(agent.rollouts.real_share * agent.batch_size), agent.candidates.stored

    def update(carry: tuple[PyTree, PyTree], xs: PyTree) -> tuple[tuple[PyTree, PyTree], None]:
        number, uniform, noise_learn = xs
        uniform = uniform.reshape(agent.batch_size)
        batch = draw(uniform[num_real:], imagined)
        if num_real:
            assert stored is not None, "the source keeps real transitions"
            real = jax.vmap(stored, (0, None))(uniform[:num_real], source)
            batch = jax.tree.map(lambda one, other: jnp.concatenate([one, other]), real, batch)
        before = Params(carry[0], params.model, carry[1])
        is_within = number < agent.planning_updates
        step_size = jnp.where(is_within, agent.step_size, 0.0)
        values, learner, _ = learn(agent, before, batch, NO_CANDIDATE, step_size, noise_learn)
        learner = jax.tree.map(lambda new, old: jnp.where(is_within, new, old), learner, carry[1])
        return (values, learner), None

    xs = (jnp.arange(agent.max_planning_updates), noise.query, noise.plan_learn)
    return lax.scan(update, (params.values, params.learner), xs)[0]
