"""Returns and lengths of the episodes of a run, where they are recorded.

A chunk stores means over the episodes that ended in it. Here each chunk has the number of these episodes as its weight,
so that a mean over chunks is the mean over episodes. A seed in which no episode ended has no mean; with such a seed the
mean over seeds is NaN, and these seeds are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgsc.experiments.design.quantities import ENDED, EPISODES
from mgsc.experiments.reading.chunks import steps_per_chunk
from mgsc.experiments.reading.statistics import LEVEL, NOTHING, Interval, mean_interval, paired_difference

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]

STRETCHES = ("whole", "last_third")
"""Stretches of a run: all its chunks, and those that begin in the last third of its steps, at least the last one."""


@dataclass(frozen=True)
class Episodes:
    """The episodes of one agent that ended in one stretch of the run.

    Attributes:
        steps: environment steps of the stretch, per seed.
        mean_return: of an episode, mean over seeds with its interval [reward].
        difference: mean return minus the baseline's, paired by seed [reward]; NaN for itself.
        mean_length: of an episode, mean over seeds with its interval [environment steps].
        terminated: episodes that the task ended, mean over seeds.
        truncated: episodes that were cut short, mean over seeds.
        seeds_without: seeds in which no episode ended; with any, the means are NaN.
    """

    steps: int
    mean_return: Interval
    difference: Interval
    mean_length: Interval
    terminated: float
    truncated: float
    seeds_without: int


def has_episodes(dataset: xr.Dataset) -> bool:
    """Whether episodes are recorded."""
    return all(name in dataset for name in EPISODES)


def episodes_of(dataset: xr.Dataset, agent: str, baseline: str, level: float = LEVEL) -> dict[str, Episodes]:
    """The episodes of one agent.

    Args:
        dataset: a result, per ``store.contract``.
        agent: one of its agents.
        baseline: the agent that it is compared to.
        level: of the intervals.

    Returns:
        By the names of ``STRETCHES``; empty where episodes are not recorded.
    """
    if not has_episodes(dataset):
        return {}
    found = {}
    for stretch in STRETCHES:
        part = dataset.isel(chunk=_chunks(dataset, stretch))
        rival = None if agent == baseline else mean_per_episode(part.sel(agent=baseline), "episode_return")
        steps = steps_per_chunk(dataset)[-part.sizes["chunk"] :]
        found[stretch] = _of_stretch(part.sel(agent=agent), rival, int(steps.sum()), level)
    return found


def mean_per_episode(run: xr.Dataset, name: str) -> Floats:
    """[B] mean over episodes of one agent's ``episode_return`` or ``episode_length``.

    Args:
        run: chunks of one agent.
        name: of the mean over the episodes that ended in a chunk.

    Returns:
        Of each seed the sum over episodes divided by their number, NaN where none ended.
    """
    ended = ended_in(run)
    total = np.where(ended > 0, np.asarray(run[name].values, np.float64) * ended, 0.0).sum(1)
    number = ended.sum(1)
    means: Floats = np.divide(total, number, out=np.full(len(total), math.nan), where=number > 0)
    return means


def ended_in(run: xr.Dataset) -> Floats:
    """Number of episodes that ended in each chunk, of a result or of one agent of it."""
    terminated, truncated = (np.asarray(run[name].values, np.float64) for name in ENDED)
    ended: Floats = terminated + truncated
    return ended


def _chunks(dataset: xr.Dataset, stretch: str) -> slice:
    ends = np.asarray(dataset["step"].values, np.int64)
    if stretch == "whole":
        return slice(0, len(ends))
    begins = np.concatenate([[0], ends[:-1]])
    return slice(min(int(np.searchsorted(3 * begins, 2 * ends[-1])), len(ends) - 1), len(ends))


def _of_stretch(run: xr.Dataset, rival: Floats | None, steps: int, level: float) -> Episodes:
    def mean_number(name: str) -> float:
        return float(np.asarray(run[name].values, np.float64).sum(1).mean())

    returns = mean_per_episode(run, "episode_return")
    return Episodes(
        steps,
        mean_interval(returns, level),
        NOTHING if rival is None else paired_difference(returns, rival, level),
        mean_interval(mean_per_episode(run, "episode_length"), level),
        mean_number("episodes_terminated"),
        mean_number("episodes_truncated"),
        int((ended_in(run).sum(1) == 0).sum()),
    )
