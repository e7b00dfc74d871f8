"""How many programs ``mgsc reproduce`` compiles: ``python -m mgsc.benchmarks.programs``.

All of them are lowered, and none is compiled.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import PAPER_SUITES, Suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import devices
from mgsc.experiments.running.program import Program
from mgsc.experiments.tuning.chosen import tuned_suite


class Count(NamedTuple):
    """Of some suites: their agents, and the different programs of the agents' initial states and loops."""

    agents: int
    initial_states: int
    loops: int


def count_programs(suites: Sequence[Suite]) -> Count:
    """Counts the programs that a process compiles for these suites, without those that measure."""
    found: list[tuple[Hashable, Hashable]] = []
    for suite in suites:
        problem = build_problem(suite)
        for agent in suite.agents.values():
            found.append(Program(suite, agent, problem, root_seed=0).identities(devices()[0]))
    initial_states, loops = (len(set(programs)) for programs in zip(*found, strict=True))
    return Count(len(found), initial_states, loops)


if __name__ == "__main__":
    count = count_programs([tuned_suite(name, Seeds(30)) for name in PAPER_SUITES])
    print(f"{count.agents} agents: {count.loops} loops, {count.initial_states} programs of initial states")
