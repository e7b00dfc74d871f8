"""Mechanisms of an agent: the means of its measures, and the change of its d after a switch.

Pure functions of the stored arrays. NaN means "does not apply" or "not known"; a mean over numbers with a NaN is NaN,
except for the two measures of ``UNDEFINED_AT_TIMES``.

The change of d: in a window after each switch, the rank correlation over the candidate states of d's
change (d in the window's last chunk minus d in the last chunk before the switch) with the mean error of the
model, and of the values, in the window. An agent whose d leaves the states where its model is wrong has a negative
correlation with model error. The correlation of chance is that of the same change shuffled over the states.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgsc.experiments.design.quantities import ALWAYS, MEASURES, REPORTED, SPREAD
from mgsc.experiments.reading.chunks import steps_per_chunk
from mgsc.experiments.reading.statistics import LEVEL, Interval, mean_interval, paired_difference

if TYPE_CHECKING:
    import xarray as xr

Floats = npt.NDArray[np.float64]

UNDEFINED_AT_TIMES = ("useful_share", "alignment")
"""Measures that are NaN in chunks in which no planned update changes a value: these are counted and left out."""

ERRORS = {"model_error": "model error", "value_error": "value error"}
"""The errors with which d's change is correlated, and their names."""

_STORED_AS = {"model_error": "model_error", "value_error": "state_value_error"}

MOVES = 1e-6
"""Least change of a state's probability by which d counts as changed: rounding changes it by less."""

DIFFERS = 1e-6
"""Share of a run's largest error below which errors count as equal, so that rounding is not ranked."""

NUM_SHUFFLES = 20
"""Number of shuffles, whose mean has a fifth of one shuffle's spread: small beside that between seeds."""

SHUFFLE_SEED = 20240619
"""Root of the shuffles; each seed of a run has its own, which does not depend on the other seeds."""


@dataclass(frozen=True)
class Mean:
    """A measure's mean over the run.

    Attributes:
        interval: mean over seeds with its interval.
        undefined: chunks, over all seeds, without the measure, which were left out.
        chunks: number of chunks, over all seeds.
    """

    interval: Interval
    undefined: int
    chunks: int


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of d's change with an error, averaged over windows and then over seeds.

    Attributes:
        found: of d's change.
        shuffled: of the same change shuffled over the states.
        difference: one minus the other, paired by seed.
        windows: windows that count, over all seeds: those in which d changes and the error differs between states.
    """

    found: Interval
    shuffled: Interval
    difference: Interval
    windows: int


@dataclass(frozen=True)
class Mechanism:
    """The measures of one agent's planning.

    Attributes:
        means: by the names of ``MEASURES``, ``ALWAYS``, ``REPORTED`` and ``SPREAD``, as far as they are recorded.
        correlations: by the names of ``ERRORS``; empty without d on states.
    """

    means: Mapping[str, Mean]
    correlations: Mapping[str, Correlation]


def mechanism(dataset: xr.Dataset, agent: str, window: int | None = None, level: float = LEVEL) -> Mechanism:
    """What is measured of one agent's planning.

    Args:
        dataset: a result, per ``store.contract``.
        agent: one of its agents.
        window: chunks after a switch; by default all up to the next switch.
        level: of the intervals.

    Returns:
        The means and correlations; those that do not apply to the agent are NaN.

    Raises:
        ValueError: a window of no chunks.
    """
    names = dict.fromkeys((*MEASURES, *ALWAYS, *REPORTED, *SPREAD))
    return Mechanism(
        {name: mean_of(dataset, agent, name, level) for name in names if name in dataset},
        {error: correlation(dataset, agent, error, window, level) for error in ERRORS if has_d(dataset)},
    )


def has_d(dataset: xr.Dataset) -> bool:
    """Whether d is recorded: of states that are the same in every step."""
    return "query_distribution" in dataset


def mean_of(dataset: xr.Dataset, agent: str, name: str, level: float = LEVEL) -> Mean:
    """A measure's mean over a run, weighted by the steps of each chunk."""
    values = _of_agent(dataset, agent, name)
    steps = np.broadcast_to(steps_per_chunk(dataset), values.shape)
    undefined = np.isnan(values) if name in UNDEFINED_AT_TIMES else np.zeros(values.shape, bool)
    weights = np.where(undefined, 0.0, steps)
    total = np.where(undefined, 0.0, values * weights).sum(1)
    counted = weights.sum(1)
    means = np.divide(total, counted, out=np.full(len(total), math.nan), where=counted > 0)
    return Mean(mean_interval(means, level), int(undefined.sum()), values.size)


def correlation(
    dataset: xr.Dataset, agent: str, error: str, window: int | None = None, level: float = LEVEL
) -> Correlation:
    """Rank correlation of d's change after a switch with an error in that window.

    Args:
        dataset: a result, per ``store.contract``.
        agent: one of its agents.
        error: one of ``ERRORS``.
        window: as in ``mechanism``.
        level: of the intervals.

    Returns:
        NaN where in some seed d never changes, or the error never differs between states.
    """
    found, shuffled, windows = correlation_of_seeds(dataset, agent, error, window)
    return Correlation(
        mean_interval(found, level),
        mean_interval(shuffled, level),
        paired_difference(found, shuffled, level),
        windows,
    )


