"""A suite without tables in one file: an environment with vector observations, values and a model of one's own.

A point is pushed left or right and is to be kept near zero: ``python examples/own_suite.py --out results/pushed``.
"""

import argparse

import jax
import jax.numpy as jnp

import mgsc
from mgsc.candidates import BufferSettings
from mgsc.environments import Environment, Simulator, Step
from mgsc.experiments import AgentSettings, Suite, own_environment, own_model, own_values
from mgsc.models import Model
from mgsc.noise import keys, uniforms
from mgsc.search_control import MetaGradientSettings
from mgsc.types import Successors, Transition
from mgsc.values import ValueFunction


def reset(noise, params, previous):
    return (place := jax.random.uniform(noise, (1,), minval=-1.0)), place


def step(noise, place, action, params):
    after = place + 0.4 * action - 0.2 + 0.05 * jax.random.normal(noise, (1,))
    return Step(after, after, -jnp.abs(after[0]), jnp.abs(after[0]) > 2, jnp.asarray(False))


def bumps(place):
    return jnp.exp(-4 * (place - jnp.linspace(-2, 2, 9)) ** 2)


def build_values(settings, facts, initial_value):
    def update(theta, learner, place, action, error, step_size):
        return theta.at[action].add(jax.vmap(bumps)(place) * (step_size * error / len(error))[:, None]), learner

    return ValueFunction(
        init=lambda key: (jnp.full((2, 9), initial_value), ()),
        q=lambda theta, place, action: theta[action] @ bumps(place),
        bootstrap=lambda theta, learner, place: (theta @ bumps(place)).max(),
        update=update,
        action_values=lambda theta, place: theta @ bumps(place),
    )


def build_model(settings, facts):
    """The mean push of each action, and the true reward."""

    def sample(noise, push, place, action):
        after = place + push[action]
        return Transition(place, action, -jnp.abs(after[0]), facts.discount * (jnp.abs(after[0]) < 2), after)

    def expect(push, place, action):
        _, _, reward, discount, after = sample(None, push, place, action)
        return Successors(jnp.ones(1), reward[None], discount[None], after[None])

    def update(noise, push, seen):
        return push.at[seen.action].add(0.1 * (seen.successor[0] - seen.observation[0] - push[seen.action]))

    return Model(init=lambda key: jnp.zeros(2), draw=uniforms, sample=sample, expect=expect, update=update)


LINE = own_environment(
    "line", Simulator(Environment(keys, keys, reset, step, 2), (), jax.ShapeDtypeStruct((1,), "float32"))
)
MGSC = AgentSettings("meta_gradient", options=MetaGradientSettings(logits="network"))
SUITE = Suite(
    "Kept near zero",
    LINE,
    own_model("push", build_model),
    steps=2000,
    values=own_values("bumps", build_values),
    candidates=BufferSettings(),
    agents={"uniform": AgentSettings("uniform"), "meta_gradient": MGSC},
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    print(mgsc.run(SUITE, seeds=5, out=parser.parse_args().out).reward.sum("chunk"))
