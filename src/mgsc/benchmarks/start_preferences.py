"""Where a d prefers to begin rollouts, as time goes by: ``python -m mgsc.benchmarks.start_preferences SUITE AGENT``.

Runs one agent, and compares the candidates under its d with all candidates of the same step: each entry of the
observation, the value of the state, the size of its expected TD error, the reward and the age of its own transition.
Differences of means are in standard deviations of the candidates: 0 is no preference.
"""

from __future__ import annotations

import argparse
import dataclasses

import jax.numpy as jnp
import numpy as np
import xarray as xr

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import with_interval
from mgsc.errors import UserError
from mgsc.experiments import open_result, own_strategy, run
from mgsc.experiments.design.suites import Suite, choose_agents, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.meta_gradient.exact_network import action_choices, each_value
from mgsc.problem import StrategyFacts
from mgsc.search_control import SearchControl, Strategy
from mgsc.search_control.candidate_signals import SMALLEST, age_of, choice_errors, experience_of
from mgsc.search_control.table import STRATEGIES
from mgsc.types import Array, Candidates, Params, Parts, PyTree, Transition

QUARTERS = 4
PREFIX = "prefers_"


def names(num_entries: int) -> tuple[str, ...]:
    """The names of ``signals`` of observations of so many entries."""
    return *(f"entry_{place}" for place in range(num_entries)), "value", "td_error", "reward", "age"


def signals(parts: Parts, params: Params, candidates: Candidates) -> dict[str, Array]:
    """Numbers [N] of the candidates, by ``names``."""
    choice = action_choices(parts, params.values, candidates)
    values = each_value(parts, params.values, candidates, choice)
    errors = choice_errors(parts, params, candidates, choice)
    found = (
        *candidates.observation.T,
        jnp.sum(choice.probability * values.reshape(*errors.shape, -1).mean(-1), -1),
        jnp.sum(choice.probability * errors, -1),
        experience_of(candidates).reward,
        age_of(candidates).astype(jnp.result_type(float)),
    )
    return dict(zip(names(candidates.observation.shape[1]), found, strict=True))


def preference(d: Array, numbers: Array) -> Array:
    """[] mean of ``numbers`` [N] under d [N], less that of all, in their standard deviation; 0 where all are equal."""
    return jnp.sum((d - 1 / len(d)) * numbers) / (jnp.std(numbers) + SMALLEST)


def watched(strategy: Strategy, num_entries: int) -> Strategy:
    """The same strategy, which also reports what its d prefers."""

    def build(parts: Parts) -> SearchControl:
        control = strategy(parts)

        def observe(
            state: PyTree, params: Params, candidates: Candidates, transition: Transition
        ) -> tuple[PyTree, dict[str, Array]]:
            d = control.weights(state, params, candidates).reshape(len(candidates.index), -1).sum(1)
            found = signals(parts, params, candidates)
            after, info = (
                (state, {}) if control.observe is None else control.observe(state, params, candidates, transition)
            )
            return after, info | {PREFIX + name: preference(d, numbers) for name, numbers in found.items()}

        reports = (*control.reports, *(PREFIX + name for name in names(num_entries)))
        return control._replace(observe=observe, reports=reports)

    return build


def suite_with(name: str, agent: str) -> Suite:
    """The suite ``name`` with one agent, ``watched``, that is ``agent`` and reports what it prefers.

    Raises:
        UserError: there is no such suite or agent, or rollouts do not begin at flat observations that are stored.
    """
    suite = choose_agents(get_suite(name), [agent])
    given = suite.agents[agent]
    row = STRATEGIES[given.strategy]
    if suite.rollouts.starts == 0 or not row.queries_model:
        raise UserError(f"{agent} of {name} begins no rollouts: take an mbpo suite, and an agent with a model")

    def build(settings: object, facts: StrategyFacts) -> Strategy:
        shape = facts.problem.facts.observation.shape
        if len(shape) != 1:
            raise UserError(f"an observation of this suite is {list(shape)}: it must be flat")
        return watched(row.build(settings, facts), shape[0])

    own = own_strategy("watched", build, given.options, step_size=given.step_size)
    return dataclasses.replace(suite, agents={"watched": own})


def by_quarter(result: xr.Dataset) -> dict[str, list[str]]:
    """Of each signal, its preference in the quarters of the run: mean over seeds and its 95 % interval, as text."""
    found = {}
    for name in result.data_vars:
        if str(name).startswith(PREFIX):
            each = result[name].sel(agent="watched").transpose("seed", "chunk").values
            quarters = [part.mean(1) for part in np.array_split(each, QUARTERS, axis=1)]
            found[str(name).removeprefix(PREFIX)] = [with_interval(mean_interval(one), 2) for one in quarters]
    return found


def main() -> None:
    """Reads the command line, runs, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.start_preferences", description=__doc__)
    parser.add_argument("suite", help="whose rollouts they are, such as mbpo-hopper")
    parser.add_argument("agent", help="whose d it is, such as mbpo_meta_gradient")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", required=True, help="folder of the result")
    given = parser.parse_args()
    run(suite_with(given.suite, given.agent), seeds=given.seeds, out=given.out)
    print("| preference for | first quarter | second | third | last |")
    print("|---|---:|---:|---:|---:|")
    for name, quarters in by_quarter(open_result(given.out)).items():
        print(f"| {name} | " + " | ".join(quarters) + " |")


if __name__ == "__main__":
    in_words(main)