def correlation_of_seeds(
    dataset: xr.Dataset, agent: str, error: str, window: int | None = None
) -> tuple[Floats, Floats, int]:
    """[B] the correlation of each seed, [B] that of its shuffles, and the number of windows that count."""
    change, mean, counts = _windows(dataset, agent, error, window)
    nothing = np.full(len(counts), math.nan)
    found, shuffled = nothing.copy(), nothing.copy()
    if not counts.any():
        return found, shuffled, 0
    change, mean = _ranks(change), _ranks(mean)
    for place, seed in enumerate(dataset["seed"].values):
        which = counts[place]
        if which.any():
            random = np.random.default_rng([SHUFFLE_SEED, int(seed)])
            pair = _with_shuffles(change[place, which], mean[place, which], random)
            found[place], shuffled[place] = pair[0].mean(), pair[1].mean()
    return found, shuffled, int(counts.sum())


def num_windows(dataset: xr.Dataset, agent: str, error: str) -> int:
    """The number of windows of ``correlation_of_seeds``, which costs far less than their correlations."""
    return int(_windows(dataset, agent, error, None)[2].sum())


def _windows(
    dataset: xr.Dataset, agent: str, error: str, window: int | None
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """[B, W, S] the change of d in each window after a switch, and the mean error there; [B, W] whether it counts."""
    states = np.asarray(dataset["is_candidate"].values, bool)
    d = _of_agent(dataset, agent, "query_distribution")[..., states]
    chosen = windows_after_switches(dataset, window)
    if not chosen or np.isnan(d).all() or _STORED_AS[error] not in dataset:
        nothing = np.zeros((len(d), 0, int(states.sum())))
        return nothing, nothing, np.zeros((len(d), 0), bool)
    errors = _of_agent(dataset, agent, _STORED_AS[error])[..., states]
    change = np.stack([d[:, end - 1] - d[:, begin - 1] for begin, end in chosen], 1)
    mean = np.stack([errors[:, begin:end].mean(1) for begin, end in chosen], 1)
    # What differs by rounding only has the same rank; NaN stays NaN.
    grain = DIFFERS * np.nanmax(np.abs(errors), axis=(1, 2), initial=0.0, keepdims=True)
    mean = np.round(np.divide(mean, grain, out=mean, where=grain > 0))
    # A NaN is no reason to leave a window out: it must show.
    return change, mean, ~(np.abs(change).max(-1) <= MOVES) & ~(np.ptp(mean, axis=-1) == 0)


def windows_after_switches(dataset: xr.Dataset, window: int | None = None) -> list[tuple[int, int]]:
    """The chunks [begin, end) after each switch.

    Args:
        dataset: a result, per ``store.contract``.
        window: most chunks of each; by default all up to the next switch.

    Raises:
        ValueError: a window of no chunks.
    """
    if window is not None and window < 1:
        raise ValueError(f"window is {window}: at least 1 chunk is needed")
    ends = np.asarray(dataset["step"].values, np.float64)
    begins = [int(np.searchsorted(ends, step, "right")) for step in dataset.attrs["switch_steps"]]
    longest = len(ends) if window is None else window
    turns = itertools.pairwise([*begins, len(ends)])
    return [(begin, min(stop, begin + longest)) for begin, stop in turns if 0 < begin < stop]


def rank_correlation(x: Floats, y: Floats) -> Floats:
    """Spearman's rank correlation along the last axis; ties share their mean rank, and NaN stays NaN."""
    return _pearson(_ranks(x), _ranks(y))


def _with_shuffles(change: Floats, error: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """[W] correlations over states of ranks [W, S], and [W] their means over shuffles of the change."""
    shuffled = random.permuted(np.repeat(change[None], NUM_SHUFFLES, axis=0), axis=-1)
    return _pearson(change, error), _pearson(shuffled, error).sum(0) / NUM_SHUFFLES


def _ranks(x: Floats) -> Floats:
    from scipy.stats import rankdata

    ranks: Floats = rankdata(x, axis=-1, nan_policy="propagate")
    return ranks


def _pearson(x: Floats, y: Floats) -> Floats:
    x = x - x.mean(-1, keepdims=True)
    y = y - y.mean(-1, keepdims=True)
    norm = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    cosine: Floats = np.divide((x * y).sum(-1), norm, out=np.full(norm.shape, math.nan), where=norm > 0)
    return cosine


def _of_agent(dataset: xr.Dataset, agent: str, name: str) -> Floats:
    """[B, chunk] or [B, chunk, S]."""
    return np.asarray(dataset[name].sel(agent=agent).values, np.float64)
