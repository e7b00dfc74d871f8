"""Every number that others measured, or that is exact, within three standard errors, on fixed seeds."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

from mgsc.experiments.classics.program import BLOCKS_AHEAD, ClassicProgram, batch_size
from mgsc.experiments.classics.references import BOUND, REFERENCES, Reference, compare, updates
from mgsc.experiments.classics.runner import Runs, _run
from mgsc.experiments.classics.table import CLASSICS, REQUEUING, SWEEPING, SWEEPING_TOO
from mgsc.experiments.reading.statistics import paired_difference
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import block_width
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.program import Lane
from mgsc.experiments.running.progress import Progress

ROOT_SEED = 0

FEW_RUNS = {
    ("dyna-maze", "n = 0"): 500,
    ("dyna-maze", "n = 50"): 64,
    ("blocking-maze", "Dyna-Q"): 300,
    ("blocking-maze", "Dyna-Q+"): 300,
    ("first-episode-stayed", "n = 0"): 2000,
    ("first-episode-moved", "n = 0"): 2000,
    ("sweeping-1", SWEEPING): 64,
    ("sweeping-1", "Dyna-Q"): 200,
    ("dyna-maze-samplings", "n = 1, states"): 500,
    ("dyna-maze-samplings", "n = 1, pairs"): 500,
}
"""What takes a second or two; the table's own numbers of runs are slow."""


@functools.cache
def record(classic: str, agent: str, runs: int):
    whole = CLASSICS[classic]
    suite = dataclasses.replace(whole.suite, agents={agent: whole.suite.agents[agent]})
    one = {classic: dataclasses.replace(whole, suite=suite)}
    ((_, found),) = _run(one, Runs(runs, ROOT_SEED), set(), Progress(), THREADS)
    return found


def name_of(reference: Reference) -> str:
    return f"{reference.classic} {reference.agent} {reference.what}"


def check(reference: Reference, runs: int) -> None:
    finding = compare(reference, record(reference.classic, reference.agent, runs))
    assert finding.n == runs
    assert abs(finding.errors) <= BOUND, finding


QUICK = ("dyna-maze", "n = 50")
"""Whose references are looked at in every run of the tests; the others are programs to compile."""


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param(r, marks=[] if (r.classic, r.agent) == QUICK else pytest.mark.slow)
        for r in REFERENCES
        if (r.classic, r.agent) in FEW_RUNS
    ],
    ids=name_of,
)
def test_few_runs(reference):
    check(reference, FEW_RUNS[reference.classic, reference.agent])


@pytest.mark.slow
@pytest.mark.parametrize("reference", [r for r in REFERENCES if r.is_met and r.half_width is not None], ids=name_of)
def test_as_many_runs_as_the_reference(reference):
    check(reference, CLASSICS[reference.classic].runs)


@pytest.mark.slow
def test_direct_updates_are_what_makes_prioritized_sweeping_differ():
    """With them fewer sweeps are needed, on the very same seeds."""
    book, ours = (updates(record("sweeping-1", agent, 1000)) for agent in (REQUEUING, SWEEPING_TOO))
    difference = paired_difference(book, ours)
    error = (difference.high - difference.low) / 2 / 1.96
    assert difference.estimate / error > BOUND


@pytest.mark.slow
def test_a_small_step_size_makes_dyna_q_plus_the_worse():
    plain, plus = (record("blocking-maze-small-steps", agent, 2000)["reward"].sum(1) for agent in ("Dyna-Q", "Dyna-Q+"))
    assert paired_difference(plain, plus).low > 0


def test_a_comparison_counts_the_errors_of_both_sides():
    numbers = np.array([8.0, 12.0, 10.0, 10.0])  # mean 10, standard error sqrt(8/3)/2
    reference = Reference("", "", "", lambda record: numbers, 7.0, 1.96, 100)
    assert compare(reference, {}).errors == pytest.approx(3 / math.hypot(math.sqrt(8 / 3) / 2, 1))
    exact = reference._replace(half_width=0.0)
    assert compare(exact, {}).errors == pytest.approx(3 / (math.sqrt(8 / 3) / 2))
    assert not compare(exact, {}).agrees
    # Without an interval the reference varies as we do: here over as many runs.
    unsaid = reference._replace(half_width=None, runs=4)
    assert compare(unsaid, {}).errors == pytest.approx(3 / (math.sqrt(2) * math.sqrt(8 / 3) / 2))


@pytest.mark.slow
def test_a_run_is_the_same_beside_others_and_after_others():
    """More runs than lanes: some begin in a lane that another has left."""
    classic, agent = CLASSICS["first-episode-stayed"], "n = 0"
    program = ClassicProgram(classic, agent, build_problem(classic.suite), ROOT_SEED)
    program.compile([jax.devices()[0]])

    def lengths(seeds):
        block = program.run_block([Lane(seed, {}) for seed in seeds], jax.devices()[0], lambda steps: None)
        return block.record["length"][:, 0].tolist()

    many = lengths(range(50))
    assert len(set(many)) > 40
    assert lengths([49, 3]) == [many[49], many[3]]


@pytest.mark.parametrize(("runs", "num_workers"), [(2000, 2), (2000, 3), (30, 2), (3, 64), (1, 1)])
def test_batches_are_as_many_for_each_worker(runs, num_workers):
    size = batch_size(runs, num_workers, block_width())
    num_batches = len(range(0, runs, size))
    assert 1 <= size <= BLOCKS_AHEAD * block_width()
    assert num_batches == runs or num_batches % num_workers == 0
