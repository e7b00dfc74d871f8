"""Returns with less exploration after a run: ``python -m mgsc.benchmarks.greedy_returns SUITE AGENT --epsilon 0.05``.

Each seed's run ends, and an ε-greedy policy plays a few episodes that no part learns from, in the last phase.
``--set KEY=VALUE`` changes the suite.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from numpy.typing import NDArray

from mgsc import dyna
from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import over_seeds, with_interval
from mgsc.errors import UserError
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.evaluation import play
from mgsc.policies import epsilon_greedy
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array

NUM_EPISODES = 20
MOST_STEPS = 2000
"""Most steps of an episode."""

CHUNK = 250
"""Real steps between two drawings of noise; a run has a multiple of it."""


def greedy_returns(
    suite: Suite, seeds: Sequence[int], episodes: int = NUM_EPISODES, epsilon: float = 0.0
) -> NDArray[Any]:
    """[seeds] mean return of ``episodes`` ε-greedy episodes after a run of the suite's one agent.

    Raises:
        UserError: values without a value for each of A actions, steps that are no multiple of ``CHUNK``, or an ε beyond
            [0, 1].
    """
    if not 0 <= epsilon <= 1:
        raise UserError(f"epsilon is {epsilon:g}: it must be in [0, 1]")
    if suite.steps % CHUNK:
        raise UserError(f"steps is {suite.steps}: it must be a multiple of {CHUNK} here")
    ((name, settings),) = suite.agents.items()
    agent = build_agent(suite, settings, build_problem(suite))
    if agent.values.action_values is None:
        raise UserError(f"{name} has no values of numbered actions: an actor's returns are recorded by mgsc run")

    policy = epsilon_greedy(epsilon)(agent.values)

    def whole(key: Array) -> Array:
        trained, _ = dyna.run(agent, key, suite.steps, chunk_steps=CHUNK)

        def choose(key: Array, observation: Array) -> Array:
            return policy.sample(policy.draw(key), trained.values, observation)

        def one(key: Array) -> Array:
            return play(agent.environment, agent.environment_params, choose, key, MOST_STEPS, trained.environment)

        return jnp.mean(jax.vmap(one)(jax.random.split(jax.random.fold_in(key, suite.steps), episodes)))

    return over_seeds(whole, seeds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, runs, and prints a line for each agent."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.greedy_returns", description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("agents", nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epsilon", type=float, default=0.0, help="share of actions that are any")
    add_set(parser)
    given = parser.parse_args(arguments)
    suite = change_suite(get_suite(given.suite), parse_changes(given.changes))
    print(f"{'agent':<20} mean return of {NUM_EPISODES} episodes with epsilon {given.epsilon:g}, best and worst seed")
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    for agent in given.agents:
        returns = greedy_returns(choose_agents(suite, [agent]), seeds, epsilon=given.epsilon)
        mean = mean_interval(returns)
        print(
            f"{agent:<20} {with_interval(mean, 1)}   {returns.max():.1f} … {returns.min():.1f}, n = {len(returns)}",
            flush=True,
        )


if __name__ == "__main__":
    in_words(main)
