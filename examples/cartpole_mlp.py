"""MGSC with networks on CartPole: an MLP q, an MLP model learned on the way, candidates drawn from a buffer.

No state is ever listed. In every step N candidates are drawn from the states visited so far, a small network
h(s; η) gives their logits, and d is the softmax over these N. The meta-gradient goes through the planned
update of the MLP's parameters (`mgsc.meta_gradient.exact_network`) into the weights, and on into η.

Three agents that differ in nothing else are compared: MGSC, uniform candidates, and no planning. All their seeds
are lanes of one compiled program; the environments are Gymnasium's, stepped one by one in Python::

    python examples/cartpole_mlp.py --steps 6000 --seeds 6
"""

import argparse
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mgsc.experiments import mean_interval
from mgsc.meta_gradient import entropy, exact_network, target_parameters
from mgsc.policies import epsilon_greedy
from mgsc.search_control.base import masked_softmax
from mgsc.types import Candidates, Params, Parts, Successors, Transition

OBSERVATIONS, ACTIONS = 4, 2
SCALES = np.array([1.0, 1.0, 0.1, 1.0], np.float32)
"""Observations are divided by these, so that they are about 1 in all four."""
REWARD = 0.02
"""What a step is worth to the agent: values are then about 1 as well."""
DISCOUNT, EPSILON = 0.99, 0.1
HIDDEN = (64, 64)
CAPACITY, NUM_CANDIDATES, BATCH, PLANNING_UPDATES = 10_000, 24, 32, 8
STEP_SIZE, MODEL_STEP_SIZE, META_STEP_SIZE = 0.03, 1e-3, 3e-3
ROOT_SEED = 1000
"""Not that of the seeds on which the numbers above were chosen by hand."""


class Numbers(NamedTuple):
    """What the agents differ in."""

    planning_step_size: Any
    meta_step_size: Any


AGENTS = {
    "MGSC": Numbers(STEP_SIZE, META_STEP_SIZE),
    "uniform": Numbers(STEP_SIZE, 0.0),
    "no planning": Numbers(0.0, 0.0),
}


class State(NamedTuple):
    """What an agent learns and remembers; every leaf can be saved."""

    values: Any
    model: Any
    model_optimizer: Any
    logits: Any
    logits_optimizer: Any
    buffer: Transition
    count: Any


def init_mlp(key, sizes):
    """Layers (weights, biases); the last one is zero, so that the network begins as the constant 0."""
    keys = jax.random.split(key, len(sizes) - 1)
    layers = [
        (jax.random.normal(key, (fan_in, fan_out)) * jnp.sqrt(1 / fan_in), jnp.zeros(fan_out))
        for key, fan_in, fan_out in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]
    return [*layers[:-1], jax.tree.map(jnp.zeros_like, layers[-1])]


def apply_mlp(layers, x):
    for weights, biases in layers[:-1]:
        x = jnp.tanh(x @ weights + biases)
    weights, biases = layers[-1]
    return x @ weights + biases


def predict(model, observation, action):
    """The change of the observation, and the logit of the episode's end."""
    answer = apply_mlp(model, jnp.concatenate([observation, jax.nn.one_hot(action, ACTIONS)]))
    return answer[:OBSERVATIONS], answer[OBSERVATIONS]


def expect(model, observation, action):
    """Two outcomes with the same successor: the episode goes on, or ends. The reward of a step is given."""
    change, logit = predict(model, observation, action)
    ends = jax.nn.sigmoid(logit)
    successor = jnp.stack([observation + change] * 2)
    return Successors(jnp.stack([1 - ends, ends]), jnp.full(2, REWARD), jnp.array([DISCOUNT, 0.0]), successor)


POLICY = epsilon_greedy(EPSILON)
PARTS = Parts(apply_mlp, POLICY.probabilities, expect)
ADAM = optax.scale_by_adam()


