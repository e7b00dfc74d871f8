"""Runs a suite: settings in, labelled arrays out, kept safely on the way where a folder is given."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, check_suite, settings_as_dict
from mgsc.experiments.running.dataset import as_dataset
from mgsc.experiments.running.executor import Executor, execute
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.memory import check_addresses, check_memory
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.units import units_of, with_times
from mgsc.experiments.running.versions import versions

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.store import Manifest, ResultFolder
    from mgsc.problem import Problem

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
    executor: Executor = THREADS,
) -> xr.Dataset:
    """Runs all agents of a suite on all seeds.

    Args:
        out: folder to keep the result in, block by block; None keeps it in memory only.
        overwrite, resume, append: what to do with a result that is there, see ``store.create``.
        progress: receives how far it is.
        executor: where the units of the suite run; it decides no number.

    Returns:
        Labelled arrays as ``store.contract`` lists them.

    Raises:
        UserError: impossible settings or seeds, or a folder that cannot be used; before any work.
    """
    check_suite(suite)
    seeds.check()
    check_addresses()
    plan = _manifest(name, suite, seeds)
    problem = _checked_problem(suite)
    check_memory(suite, problem, seeds.count)
    from mgsc.experiments import store

    if out is None:
        return store.label(_run(suite, problem, plan, seeds.numbers, None, progress or Progress(), executor), plan)
    with store.create(out, plan, overwrite=overwrite, resume=resume, append=append) as folder:
        if folder.is_complete:
            return store.open_result(out)
        result = _run(suite, problem, plan, folder.seeds_to_run, folder, progress or Progress(), executor)
        return folder.publish(result)


def _checked_problem(suite: Suite) -> Problem:
    """The suite's problem, after building every agent once: what is impossible is refused here."""
    from mgsc.experiments.running.build import build_agent, build_problem
    from mgsc.experiments.running.trial import check_own_parts, check_own_strategy

    problem = build_problem(suite)
    for name, agent in suite.agents.items():
        if agent.own is None:
            build_agent(suite, agent, problem)
        else:
            check_own_strategy(name, suite, agent, problem)
        check_own_parts(name, suite, agent, problem)
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
    executor: Executor,
) -> xr.Dataset:
    from mgsc.experiments.running.optimal import optimum
    from mgsc.experiments.running.recorder import what_it_has

    def optima() -> None:  # remembered: there is time for them while the first agents compile
        for epsilon in (suite.epsilon, 0.0) if problem.truth is not None else ():
            optimum(suite, epsilon)

    units = units_of(suite, seeds, plan.root_seed, folder, problem)
    for name in suite.agents:
        progress.start(name, sum(unit.num_steps for unit in units if unit.agent == name))
    records: dict[str, Arrays] = {}
    with contextlib.closing(execute(units, executor, progress, meanwhile=optima)) as finished:
        for unit, result in finished:
            if folder is None:
                records[unit.name] = with_times(unit, result)
    if folder is None:
        results = {name: _join([records[unit.name] for unit in units if unit.agent == name]) for name in suite.agents}
    else:
        results = {name: folder.gather(name) for name in suite.agents}
    has = what_it_has(problem, records_episodes=suite.records_episodes)
    return as_dataset(suite, problem, results, seeds, has)


def _join(records: Sequence[Arrays]) -> Arrays:
    return {key: np.concatenate([np.atleast_1d(record[key]) for record in records]) for key in records[0]}
