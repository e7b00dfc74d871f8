"""The cost of a real step of agents with networks: ``python -m mgsc.benchmarks.network_steps SUITE AGENT ...``.

It is processor time, which a busy machine changes less than the clock's. ``--set KEY=VALUE`` changes the suite.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mgsc.benchmarks.in_words import in_words
from mgsc.experiments.design.suites import change_suite, choose_agents, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import block_width, devices
from mgsc.experiments.running.program import Lane, Program
from mgsc.kernel import forget
from mgsc.set_option import add_set, parse_changes

AGENTS = ("uniform", "meta_gradient")
REPEATS = 5
CHUNK = 250
"""Real steps of a chunk: a measurement takes a multiple of it."""


class StepCost(NamedTuple):
    """The cost of one agent.

    Attributes:
        milliseconds: processor time of one real step of one seed; median of the repeats.
        ratio: the same over that of the first agent, measured in turn; median of the repeats.
        compile_seconds: processor time of tracing and compiling.
    """

    agent: str
    milliseconds: float
    ratio: float
    compile_seconds: float


def measure_steps(
    suite_name: str, agents: Sequence[str], changes: Mapping[str, str], num_steps: int = 4 * CHUNK
) -> list[StepCost]:
    """Measures the agents in turn, one block of lanes each.

    Args:
        suite_name: name of a suite.
        agents: names of its agents; the others are compared with the first.
        changes: settings of the suite, as for ``change_suite``.
        num_steps: real steps of each measurement; a multiple of ``CHUNK``.
    """
    lengths = {"steps": num_steps, "record_every": CHUNK, "measure_every": CHUNK // 5}
    suite = change_suite(choose_agents(get_suite(suite_name), list(agents)), {**changes, **lengths})
    problem, device, width = build_problem(suite), devices()[0], block_width(lanes_per_block=suite.lanes_per_block)
    lanes, programs, compiling = [Lane(seed, {}) for seed in range(width)], [], []
    for name in agents:
        forget()
        programs.append(Program(suite, suite.agents[name], problem, root_seed=0))
        began = time.process_time()
        programs[-1].compile([device], width)
        compiling.append(time.process_time() - began)
    rounds = [[_processor_time(program, lanes) for program in programs] for _ in range(REPEATS)]
    found = []
    for place, name in enumerate(agents):
        seconds = statistics.median(times[place] for times in rounds)
        ratio = statistics.median(times[place] / times[0] for times in rounds)
        found.append(StepCost(name, 1e3 * seconds / (width * num_steps), ratio, compiling[place]))
    return found


def _processor_time(program: Program, lanes: Sequence[Lane]) -> float:
    began = time.process_time()
    program.run_block(lanes, devices()[0], lambda done: None)
    return time.process_time() - began


def main() -> None:
    """Reads the command line, measures, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.network_steps", description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("agents", nargs="*", default=list(AGENTS))
    parser.add_argument("--steps", type=int, default=4 * CHUNK, help="real steps of each measurement")
    add_set(parser)
    given = parser.parse_args()
    print(f"{'agent':<24} {'ms a step and seed':>19} {'of the first':>13} {'compiling [s]':>14}")
    for cost in measure_steps(given.suite, given.agents, parse_changes(given.changes), given.steps):
        print(f"{cost.agent:<24} {cost.milliseconds:>19.3f} {cost.ratio:>13.2f} {cost.compile_seconds:>14.1f}")


if __name__ == "__main__":
    in_words(main)
