"""Compiled programs of all agents of a short suite, shared by the tests that run them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np
import pytest
from tests.quick import compile_quickly

from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.suites import change_suite, get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.program import Lane, Program
from mgsc.models import LearnedModel
from mgsc.search_control.table import STRATEGIES

SHORT = {
    "steps": 1000,
    "record_every": 250,
    "measure_every": 50,
    "environment.switch_every": 500,
    "replay.window": 100,
    "meta_gradient.meta_step_size": 0.1,
}
SUITE = change_suite(get_suite("tmaze-fixed"), SHORT)
PROBLEM = build_problem(SUITE)
COMPARISON = change_suite(get_suite("compare-tmaze-fixed"), SHORT)
COMPARISON_PROBLEM = build_problem(COMPARISON)
LEARNING = dataclasses.replace(SUITE, model=LearnedModel())
LEARNING_PROBLEM = build_problem(LEARNING)
AGENTS = tuple(name for name in STRATEGIES if name in SUITE.agents)
"""Strategies that stand in suites: the recorder, the program and the golden results are tested on these."""
IN_SHORT = ("no_planning", "uniform", "avoid_terminal", "meta_gradient")
"""Those of them whose programs are looked at in every run of the tests; the others are programs to compile."""
PLANNING = tuple(name for name in AGENTS if name != "no_planning")
COMPARED = tuple(name for name in COMPARISON.agents if name not in AGENTS)
"""The other agents of the comparison."""
COMPARED_IN_SHORT = ("learned_priority",)
NUM_CHUNKS = 4
ROOT_SEED = 0


def compiled(made: Program, *, quick: bool = True) -> Program:
    """The same program, compiled as for users, or quickly."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if quick:
            compile_quickly(monkeypatch)
        made.compile(jax.local_devices()[:1])
    return made


COMPILED: dict[str, dict[str, object]] = {}


def compile_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are compiled quickly, and one that was compiled before in this process is taken again."""
    compile_quickly(monkeypatch)
    compile_anew = Program.compile

    def compile_once(self: Program, devices: Sequence[jax.Device], num_lanes: int = 1) -> None:
        widths = [self.width(device, num_lanes) for device in devices]
        key = repr((self.suite, self.agent, self.root_seed, self.tunes, widths))
        if key not in COMPILED:
            compile_anew(self, devices, num_lanes)
            COMPILED[key] = vars(self).copy()
        vars(self).update(COMPILED[key])

    monkeypatch.setattr(Program, "compile", compile_once)


def agent_settings(name: str) -> AgentSettings:
    """An agent of the suite, or of a strategy that is in no suite."""
    return SUITE.agents.get(name) or AgentSettings(name, options=STRATEGIES[name].settings())


@functools.cache
def program(name: str, *, quick: bool = True, tunes: bool = False) -> Program:
    """The program of an agent, for reporting or for tuning."""
    made = Program(SUITE, agent_settings(name), PROBLEM, ROOT_SEED, tunes=tunes)
    return compiled(made, quick=quick)


def run(made: Program, lanes: Sequence[Lane]) -> dict[str, np.ndarray]:
    """Record of one block of lanes."""
    return made.run_block(lanes, jax.local_devices()[0], lambda steps: None).record


@functools.cache
def learning(name: str) -> Program:
    """The program of an agent whose model learns."""
    return compiled(Program(LEARNING, LEARNING.agents[name], LEARNING_PROBLEM, ROOT_SEED))


@functools.cache
def compared(name: str) -> Program:
    """The program of an agent of the comparison."""
    return compiled(Program(COMPARISON, COMPARISON.agents[name], COMPARISON_PROBLEM, ROOT_SEED))


@functools.cache
def record(name: str, *, quick: bool = True) -> dict[str, np.ndarray]:
    """Record of the first four seeds of an agent."""
    return run(program(name, quick=quick), [Lane(seed, {}) for seed in range(4)])


def with_step_size(agent: str, step_size: float) -> Program:
    """A program that is compiled anew for another default."""
    settings = dataclasses.replace(SUITE.agents[agent], step_size=step_size)
    return compiled(Program(SUITE, settings, PROBLEM, ROOT_SEED))
