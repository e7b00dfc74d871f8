"""Runs a suite: settings in, labelled arrays out, kept safely on the way where a folder is given."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, check_suite, settings_as_dict
from mgsc.experiments.running.compiling import compiled_ahead
from mgsc.experiments.running.dataset import as_dataset
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.versions import versions

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.design.problem import Problem
    from mgsc.experiments.running.program import BlockResult, Program
    from mgsc.experiments.store import Manifest, ResultFolder

    Arrays = dict[str, np.ndarray[Any, Any]]


def run_suite(
    name: str,
    suite: Suite,
    seeds: Seeds,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    append: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Runs all agents of a suite on all seeds.

    Args:
        out: folder to keep the result in, block by block; None keeps it in memory only.
        overwrite, resume, append: what to do with a result that is there, see ``store.create``.

    Returns:
        Labelled arrays as ``store.contract`` lists them.

    Raises:
        UserError: impossible settings or seeds, or a folder that cannot be used; before any work.
    """
    check_suite(suite)
    seeds.check()
    plan = _manifest(name, suite, seeds)
    problem = _checked_problem(suite)
    from mgsc.experiments import store

    if out is None:
        return store.label(_run(suite, problem, plan, seeds.numbers, None, progress or Progress()), plan)
    with store.create(out, plan, overwrite=overwrite, resume=resume, append=append) as folder:
        if folder.is_complete:
            return store.open_result(out)
        return folder.publish(_run(suite, problem, plan, folder.seeds_to_run, folder, progress or Progress()))


def _checked_problem(suite: Suite) -> Problem:
    """The suite's problem, after building every agent once: what is impossible is refused here."""
    from mgsc.experiments.running.build import build_agent, build_problem
    from mgsc.experiments.running.trial import check_own_strategy

    problem = build_problem(suite)
    for name, agent in suite.agents.items():
        if agent.own is None:
            build_agent(suite, agent, problem)
        else:
            check_own_strategy(name, suite, agent, problem)
    return problem


def _manifest(name: str, suite: Suite, seeds: Seeds) -> Manifest:
    from mgsc.experiments.store import Manifest

    return Manifest(
        suite=name,
        settings=settings_as_dict(suite),
        root_seed=seeds.root,
        agents=tuple(suite.agents),
        seeds=seeds.numbers,
        versions=versions(),
        provenance=provenance(suite.lanes_per_block),
        title=suite.title,
    )


def _run(
    suite: Suite,
    problem: Problem,
    plan: Manifest,
    seeds: Sequence[int],
    folder: ResultFolder | None,
    progress: Progress,
) -> xr.Dataset:
    from mgsc.experiments.running.optimal import optimum
    from mgsc.experiments.running.program import Program

    programs = {name: Program(suite, agent, problem, plan.root_seed) for name, agent in suite.agents.items()}
    results: dict[str, Arrays] = {}
    with compiled_ahead(programs, lambda name: len(_missing(name, seeds, folder)), progress) as ready:
        for epsilon in (suite.epsilon, 0.0):
            optimum(suite, epsilon)  # remembered: there is time for it while the first agents compile
        for name, program in programs.items():
            missing = _missing(name, seeds, folder)
            if missing:
                ready(name)
            results[name] = _run_agent(name, program, missing, seeds, folder, progress)
    return as_dataset(suite, problem, results, seeds)


def _missing(name: str, seeds: Sequence[int], folder: ResultFolder | None) -> Sequence[int]:
    return seeds if folder is None else folder.missing_seeds(name)


def _run_agent(
    name: str,
    program: Program,
    missing: Sequence[int],
    seeds: Sequence[int],
    folder: ResultFolder | None,
    progress: Progress,
) -> Arrays:
    from mgsc.experiments.running.program import Lane, run_program

    began = time.perf_counter()
    finished: list[BlockResult] = []
    for block in run_program(program, [Lane(seed, {}) for seed in missing], functools.partial(progress.advance, name)):
        now = time.perf_counter()
        compiling = 0.0 if finished else program.compile_seconds
        seconds = {"run_seconds": np.array(now - began), "compile_seconds": np.array(compiling)}
        began = now
        finished.append(block._replace(record={**block.record, **seconds}))
        if folder is not None:
            folder.write_part(name, tuple(lane.seed for lane in block.lanes), finished[-1].record)
    if folder is not None:
        return folder.gather(name)
    return {key: np.concatenate([np.atleast_1d(block.record[key]) for block in finished]) for key in finished[0].record}
