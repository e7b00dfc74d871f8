"""Agents and suites that differ in numbers only share their compiled programs; what differs in more does not."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from tests.experiments.programs import ROOT_SEED, SUITE, agent_settings, run
from tests.quick import compile_quickly

from mgsc import kernel
from mgsc.benchmarks.programs import Count, count_programs
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.executors import PROCESSES, THREADS
from mgsc.experiments.running.program import Lane, Program
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import run_suite
from mgsc.models import FixedModel, LearnedModel

MEAN = dataclasses.replace(SUITE, model=FixedModel("mean"))
LANES = [Lane(seed, {}) for seed in range(4)]


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch, request):
    # A worker process compiles as users do, and so must the process that starts it.
    if "processes" not in request.node.name:
        compile_quickly(monkeypatch)
    kernel.forget()
    yield
    kernel.forget()


def made(suite: Suite, agent: str) -> Program:
    program = Program(suite, suite.agents.get(agent) or agent_settings(agent), build_problem(suite), ROOT_SEED)
    program.compile(jax.local_devices()[:1])
    return program


def count(*suites: Suite, agents: tuple[str, ...] = ("uniform",)) -> int:
    return count_programs([choose_agents(suite, list(agents)) for suite in suites]).loops


def changed(**settings: object) -> Suite:
    return change_suite(SUITE, {key.replace("__", "."): value for key, value in settings.items()})


@pytest.mark.parametrize("agent", ["uniform", pytest.param("meta_gradient", marks=pytest.mark.slow)])
def test_a_shared_program_gives_what_separate_ones_give(agent):
    stale, mean = made(SUITE, agent), made(MEAN, agent)
    assert not stale.is_shared
    assert mean.is_shared
    records = run(stale, LANES), run(mean, LANES)
    assert (records[0]["model_error"] != records[1]["model_error"]).any(), "the models differ"
    for suite, shared in zip((MEAN, SUITE), reversed(records), strict=True):
        kernel.forget()
        alone = made(suite, agent)
        assert not alone.is_shared
        for name, values in run(alone, LANES).items():
            np.testing.assert_array_equal(values, shared[name], err_msg=name)


@pytest.mark.slow
def test_suites_whose_models_differ_in_numbers_share_all_programs():
    noisy = dataclasses.replace(SUITE, model=FixedModel("stale", reward_noise=0.5, corrupted_share=0.3))
    suites = [choose_agents(suite, ["uniform", "meta_gradient"]) for suite in (SUITE, noisy)]
    assert count_programs(suites) == Count(agents=4, initial_states=2, loops=2)


OTHERS = {
    "K": changed(planning_updates=4),
    "slots": dataclasses.replace(SUITE, model=FixedModel("stale", transition_noise=0.1)),
    "learned": dataclasses.replace(SUITE, model=LearnedModel()),
}
MORE_OTHERS = {
    "discount": changed(discount=0.9),
    "epsilon": changed(epsilon=0.2),
    "slip": changed(environment__slip=0.3),
    "step_limit": changed(environment__step_limit=77),
    "measure_every": changed(measure_every=125),
}


@pytest.mark.parametrize(
    "other",
    [
        *(pytest.param(other, id=name) for name, other in OTHERS.items()),
        *(pytest.param(other, id=name, marks=pytest.mark.slow) for name, other in MORE_OTHERS.items()),
    ],
)
def test_suites_that_differ_in_what_is_no_argument_do_not_share(other):
    assert count(SUITE, other) == 2


@pytest.mark.slow
def test_traced_settings_are_arguments_and_strategies_are_not():
    assert count(SUITE, changed(uniform__step_size=0.25)) == 1
    assert count(SUITE, changed(meta_gradient__entropy_bonus=0.1), agents=("meta_gradient",)) == 2, "0 spares work"
    assert count(SUITE, agents=("uniform", "avoid_terminal", "replay")) == 3


@pytest.mark.parametrize(
    "executor", [THREADS, pytest.param(PROCESSES, marks=pytest.mark.slow)], ids=lambda one: one.name
)
def test_a_run_reports_which_programs_it_need_not_compile(executor):
    said: list[str] = []
    progress = Progress(compiling=lambda agent: said.append("compiling"), shared=lambda agent: said.append("shared"))
    for suite in (SUITE, MEAN):
        run_suite("small", choose_agents(suite, ["no_planning"]), Seeds(2), progress=progress, executor=executor)
    # Each run has processes of its own.
    expected = ["compiling", "compiling", "shared"] if executor is THREADS else ["compiling", "compiling"]
    assert said == expected
