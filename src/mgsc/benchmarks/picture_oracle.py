"""What there is to gain where mazes are seen as pictures: ``python -m mgsc.benchmarks.picture_oracle SUITE``.

An oracle draws queries uniformly from the candidates that are of no state in which the model is wrong at the moment. It
is told these states. Uniform planning runs beside it, each with every step size that is given.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import with_interval
from mgsc.benchmarks.picture_weights import SUITES, same_maze
from mgsc.environments.images import Pictures, pictures_of
from mgsc.environments.maze import Maze
from mgsc.errors import UserError
from mgsc.experiments import own_strategy, run
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.parts import build_source
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents, get_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.reading.table_text import markdown_lines
from mgsc.experiments.running.build import build_problem
from mgsc.problem import StrategyFacts
from mgsc.search_control import Strategy
from mgsc.search_control.base import masked_softmax
from mgsc.search_control.oracle import told_the_phase
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array, Candidates, Params

STEP_SIZES = (0.1, 0.2, 0.3, 0.4)


def avoid(pictures: Pictures, wrong: NDArray[np.bool_], switch_every: int) -> Strategy:
    """A uniform d over the candidates that are of no wrong state; over all of them where none is left.

    Args:
        pictures: of the maze.
        wrong: [phases, S] whether the model is wrong in a state.
        switch_every: real steps of a phase.
    """

    def weights(phase: Array, params: Params, candidates: Candidates) -> Array:
        del params
        state = jax.vmap(pictures.read)(candidates.observation)
        right = candidates.is_allowed & ~jnp.asarray(wrong)[phase][state]
        kept = jnp.where(right.any(), right, candidates.is_allowed)
        return masked_softmax(jnp.zeros(kept.shape), kept)

    return lambda parts: told_the_phase(weights, switch_every, len(wrong))


def compared(name: str, step_sizes: Sequence[float], changes: Mapping[str, str]) -> Suite:
    """The suite of pictures with ``uniform`` and the oracle, alike but for that, each once for every step size.

    Raises:
        UserError: no such suite or setting, a step size among the settings, or a model that has not stale rewards.
    """
    if given := sorted(key for key in changes if key.endswith(".step_size")):
        raise UserError(f"--set {given[0]} has no effect here: give --step-sizes")
    suite = change_suite(choose_agents(get_suite(name), ["uniform"]), changes)
    if suite.model != get_suite(name).model:
        raise UserError(f"the oracle is told where the model of {name} is wrong: leave model out of --set")
    table = same_maze(SUITES[name], suite)
    maze, wrong = build_source(table.environment), build_problem(table).known.wrong
    assert isinstance(maze, Maze)
    pictures, switch_every = pictures_of(maze, suite.environment.cells_per_pixel), suite.environment.switch_every

    def build(settings: object, facts: StrategyFacts) -> Strategy:
        del settings, facts
        return avoid(pictures, wrong, switch_every)

    uniform, own = suite.agents["uniform"], own_strategy("picture_oracle", build)
    oracle = dataclasses.replace(uniform, strategy=own.strategy, options=own.options, own=own.own)
    agents: dict[str, AgentSettings] = {}
    for size in step_sizes:
        agents[f"uniform {size:g}"] = dataclasses.replace(uniform, step_size=size)
        agents[f"oracle {size:g}"] = dataclasses.replace(oracle, step_size=size)
    return dataclasses.replace(suite, agents=agents)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, runs, and prints the sum of rewards of each."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.picture_oracle", description=__doc__)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--step-sizes", type=float, nargs="+", default=list(STEP_SIZES))
    add_set(parser)
    given = parser.parse_args(arguments)
    suite = compared(given.suite, given.step_sizes, parse_changes(given.changes))
    result = run(suite, seeds=given.seeds, first_seed=given.first_seed)
    total = result["reward"].sum("chunk").transpose("agent", "seed").values
    found = dict(zip(suite.agents, (with_interval(mean_interval(each), 0) for each in total), strict=True))
    rows = [(f"{size:g}", found[f"uniform {size:g}"], found[f"oracle {size:g}"]) for size in given.step_sizes]
    print("\n".join(markdown_lines(("step size", "uniform", "oracle"), (True, True, True), rows)))


if __name__ == "__main__":
    in_words(main)