def init(key):
    key_values, key_model, key_logits = jax.random.split(key, 3)
    values = init_mlp(key_values, (OBSERVATIONS, *HIDDEN, ACTIONS))
    model = init_mlp(key_model, (OBSERVATIONS + ACTIONS, *HIDDEN, OBSERVATIONS + 1))
    logits = init_mlp(key_logits, (OBSERVATIONS, 32, 1))
    observations, numbers = jnp.zeros((CAPACITY, OBSERVATIONS)), jnp.zeros(CAPACITY)
    buffer = Transition(observations, jnp.zeros(CAPACITY, jnp.int32), numbers, numbers, observations)
    return State(values, model, ADAM.init(model), logits, ADAM.init(logits), buffer, jnp.zeros((), jnp.int32))


def query_weights(logits, candidates):
    """d over the candidates: [N]."""
    each = jax.vmap(apply_mlp, (None, 0))(logits, candidates.observation)[:, 0]
    return masked_softmax(each, candidates.is_allowed)


def meta_gradient(parts, params, logits, candidates, real, step_size):
    """(L, ∂L/∂η, d): the weights' gradient by one forward-mode pass, chained through softmax and h."""
    weights, pull_back = jax.vjp(lambda logits: query_weights(logits, candidates), logits)
    loss, slope = exact_network.loss_and_weights_gradient(
        parts, params, candidates, weights, real, step_size, PLANNING_UPDATES
    )
    return loss, pull_back(slope)[0], weights


def descend(params, optimizer, gradient, step_size):
    change, optimizer = ADAM.update(gradient, optimizer)
    return jax.tree.map(lambda leaf, step: leaf - step_size * step, params, change), optimizer


def q_learning(values, transition, step_size):
    """θ + α Δ(transition; θ)."""
    return target_parameters(PARTS, values, values, transition, step_size)


def model_loss(model, batch):
    change, logit = jax.vmap(predict, (None, 0, 0))(model, batch.observation, batch.action)
    miss = jnp.mean((batch.observation + change - batch.successor) ** 2)
    return miss + jnp.mean(optax.sigmoid_binary_cross_entropy(logit, batch.discount == 0))


def plan(values, model, candidates, weights, step_size, key):
    """K sampled planning updates, each applied to the values the one before has left."""

    def update(values, key):
        key_state, key_action, key_imagine = jax.random.split(key, 3)
        observation = candidates.observation[jax.random.choice(key_state, len(weights), p=weights)]
        action = jax.random.categorical(key_action, jnp.log(POLICY.probabilities(apply_mlp(values, observation))))
        answers = expect(model, observation, action)
        slot = jax.random.categorical(key_imagine, jnp.log(answers.probability))
        imagined = Transition(observation, action, *(column[slot] for column in answers[1:]))
        return q_learning(values, imagined, step_size), None

    return jax.lax.scan(update, values, jax.random.split(key, PLANNING_UPDATES))[0]


def learn(state, numbers, real, key):
    """One real step: meta-update, learn the model, learn the values, plan."""
    key_candidates, key_batch, key_plan = jax.random.split(key, 3)
    buffer = jax.tree.map(lambda column, entry: column.at[state.count % CAPACITY].set(entry), state.buffer, real)
    count = state.count + 1
    filled = jnp.minimum(count, CAPACITY)
    drawn = jax.random.randint(key_candidates, (NUM_CANDIDATES,), 0, filled)
    candidates = Candidates(buffer.observation[drawn], drawn, jnp.ones(NUM_CANDIDATES, bool))

    params = Params(state.values, state.model)
    loss, gradient, _ = meta_gradient(PARTS, params, state.logits, candidates, real, STEP_SIZE)
    logits, logits_optimizer = descend(state.logits, state.logits_optimizer, gradient, numbers.meta_step_size)

    batch = jax.tree.map(lambda column: column[jax.random.randint(key_batch, (BATCH,), 0, filled)], buffer)
    slope = jax.grad(model_loss)(state.model, batch)
    model, model_optimizer = descend(state.model, state.model_optimizer, slope, MODEL_STEP_SIZE)

    values = q_learning(state.values, real, STEP_SIZE)
    weights = query_weights(logits, candidates)
    values = plan(values, model, candidates, weights, numbers.planning_step_size, key_plan)
    spread = jnp.exp(entropy(weights)) / NUM_CANDIDATES
    after = State(values, model, model_optimizer, logits, logits_optimizer, buffer, count)
    return after, {"meta_loss": loss, "spread": spread}


