"""Where a d prefers to begin rollouts, as time goes by: ``python -m mgsc.benchmarks.start_preferences SUITE AGENT``.

Runs one agent, and compares the candidates under its d with all candidates of the same step: each entry of the
observation, the value of the state, the size of its expected TD error, the reward and the age of its own transition.
Differences of means are in standard deviations of the candidates: 0 is no preference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import xarray as xr

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.watching import run_and_print, through_time, watched, watched_suite
from mgsc.errors import UserError
from mgsc.experiments.design.suites import Suite
from mgsc.meta_gradient.exact_network import action_choices, each_value
from mgsc.problem import StrategyFacts
from mgsc.search_control import Strategy
from mgsc.search_control.candidate_signals import SMALLEST, age_of, choice_errors, experience_of
from mgsc.search_control.row import StrategyRow
from mgsc.types import Array, Candidates, Params, Parts, Transition

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


def suite_with(name: str, agent: str) -> Suite:
    """The suite ``name`` with one agent, ``watched``, that is ``agent`` and reports what it prefers.

    Raises:
        UserError: there is no such suite or agent, or rollouts do not begin at flat observations that are stored.
    """

    def watch(suite: Suite, row: StrategyRow[Any]) -> Callable[[object, StrategyFacts], Strategy]:
        if suite.rollouts.starts == 0 or not row.queries_model:
            raise UserError(f"{agent} of {name} begins no rollouts: take an mbpo suite, and an agent with a model")

        def build(settings: object, facts: StrategyFacts) -> Strategy:
            shape = facts.problem.facts.observation.shape
            if len(shape) != 1:
                raise UserError(f"an observation of this suite is {list(shape)}: it must be flat")
            reports = [PREFIX + name for name in names(shape[0])]
            return watched(row.build(settings, facts), reports, preferences)

        return build

    return watched_suite(name, agent, {}, watch)


def preferences(
    parts: Parts, weights: Array, params: Params, candidates: Candidates, transition: Transition
) -> dict[str, Array]:
    """What d prefers, by names with ``PREFIX``."""
    del transition
    d = weights.reshape(len(candidates.index), -1).sum(1)
    return {PREFIX + name: preference(d, numbers) for name, numbers in signals(parts, params, candidates).items()}


def by_quarter(result: xr.Dataset) -> dict[str, list[str]]:
    """Of each signal, its preference in the quarters of the run: mean over seeds and its 95 % interval, as text."""
    labels = {str(name): str(name).removeprefix(PREFIX) for name in result.data_vars if str(name).startswith(PREFIX)}
    return through_time(result, labels, QUARTERS, 2)


def main() -> None:
    """Reads the command line, runs, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.start_preferences", description=__doc__)
    parser.add_argument("suite", help="whose rollouts they are, such as mbpo-hopper")
    parser.add_argument("agent", help="whose d it is, such as mbpo_meta_gradient")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", required=True, help="folder of the result")
    given = parser.parse_args()
    columns = ("first quarter", "second", "third", "last")
    suite = suite_with(given.suite, given.agent)
    run_and_print(suite, given.seeds, given.out, by_quarter, "preference for", columns)


if __name__ == "__main__":
    in_words(main)
