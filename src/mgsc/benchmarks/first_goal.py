"""What MGSC loses after it first meets a goal: ``python -m mgsc.benchmarks.first_goal net-gridworld``.

Two agents run on the same seeds. One keeps d as it begins, uniform, for the whole run; the other only until the task
has ended an episode, and then learns as MGSC does. Both are the same up to that step, so what they differ by comes of
what is learned after it.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpy.typing import NDArray

import mgsc
from mgsc.benchmarks.in_words import in_words
from mgsc.errors import UserError
from mgsc.experiments.design.own_strategy import own_strategy
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents, get_suite
from mgsc.experiments.reading.episodes import mean_per_episode
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.problem import StrategyFacts
from mgsc.search_control import SearchControl, Strategy
from mgsc.search_control.meta_gradient_row import ROW
from mgsc.settings import number
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition

AGENT = "meta_gradient"
NEVER = 1e9
"""More goals than any run meets."""

STARTS = {"never": NEVER, "at the first goal": 1.0}
"""Agents, and how many goals each meets before it learns logits."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """When the logits begin to be learned."""

    goals: float = number(0.0, 0.0, NEVER, "episodes that the task ended before logits are learned")


class Waiting(NamedTuple):
    """MGSC's state, and the episodes that the task has ended, with the one that ends now."""

    inner: PyTree
    goals: Array


def waits(strategy: Strategy, goals: Array | float) -> Strategy:
    """The strategy, whose state stays as it begins until so many episodes have been ended by the task."""

    def build(parts: Parts) -> SearchControl:
        inner = strategy(parts)
        assert inner.observe is not None, "MGSC learns from real transitions"
        learn = inner.observe

        def init(key: Array, params: Params, candidates: Candidates) -> Waiting:
            return Waiting(inner.init(key, params, candidates), jnp.zeros(()))

        def observe(
            state: Waiting, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[Waiting, dict[str, Array]]:
            met = state.goals + (transition.discount == 0)
            after, info = learn(state.inner, params, candidates, transition)
            kept = jax.tree.map(lambda new, old: jnp.where(met >= goals, new, old), after, state.inner)
            return Waiting(kept, met), info

        def weights(state: Waiting, params: Params, candidates: Candidates) -> Array:
            return inner.weights(state.inner, params, candidates)

        return SearchControl(init, weights, observe=observe)

    return build


def compared(name: str, changes: dict[str, Any]) -> Suite:
    """The suite with the two agents in place of its own.

    Raises:
        UserError: its logits are no function of the observation, so more than the logits would wait.
    """
    suite = choose_agents(change_suite(get_suite(name), changes), [AGENT])
    agent = suite.agents[AGENT]
    options = agent.options
    if options.logits != "network":
        raise UserError(f"logits is {options.logits!r}: it must be network here, whose inputs do not wait")

    def build(settings: Settings, facts: StrategyFacts) -> Strategy:
        return waits(ROW.build(options, facts), settings.goals)

    agents = {
        name: own_strategy("waits", build, Settings(goals), needs=ROW.needs(options), step_size=agent.step_size)
        for name, goals in STARTS.items()
    }
    return dataclasses.replace(suite, agents=agents)


def episode_returns(suite: Suite, seeds: int, first_seed: int) -> dict[str, NDArray[Any]]:
    """Agent -> [seeds] mean return of the episodes of the whole run, NaN where none ended."""
    result = mgsc.run(suite, seeds=seeds, first_seed=first_seed)
    return {agent: mean_per_episode(result.sel(agent=agent), "episode_return") for agent in STARTS}


def report(found: dict[str, NDArray[Any]]) -> list[str]:
    """Lines of mean returns, and of paired differences from the first agent, with their 95 % intervals."""
    lines = []
    for agent, returns in found.items():
        mean, apart = mean_interval(returns), mean_interval(returns - found["never"])
        lines.append(
            f"{agent:<18} {mean.estimate:8.0f} ({mean.low:.0f} … {mean.high:.0f})"
            f"   minus never {apart.estimate:8.0f} ({apart.low:.0f} … {apart.high:.0f}), n = {len(returns)}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, runs, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.first_goal", description=__doc__)
    parser.add_argument("suite", nargs="?", default="net-gridworld")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the suite")
    given = parser.parse_args(arguments)
    changes = {**dict(one.split("=", 1) for one in given.set), "steps": given.steps}
    print(*report(episode_returns(compared(given.suite, changes), given.seeds, given.first_seed)), sep="\n")


if __name__ == "__main__":
    in_words(main)
