"""MGSC with networks on CartPole: an MLP q, an MLP model learned on the way, candidates drawn from a buffer.

No state is ever listed. In every step N candidates are drawn from the states visited so far, a small network gives
their logits, and d is the softmax over these N. The meta-gradient goes through the planned update of the MLP's
parameters by one forward-mode pass over the candidates, and on into the logit network. Three agents that differ in
nothing else are compared, on the same loop as all tables; `mgsc run cartpole` runs them as a suite::

    python examples/cartpole_mlp.py --steps 6000 --seeds 6
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mgsc import Facts, candidates, dyna, environments, meta_gradient, models, policies, search_control, values
from mgsc.experiments import mean_interval

DISCOUNT, STEP_SIZE, META_STEP_SIZE, UPDATES, NUM_CANDIDATES = 0.99, 0.03, 3e-3, 8, 24
ROOT_SEED = 1000
"""Not that of the seeds on which the numbers above were chosen by hand."""

MGSC = search_control.meta_gradient(
    optax.adam(META_STEP_SIZE),
    step_size=STEP_SIZE,
    planning_updates=UPDATES,
    method="network",
    logits=search_control.network_logits((32,)),
)
AGENTS = {
    "MGSC": (MGSC, UPDATES),
    "uniform": (search_control.uniform(), UPDATES),
    "no planning": (search_control.uniform(), 0),
}


def build(strategy, planning_updates):
    settings = environments.CartPoleSettings(reward=0.02)
    environment, params, observation, reward_scale, scale, *_ = environments.cartpole(settings)
    facts = Facts(observation, 2, DISCOUNT, reward_scale, switch_every=1, observation_scale=scale)
    return dyna.assemble(
        environments.with_episodes(environment),
        params,
        values.mlp.mlp(facts.encode, (4, 64, 64, 2)),
        policies.epsilon_greedy(0.1),
        models.mlp.mlp_model(models.mlp.MlpModel(), facts),
        strategy,
        candidates.from_buffer(observation, num_candidates=NUM_CANDIDATES, capacity=10_000),
        step_size=STEP_SIZE,
        discount=DISCOUNT,
        planning_updates=planning_updates,
    )


def step(record, info):
    """Lengths and number of the episodes that ended, and how widely d was spread."""
    spread = 0.0 if info.weights is None else jnp.exp(meta_gradient.entropy(info.weights)) / NUM_CANDIDATES
    return record + jnp.array([info.is_over * info.environment["episode_length"], info.is_over, spread])


def run(steps, seeds):
    """Agent -> [seeds, 3]: mean length and number of the episodes of a run's second half, and d's spread there."""
    recorder = dyna.Recorder(init=lambda: jnp.zeros(3), step=step, measure=lambda record, state: record)
    half = {"num_steps": steps // 2, "measure_every": steps // 2, "recorder": recorder}

    def one(agent, seed):
        key = jax.random.fold_in(jax.random.key(ROOT_SEED), seed)
        state, _ = dyna.run_chunk(agent, dyna.init(agent, key), key, **half)
        lengths, episodes, spread = dyna.run_chunk(agent, state, key, **half)[1]
        return jnp.array([lengths / jnp.maximum(episodes, 1), episodes, spread / (steps // 2)])

    agents = {name: build(*parts) for name, parts in AGENTS.items()}
    each = {name: jax.jit(jax.vmap(functools.partial(one, agent))) for name, agent in agents.items()}
    return {name: np.asarray(compiled(jnp.arange(seeds))) for name, compiled in each.items()}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000, help="environment steps of a run")
    parser.add_argument("--seeds", type=int, default=6)
    options = parser.parse_args(arguments)
    results = run(options.steps, options.seeds)
    print(f"length of the episodes in the second half of {options.steps} steps: mean over seeds, 95 % interval")
    for name, each in results.items():
        mean, low, high = mean_interval(each[:, 0])
        print(f"{name:12} {mean:6.1f}   {low:6.1f} to {high:6.1f}   d is spread over {each[:, 2].mean():.0%}")
    return results


if __name__ == "__main__":
    main()
