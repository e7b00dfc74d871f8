"""A suite without tables in one file: an environment with vector observations, values and a model of one's own.

A point is pushed left or right and is to be kept near zero: ``python examples/own_suite.py --out results/pushed``.
"""

import argparse

import jax
import jax.numpy as jnp

import mgsc
from mgsc import candidates, environments, models, noise, search_control, values
from mgsc.experiments import AgentSettings, Suite, own_environment, own_model, own_values


def reset(key, params, previous):
    return (place := jax.random.uniform(key, (1,), minval=-1.0)), place


def step(key, place, action, params):
    after = place + 0.4 * action - 0.2 + 0.05 * jax.random.normal(key, (1,))
    return environments.Step(after, after, -jnp.abs(after[0]), jnp.abs(after[0]) > 2, jnp.asarray(False))


def bumps(place):
    return jnp.exp(-4 * (place - jnp.linspace(-2, 2, 9)) ** 2)


def build_values(settings, facts, initial_value):
    def update(theta, learner, place, action, error, step_size):
        return theta.at[action].add(jax.vmap(bumps)(place) * (step_size * error / len(error))[:, None]), learner

    return values.ValueFunction(
        init=lambda key: (jnp.full((2, 9), initial_value), ()),
        q=lambda theta, place, action: theta[action] @ bumps(place),
        bootstrap=lambda theta, learner, place: (theta @ bumps(place)).max(),
        update=update,
        action_values=lambda theta, place: theta @ bumps(place),
    )


def build_model(settings, facts):
    """The mean push of each action, and the true reward."""

    def sample(uniform, push, place, action):
        after = place + push[action]
        return mgsc.Transition(place, action, -jnp.abs(after[0]), facts.discount * (jnp.abs(after[0]) < 2), after)

    def expect(push, place, action):
        _, _, reward, discount, after = sample(None, push, place, action)
        return mgsc.Successors(jnp.ones(1), reward[None], discount[None], after[None])

    def update(uniform, push, seen):
        return push.at[seen.action].add(0.1 * (seen.successor[0] - seen.observation[0] - push[seen.action]))

    return models.Model(init=lambda key: jnp.zeros(2), draw=noise.uniforms, sample=sample, expect=expect, update=update)


PUSHED = environments.Environment(noise.keys, noise.keys, reset, step, 2)
LINE = own_environment("line", environments.Simulator(PUSHED, (), jax.ShapeDtypeStruct((1,), "float32")))
MGSC = AgentSettings("meta_gradient", options=search_control.MetaGradientSettings(logits="network"))
SUITE = Suite(
    "Kept near zero",
    LINE,
    own_model("push", build_model),
    steps=2000,
    values=own_values("bumps", build_values),
    candidates=candidates.BufferSettings(),
    agents={"uniform": AgentSettings("uniform"), "meta_gradient": MGSC},
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out")
    print(mgsc.run(SUITE, seeds=5, out=parser.parse_args().out).reward.sum("chunk"))
