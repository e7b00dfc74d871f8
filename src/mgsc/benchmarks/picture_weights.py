"""Whether d from pictures agrees with d from a table: ``python -m mgsc.benchmarks.picture_weights --seeds 10``.

MGSC runs on a maze with pictures as observations, candidates from a buffer and a network of logits, and on the same
maze with tables. At the end of each chunk the network is evaluated at the pictures of all states, for this comparison
only. The mean weights of the states over the phases in which the model is wrong are compared by Spearman's rank
correlation.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc import dyna
from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import over_seeds, with_interval
from mgsc.environments import Maze, maze_images
from mgsc.environments.phases import phase_at
from mgsc.errors import UserError
from mgsc.experiments.design.parts import build_source
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.tuning.chosen import tuned_suite
from mgsc.problem import Problem
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array, Candidates

SUITES = {"net-tmaze": "tmaze-fixed", "net-tworooms": "tworooms-fixed"}
"""Suites of pictures, and of the same mazes as tables."""

AGENT = "meta_gradient"
CHUNK = 250
"""Real steps of a chunk, at whose end the weights are evaluated."""


class Agreement(NamedTuple):
    """Agreement of one seed of the pictures with the mean of the tables' seeds, over non-terminal states.

    Attributes:
        correlation: Spearman's.
        wrong_mass: the network's d in the states where the model is wrong, in those phases [probability].
    """

    correlation: float
    wrong_mass: float


def measure_agreement(name: str, seeds: Sequence[int], changes: dict[str, str], num_steps: int) -> list[Agreement]:
    """Runs both and compares their mean weights in the phases in which the model is wrong.

    Args:
        name: of the suite of pictures.
        seeds: of both.
        changes: settings of the suite of pictures, as for ``change_suite``.
        num_steps: real steps of each run; a multiple of the length of two phases.
    """
    from scipy.stats import spearmanr

    pictures = change_suite(choose_agents(get_suite(name), [AGENT]), {**changes, "steps": num_steps})
    if pictures.agents[AGENT].options.logits != "network":
        raise UserError("only a network on the observation can be asked about pictures that are no candidates")
    table = same_maze(SUITES[name], pictures)
    maze = build_source(table.environment)
    assert isinstance(maze, Maze)
    problem = build_problem(table)
    is_candidate, wrong = problem.known.is_candidate, problem.known.wrong[1]
    images = jnp.asarray(maze_images(maze, pictures.environment.cells_per_pixel))
    every = Candidates(images, jnp.arange(len(images)), jnp.asarray(is_candidate))
    seen = _weights(pictures, build_problem(pictures), every, seeds, num_steps)
    listed = _weights(table, problem, problem.listed, seeds, num_steps).mean(0)
    found = []
    for weights in seen:
        correlation = spearmanr(weights[is_candidate], listed[is_candidate]).statistic
        found.append(Agreement(float(correlation), float(weights[wrong].sum())))
    return found


def same_maze(name: str, pictures: Suite) -> Suite:
    """The suite of tables ``name`` with the maze of the pictures, and tuned settings of MGSC, its only agent."""
    table = choose_agents(tuned_suite(name), [AGENT])
    shared = {field.name: getattr(pictures.environment, field.name) for field in dataclasses.fields(table.environment)}
    return dataclasses.replace(
        table, environment=dataclasses.replace(table.environment, **shared), steps=pictures.steps
    )


def _weights(
    suite: Suite, problem: Problem, candidates: Candidates, seeds: Sequence[int], num_steps: int
) -> NDArray[Any]:
    """[seeds, S] mean d over the ends of the chunks in every other phase, the second one first."""
    agent = build_agent(suite, suite.agents[AGENT], problem)
    recorder = dyna.total_reward()

    def run(key: Array) -> Array:
        def chunk(state: dyna.DynaState, _: None) -> tuple[dyna.DynaState, Array]:
            state, _ = dyna.run_chunk(agent, state, key, num_steps=CHUNK, measure_every=CHUNK, recorder=recorder)
            return state, agent.search_control.weights(state.search, state.params, candidates)

        return jax.lax.scan(chunk, dyna.init(agent, key), None, length=num_steps // CHUNK)[1]

    weights = over_seeds(run, seeds)
    phase = phase_at(np.arange(num_steps // CHUNK) * CHUNK, suite.environment.switch_every, 2)
    mean: NDArray[Any] = weights[:, phase == 1].mean(1)
    return mean


def main() -> None:
    """Reads the command line, measures, and prints the means with their intervals."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.picture_weights", description=__doc__)
    parser.add_argument("suite", nargs="?", default="net-tmaze", choices=SUITES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20_000)
    add_set(parser)
    given = parser.parse_args()
    found = measure_agreement(given.suite, range(given.seeds), parse_changes(given.changes), given.steps)
    for name, column in zip(Agreement._fields, zip(*found, strict=True), strict=True):
        interval = mean_interval(column)
        print(f"{name:<12} {with_interval(interval, 3)}, n = {len(column)}")


if __name__ == "__main__":
    in_words(main)