def act(state, observation, key):
    return POLICY.sample(jax.random.uniform(key), apply_mlp(state.values, observation))


def run(steps, seeds):
    """All agents and seeds side by side.

    Returns:
        Name -> for each seed the mean return of the episodes that ended in the second half of its steps; and name
        -> for each seed the mean spread of d there, 1 where d is uniform.
    """
    lanes = [(name, seed) for name in AGENTS for seed in range(seeds)]
    numbers = jax.tree.map(lambda *each: jnp.array(each), *[AGENTS[name] for name, _ in lanes])
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(ROOT_SEED), seed))(
        jnp.array([seed for _, seed in lanes])
    )
    state = jax.vmap(init)(keys)

    @jax.jit
    def choose(state, observation, step):
        folded = jax.vmap(lambda key: jax.random.fold_in(key, 2 * step))(keys)
        return jax.vmap(act)(state, observation, folded)

    def all_learn(state, real, step):
        folded = jax.vmap(lambda key: jax.random.fold_in(key, 2 * step + 1))(keys)
        return jax.vmap(learn)(state, numbers, real, folded)

    all_learn = jax.jit(all_learn, donate_argnums=0)
    envs = [gymnasium.make("CartPole-v1") for _ in lanes]
    observation = (
        np.stack([env.reset(seed=ROOT_SEED + seed)[0] for env, (_, seed) in zip(envs, lanes, strict=True)]) / SCALES
    )
    length, lengths, spreads = np.zeros(len(lanes)), [[] for _ in lanes], []
    for step in range(steps):
        actions = np.asarray(choose(state, observation, step))
        begins, successors, ended = observation, np.empty_like(observation), np.zeros(len(lanes), np.float32)
        observation = np.empty_like(begins)
        length += 1
        for lane, env in enumerate(envs):
            after, _, terminated, truncated, _ = env.step(int(actions[lane]))
            successors[lane], ended[lane] = after / SCALES, terminated
            if terminated or truncated:
                if step >= steps // 2:
                    lengths[lane].append(length[lane])
                length[lane], after = 0, env.reset()[0]
            observation[lane] = after / SCALES
        rewards = np.full(len(lanes), REWARD, np.float32)
        real = Transition(begins, actions, rewards, DISCOUNT * (1 - ended), successors)
        state, info = all_learn(state, real, step)
        if step >= steps // 2:
            spreads.append(np.asarray(info["spread"]))
    means = [np.mean(each or [length[lane]]) for lane, each in enumerate(lengths)]
    spread = np.mean(spreads, 0)
    place = {name: [lane for lane, (other, _) in enumerate(lanes) if other == name] for name in AGENTS}
    return tuple({name: np.array(what)[at] for name, at in place.items()} for what in (means, spread))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000, help="environment steps of a run")
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args(arguments)
    returns, spreads = run(options.steps, options.seeds)
    print(f"return of the episodes in the second half of {options.steps} steps: mean over seeds, 95 % interval")
    for name, each in returns.items():
        mean, low, high = mean_interval(each)
        spread = f"   d is spread over {np.mean(spreads[name]):.0%} of the candidates" if name != "no planning" else ""
        print(f"{name:12} {mean:6.1f}   {low:6.1f} to {high:6.1f}{spread}")
    return returns, spreads


if __name__ == "__main__":
    main()
