"""Runs a suite: settings in, labelled arrays out; in a folder, every finished part is kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
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
from mgsc.experiments.running.share import Share, run_joined
from mgsc.experiments.running.units import Unit, units_of, with_times
from mgsc.experiments.running.versions import versions

if TYPE_CHECKING:
    import xarray as xr

    from mgsc.experiments.store import Manifest, ResultFolder
    from mgsc.experiments.tracking.runs import Tracking
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
    track: Tracking | None = None,
) -> xr.Dataset:
    """Runs all agents of a suite on all seeds.

    Args:
        out: folder to keep the result in, block by block; None keeps it in memory only.
        overwrite, resume, append: for a result that is there, see ``store.create``.
        progress: callbacks that receive the progress.
        executor: of the units; it changes no number.
        track: where the records of units are logged while they run.

    Returns:
        Labelled arrays of the form of ``store.contract``.

    Raises:
        UserError: impossible settings or seeds, or a folder that cannot be used; raised before any work.
    """
    plan, problem = _plan(name, suite, seeds)
    from mgsc.experiments import store

    progress = progress or Progress()
    if out is None:
        units = units_of(suite, seeds.numbers, plan.root_seed, problem=problem, tracking=track)
        records = _run(suite, problem, units, progress, executor)
        of = {agent: [records[unit.name] for unit in units if unit.agent == agent] for agent in suite.agents}
        results = {agent: _join(found) for agent, found in of.items()}
        return store.label(_dataset(suite, problem, results, seeds.numbers), plan)
    with store.create(out, plan, overwrite=overwrite, resume=resume, append=append) as folder:
        if folder.is_complete:
            return store.open_result(out)
        units = units_of(suite, folder.seeds_to_run, plan.root_seed, folder, problem, tracking=track)
        _run(suite, problem, units, progress, executor)
        return _publish(suite, problem, folder)


def run_share(
    name: str,
    suite: Suite,
    seeds: Seeds,
    *,
    share: Share,
    out: str | os.PathLike[str],
    progress: Progress | None = None,
    executor: Executor = THREADS,
    track: Tracking | None = None,
) -> xr.Dataset | None:
    """Runs what is missing of one share of a suite; other processes on any machines may run the other shares meanwhile.

    Args:
        share: the calls for other shares have the same arguments otherwise.
        out: folder of the result, the same for all shares.
        progress: callbacks that receive the progress.
        executor: of the share's units.
        track: where the records of units are logged while they run.

    Returns:
        The result of ``run_suite``, if this share was the last to end, which then publishes it. None while runs of
        other shares are missing.

    Raises:
        UserError: as ``run_suite``.
    """
    plan, problem = _plan(name, suite, seeds)
    from mgsc.experiments import store

    def missing(folder: ResultFolder) -> Callable[[], object]:
        units = units_of(suite, folder.seeds_to_run, plan.root_seed, folder, problem, share, track)
        return lambda: _run(suite, problem, units, progress or Progress(), executor)

    def publish(folder: ResultFolder) -> xr.Dataset | None:
        if any(folder.missing_seeds(agent) for agent in suite.agents):
            return None
        return _publish(suite, problem, folder)

    return run_joined(
        lambda: store.create(out, plan, join=True),
        finished=lambda folder: store.open_result(out) if folder.is_complete else None,
        missing=missing,
        publish=publish,
    )


def check_run(name: str, suite: Suite, seeds: Seeds) -> None:
    """Checks what ``run_suite`` checks before any work, but for the folder.

    Raises:
        UserError: impossible settings or seeds.
    """
    _plan(name, suite, seeds)


def _plan(name: str, suite: Suite, seeds: Seeds) -> tuple[Manifest, Problem]:
    """What is to run, once all that is impossible is refused."""
    check_suite(suite)
    seeds.check()
    check_addresses()
    plan = _manifest(name, suite, seeds)
    problem = _checked_problem(suite)
    check_memory(suite, problem, seeds.count)
    return plan, problem


def _checked_problem(suite: Suite) -> Problem:
    """The suite's problem, after building every agent once: what is impossible is refused here."""
    from mgsc.experiments.running.build import build_agent, build_problem
    from mgsc.experiments.running.trial import check_own_code

    problem = build_problem(suite)
    for agent in suite.agents.values():
        if agent.own is None:
            build_agent(suite, agent, problem)
    check_own_code(suite, problem)
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
    suite: Suite, problem: Problem, units: Sequence[Unit], progress: Progress, executor: Executor
) -> dict[str, Arrays]:
    """Runs units; gives the records of those that have no place to be written to, by their names."""
    from mgsc.experiments.running.optimal import optimum

    def optima() -> None:  # remembered: there is time for them while the first agents compile
        for epsilon in (None, 0.0) if problem.truth is not None else ():
            optimum(suite, epsilon)

    for name in suite.agents:
        progress.start(name, sum(unit.num_steps for unit in units if unit.agent == name))
    records: dict[str, Arrays] = {}
    with contextlib.closing(execute(units, executor, progress, meanwhile=optima)) as finished:
        for unit, result in finished:
            if unit.place is None:
                records[unit.name] = with_times(unit, result)
    return records


def _publish(suite: Suite, problem: Problem, folder: ResultFolder) -> xr.Dataset:
    """Puts the parts of all agents together, and publishes them."""
    results = {name: folder.gather(name) for name in suite.agents}
    return folder.publish(_dataset(suite, problem, results, folder.seeds_to_run))


def _dataset(suite: Suite, problem: Problem, results: dict[str, Arrays], seeds: Sequence[int]) -> xr.Dataset:
    from mgsc.experiments.running.recorder import what_it_has

    has = what_it_has(problem, records_episodes=suite.records_episodes)
    return as_dataset(suite, problem, results, seeds, has)


def _join(records: Sequence[Arrays]) -> Arrays:
    return {key: np.concatenate([np.atleast_1d(record[key]) for record in records]) for key in records[0]}
