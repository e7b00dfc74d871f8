"""MGSC inside a plain Python agent that steps a live Gymnasium environment; none of our loop is used.

The agent is NumPy: an array of action values and a model of counts. From `mgsc` it takes one strategy, which is
a few pure functions: ``init``, ``observe`` (the meta-update, compiled once) and ``weights``. The states it may
query are those it has acted in. It learns FrozenLake beside the same agent with uniform search control::

    python examples/plain_agent.py --steps 6000 --seeds 3
    python examples/plain_agent.py --memory agent.npz       goes on where the agent in the file has stopped
"""

import argparse
import functools
import os

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax

import mgsc
from mgsc import Candidates, Params, Successors, Transition, dyna, policies, search_control

ENVIRONMENT, STATES, ACTIONS = "FrozenLake-v1", 16, 4
DISCOUNT, EPSILON, STEP_SIZE, PLANNING_UPDATES = 0.95, 0.1, 0.1, 3


def expect(model, state, action):
    """What the counts say of one state and action, for the meta-gradient; nothing tried yet: to stay put."""
    count = model["count"][state, action]
    probability = jnp.where(count.sum() > 0, count / jnp.maximum(count.sum(), 1), jnp.arange(STATES) == state)
    discount = DISCOUNT * (1 - model["ends"][state, action])
    return Successors(probability, model["reward"][state, action], discount, jnp.arange(STATES))


POLICY = functools.partial(policies.epsilon_greedy_probabilities, epsilon=EPSILON)
PARTS = dyna.discrete_parts(lambda values, state: values[state], POLICY, expect)
STRATEGY = search_control.meta_gradient(
    optax.adam(0.01), step_size=STEP_SIZE, planning_updates=PLANNING_UPDATES, entropy_bonus=3e-6
)
CONTROL = STRATEGY(PARTS)
observe = jax.jit(CONTROL.observe)


class Agent:
    def __init__(self, learns_search_control, seed):
        self.learns_search_control, self.random = learns_search_control, np.random.default_rng(seed)
        outcomes = (STATES, ACTIONS, STATES)
        self.q = np.zeros((STATES, ACTIONS), np.float32)
        self.model = {name: np.zeros(outcomes, np.float32) for name in ("count", "reward", "ends")}
        self.has_acted = np.zeros(STATES, bool)
        params, everywhere = Params(self.q, self.model), self.candidates(np.ones(STATES, bool))
        self.search = CONTROL.init(jax.random.key(seed), params, everywhere)

    def candidates(self, is_allowed):
        return Candidates(np.arange(STATES), np.arange(STATES, dtype=np.int32), is_allowed)

    def act(self, state):
        best = np.flatnonzero(self.q[state] == self.q[state].max())
        return int(self.random.choice(ACTIONS if self.random.random() < EPSILON else best))

    def learn(self, state, action, reward, ends, after):
        """One real step: meta-update, model, values, planning."""
        self.has_acted[state] = True
        real = Transition(state, action, reward, 0.0 if ends else DISCOUNT, after)
        d = self.query_distribution(real)
        self.model["count"][state, action, after] += 1
        self.model["reward"][state, action, after] = reward
        self.model["ends"][state, action, after] = ends
        self.update(state, action, reward, ends, after)
        for imagined in self.random.choice(STATES, PLANNING_UPDATES, p=d):
            self.update(imagined, *self.imagine(imagined))

    def query_distribution(self, real):
        if not self.learns_search_control:
            return self.has_acted / self.has_acted.sum()
        candidates, params = self.candidates(self.has_acted), Params(self.q, self.model)
        self.search, _ = observe(self.search, params, candidates, real)
        d = np.asarray(CONTROL.weights(self.search, params, candidates), float)
        return d / d.sum()

    def imagine(self, state):
        action = self.act(state)
        count = self.model["count"][state, action]
        after = int(self.random.choice(STATES, p=count / count.sum())) if count.any() else state
        return action, self.model["reward"][state, action, after], self.model["ends"][state, action, after], after

    def update(self, state, action, reward, ends, after):
        goal = reward + DISCOUNT * (1 - ends) * self.q[after].max()
        self.q[state, action] += STEP_SIZE * (goal - self.q[state, action])

    def memory(self):
        return {"q": self.q, "model": self.model, "has_acted": self.has_acted, "search": self.search}

    def remember(self, memory):
        self.q, self.model = memory["q"], memory["model"]
        self.has_acted, self.search = memory["has_acted"], memory["search"]


def run(agent, steps, seed):
    """Returns of the episodes that ended within so many environment steps."""
    env = gymnasium.make(ENVIRONMENT)
    state, _ = env.reset(seed=seed)
    returns, total = [], 0.0
    for _ in range(steps):
        action = agent.act(state)
        after, reward, terminated, truncated, _ = env.step(action)
        agent.learn(state, action, float(reward), float(terminated), after)
        state, total = after, total + float(reward)
        if terminated or truncated:
            returns.append(total)
            (state, _), total = env.reset(), 0.0
    env.close()
    return returns


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000, help="environment steps of a run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--memory", help="file of one MGSC agent: read if it is there, written at the end")
    options = parser.parse_args(arguments)
    if options.memory:
        agent = Agent(True, 0)
        if os.path.exists(options.memory):
            agent.remember(mgsc.load_state(options.memory, like=agent.memory()))
        returns = run(agent, options.steps, seed=0)
        mgsc.save_state(agent.memory(), options.memory)
        print(f"mean return of {len(returns)} episodes: {np.mean(returns):.3f}")
        return
    for name, learns in (("uniform", False), ("MGSC", True)):
        agents = [Agent(learns, seed) for seed in range(options.seeds)]
        means = [np.mean(run(agent, options.steps, seed)) for seed, agent in enumerate(agents)]
        error = np.std(means, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
        print(
            f"{name:8} mean return per episode {np.mean(means):.3f} ± {error:.3f} (standard error, {len(means)} seeds)"
        )
    d = np.asarray(agents[0].search.weights).reshape(4, 4)
    print("where MGSC of seed 0 queries its model at the end, in percent:", *np.round(100 * d).astype(int), sep="\n")


if __name__ == "__main__":
    main()
