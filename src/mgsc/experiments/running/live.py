"""Live tracking: the process that runs a unit logs the record of each call of its program when the call ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mgsc.experiments.design.quantities import PER_CHUNK
from mgsc.experiments.design.suites import settings_as_dict
from mgsc.experiments.running.dataset import recorded
from mgsc.experiments.running.recorder import what_it_has
from mgsc.experiments.tracking.runs import TrackedRun, Tracking, name_of

if TYPE_CHECKING:
    from mgsc.experiments.design.suites import Suite
    from mgsc.problem import Problem

Observe = Callable[[int, dict[str, NDArray[Any]]], None]


@contextlib.contextmanager
def tracked(
    tracking: Tracking, suite: Suite, agent: str, root_seed: int, seeds: Sequence[int], problem: Problem
) -> Iterator[Observe]:
    """A function that logs the records of a unit's calls, a run for each seed; a restarted unit begins its runs anew.

    Raises:
        UserError: the tracker is not installed, or its files cannot be written.
    """
    settings = settings_as_dict(suite)
    has = what_it_has(problem, records_episodes=suite.records_episodes)
    runs: list[TrackedRun] = []

    def observe(first_chunk: int, record: dict[str, NDArray[Any]]) -> None:
        variables = recorded(suite, problem, {agent: record}, has, first_chunk)
        arrays = {name: entry[1][0] for name, entry in variables.items() if entry[0] == PER_CHUNK}
        for lane, run in enumerate(runs):
            for chunk in range(record["reward"].shape[1]):
                step = (first_chunk + chunk + 1) * suite.record_every
                run.log(step, {name: array[lane, chunk] for name, array in arrays.items()})

    with contextlib.ExitStack() as closing:
        for seed in seeds:
            config = tracking.config(settings, agent, root_seed, seed)
            runs.append(TrackedRun(tracking, name_of(agent, f"seed-{seed}", config), config))
            closing.callback(runs[-1].close)
        yield observe
        for run in runs:
            run.finish()
