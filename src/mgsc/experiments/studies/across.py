"""A study across its problems: all runs on one scale, and statistics of an agent over all of them.

A score is 0 for the mean of Q-learning without planning and 1 for the ε-soft optimum of the problem. Intervals are
percentiles of a bootstrap that draws seeds anew within each problem, as rliable's stratified one does (Agarwal et al.
2021, "Deep reinforcement learning at the edge of the statistical precipice", section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mgsc.experiments.reading.statistics import LEVEL, NUM_RESAMPLES, Interval, interquartile_mean

BASE = "no_planning"
"""The agent whose mean is score 0."""

PRIVILEGED = ("oracle", "avoid_terminal")
"""Privileged agents, which read the truth."""

Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """Normalised total rewards.

    Attributes:
        problems: [P] names.
        agents: [G] names of the agents that ran on every problem.
        values: [P, G, B] scores; seed b is the same for all agents.
    """

    problems: list[str]
    agents: list[str]
    values: Floats


class Profile(NamedTuple):
    """Share of runs that score more than a threshold.

    Attributes:
        thresholds: [X].
        share: [G, X], the mean over problems.
        low, high: [G, X] bounds of its interval, at each threshold by itself.
    """

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def is_comparison(summary: Mapping[str, Any]) -> bool:
    """Whether a summary compares across its problems."""
    return bool(summary.get("compares", False))


def title_of(summary: Mapping[str, Any]) -> str:
    """The title of a comparison."""
    count = len(summary["cells"])
    return "the one problem" if count == 1 else f"all {count} problems"


def normalised(summary: Mapping[str, Any]) -> Scores:
    """The scores on all problems; agents that did not run on some of them are left out.

    Raises:
        ValueError: the summary does not compare across problems.
    """
    if not is_comparison(summary):
        raise ValueError(f"{summary['study']} is not meant to be read across its problems")
    cells = summary["cells"]
    agents = [agent for agent in cells[0]["agents"] if all(agent in cell["agents"] for cell in cells)]
    return Scores(
        [str(cell["ground"]) for cell in cells],
        agents,
        np.stack([np.stack([scores_of(cell, agent) for agent in agents]) for cell in cells]),
    )


def scores_of(cell: Mapping[str, Any], agent: str) -> Floats:
    """[B] scores of an agent of a cell."""
    zero = np.mean(cell["agents"][BASE]["totals"])
    found: Floats = (np.array(cell["agents"][agent]["totals"], float) - zero) / (cell["optimum"] - zero)
    return found


def interquartile_means(scores: Scores, seed: int = 0) -> list[Interval]:
    """Of each agent, the interquartile mean of its runs on all problems."""
    pooled = interquartile_mean(_pooled(scores.values))
    resampled = np.stack([interquartile_mean(_pooled(values)) for values in _resamples(scores.values, seed)])
    return _intervals(pooled, resampled)


def mean_ranks(scores: Scores, seed: int = 0) -> list[Interval]:
    """Of each agent, the mean over problems of its rank by mean score; 1 is best, ties share their ranks."""
    resampled = np.stack([_mean_rank(values) for values in _resamples(scores.values, seed)])
    return _intervals(_mean_rank(scores.values), resampled)


def improvements(scores: Scores, agent: str, seed: int = 0) -> list[Interval]:
    """P(X > Y) + ½ P(X = Y), the mean over problems, X being each agent and Y the one named.

    Source: Agarwal et al. 2021, section 4.3: over all pairs of runs, the two resampled independently.
    """
    theirs = scores.values[:, scores.agents.index(agent)]
    random = np.random.default_rng(seed)
    found = []
    for place in range(len(scores.agents)):
        wins = np.heaviside(scores.values[:, place, :, None] - theirs[:, None, :], 0.5)
        # How often each seed is drawn, in place of the seeds drawn: a resample is then two products.
        mine, others = (_shares(random, wins.shape[0], wins.shape[1]) for _ in range(2))
        resampled = np.einsum("rpi,pij,rpj->rp", mine, wins, others, optimize=True).mean(1)
        found += _intervals(np.array([wins.mean()]), resampled[:, None])
    return found


def performance_profile(scores: Scores, thresholds: Sequence[float], seed: int = 0) -> Profile:
    """Share of runs above each threshold, with intervals.

    Source: Agarwal et al. 2021, section 4.2 (run-score distributions).
    """
    at = np.asarray(thresholds, float)
    above = scores.values[..., None] > at
    random = np.random.default_rng(seed)
    shares = _shares(random, above.shape[0], above.shape[2])
    resampled = np.einsum("rpb,pgbx->rgx", shares, above.astype(float), optimize=True) / above.shape[0]
    low, high = _bounds(resampled)
    return Profile(at, above.mean((0, 2)), low, high)


def _pooled(values: Floats) -> Floats:
    """[G, P·B] all runs of each agent."""
    return values.swapaxes(0, 1).reshape(values.shape[1], -1)


def _mean_rank(values: Floats) -> Floats:
    from scipy.stats import rankdata

    found: Floats = rankdata(-values.mean(-1), axis=1).mean(0)
    return found


def _resamples(values: Floats, seed: int) -> list[Floats]:
    """Seeds drawn anew within each problem, the same for all its agents: comparisons stay paired."""
    random = np.random.default_rng(seed)
    num_problems, _, num_seeds = values.shape
    rows = np.arange(num_problems)[:, None]
    drawn = random.integers(num_seeds, size=(NUM_RESAMPLES, num_problems, num_seeds))
    return [values[rows, :, which].swapaxes(1, 2) for which in drawn]


def _shares(random: np.random.Generator, num_problems: int, num_seeds: int) -> Floats:
    """[R, P, B] how often each seed is drawn, as shares of one."""
    even = np.full(num_seeds, 1 / num_seeds)
    found: Floats = random.multinomial(num_seeds, even, size=(NUM_RESAMPLES, num_problems)) / num_seeds
    return found


def _bounds(resampled: Floats) -> tuple[Floats, Floats]:
    edge = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [edge, 1 - edge], axis=0)
    return low, high


def _intervals(estimates: Floats, resampled: Floats) -> list[Interval]:
    low, high = _bounds(resampled)
    return [Interval(*map(float, row)) for row in zip(np.atleast_1d(estimates), low, high, strict=True)]
