"""Intervals and comparisons over seeds; the total reward of one seed is the unit.

Student's t for means and paired differences, SciPy's seeded bootstrap for all others. A NaN makes the result NaN: no
number is left out of a mean silently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mgsc.errors import shown_value

Numbers = npt.ArrayLike
LEVEL = 0.95
NUM_RESAMPLES = 2000
"""Resamples, as in rliable; the Monte Carlo error of a 95 % bound is then about 0.5 % of the distribution."""

MOST_NUMBERS = 2**26
"""Numbers of a sample that are resampled at once."""

MOST_PAIRS = 2**14
"""Most pairs of seeds that are compared one by one; for more, numbers are sorted."""

SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


class Interval(NamedTuple):
    """An estimate with its interval.

    Attributes:
        estimate: the estimate itself.
        low: lower bound, NaN where there is none.
        high: upper bound, NaN where there is none.
    """

    estimate: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def mean_interval(x: Numbers, level: float = LEVEL) -> Interval:
    """Mean with Student's t interval.

    Args:
        x: [B] one number per seed.
        level: share of such intervals that hold the true mean.

    Returns:
        The mean and its interval; a single number has no spread, so that its
        bounds are NaN.

    Raises:
        ValueError: no numbers, not one axis, or a level outside (0, 1).
    """
    values = _vector(x)
    if not isinstance(level, float) or not 0 < level < 1:
        raise ValueError(f"level is {level}: it must be in (0, 1)")
    mean, n = float(values.mean()), len(values)
    if n == 1:
        return Interval(mean, math.nan, math.nan)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + level / 2) * values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def mean_of_those_there(x: Numbers, level: float = LEVEL) -> Interval:
    """``mean_interval`` of the numbers that are not NaN, of a quantity that some seeds lack; NaN without any."""
    values = np.asarray(x, np.float64)
    there = values[~np.isnan(values)]
    return mean_interval(there, level) if len(there) else NOTHING


def paired_difference(a: Numbers, b: Numbers, level: float = LEVEL) -> Interval:
    """Mean of a − b over seeds, with Student's t interval of the differences.

    Args:
        a: [B] one number per seed.
        b: [B] of the same seeds in the same order.
        level: as in `mean_interval`.

    Returns:
        The mean difference and its interval.

    Raises:
        ValueError: the two don't have the same length.
    """
    first, second = _pair(a, b)
    return mean_interval(first - second, level)


def bootstrap_interval(
    x: Numbers,
    statistic: Callable[..., Any],
    *others: Numbers,
    seed: int = 0,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """A statistic with its percentile bootstrap interval; the same data give the same interval.

    Args:
        x: [B] one number per seed.
        statistic: `(sample, ..., axis) -> number` or array of numbers, vectorised over the
            leading axes as SciPy calls it: `np.mean`, `interquartile_mean`, ...
        *others: further samples of the statistic; each is resampled by itself.
        seed: of the resampling.
        level: as in `mean_interval`.
        num_resamples: number of resamples.

    Returns:
        The statistic of the data and its interval; the bounds are NaN where every sample is a
        single number, or the statistic itself is NaN.
    """
    samples = [_vector(sample) for sample in (x, *others)]
    estimate = float(statistic(*samples, axis=-1))
    if math.isnan(estimate) or all(len(sample) == 1 for sample in samples):
        return Interval(estimate, math.nan, math.nan)
    # SciPy refuses samples of one number; resampled, they only ever give themselves.
    widened = [np.repeat(sample, 2) if len(sample) == 1 else sample for sample in samples]
    from scipy.stats import bootstrap

    found = bootstrap(
        widened,
        statistic,
        n_resamples=num_resamples,
        batch=max(1, MOST_NUMBERS // max(map(len, widened))),
        confidence_level=level,
        method="percentile",
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(estimate, float(found.low), float(found.high))


def probability_of_improvement(x: Numbers, y: Numbers, seed: int = 0, level: float = LEVEL) -> Interval:
    """P(X > Y) + ½ P(X = Y) over all pairs of seeds, as in rliable.

    Args:
        x: [B] numbers of the agent that may be better.
        y: [B'] numbers of the agent it is compared to; seeds need not be the same.
        seed: of the resampling.
        level: as in `mean_interval`.

    Returns:
        The probability with its bootstrap interval, in which the two agents are resampled
        independently.
    """
    return bootstrap_interval(x, _share_of_wins, y, seed=seed, level=level)


def win_rate(x: Numbers, y: Numbers) -> float:
    """Share of seeds in which x beats y; a tie counts one half.

    Args:
        x: [B] one number per seed.
        y: [B] of the same seeds in the same order.

    Returns:
        The share, NaN where a number is.

    Raises:
        ValueError: the two don't have the same length.
    """
    first, second = _pair(x, y)
    return float(np.mean(_wins(first, second)))


def interquartile_mean(x: Numbers, axis: int = -1) -> Any:
    """Mean of the middle half: ⌊n/4⌋ numbers are cut off at each end.

    Args:
        x: numbers, in any shape.
        axis: the axis of the seeds.

    Returns:
        The mean without that axis.
    """
    values = np.sort(np.asarray(x, np.float64), axis=axis)
    n = values.shape[axis]
    middle = np.take(values, range(n // 4, n - n // 4), axis=axis)
    result = middle.mean(axis=axis)
    return np.where(np.isnan(values).any(axis=axis), np.nan, result)[()]


def _share_of_wins(x: npt.NDArray[Any], y: npt.NDArray[Any], axis: int = -1) -> Any:
    if axis != -1:
        raise ValueError("samples lie along the last axis")
    if x.shape[-1] * y.shape[-1] > MOST_PAIRS:
        return _share_by_sorting(x, y)
    return _wins(x[..., :, None], y[..., None, :]).mean(axis=(-2, -1))


def _share_by_sorting(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Any:
    """The same share, to the last bit, where there are too many pairs to look at each: counts of halves are exact."""
    leading = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    shares = np.empty(leading)
    for place in np.ndindex(*leading):
        mine, theirs = x[place], np.sort(y[place])
        halves = sum(int(np.searchsorted(theirs, mine, side=side).sum()) for side in SIDES)
        is_nan = np.isnan(mine).any() or np.isnan(theirs[-1])
        shares[place] = math.nan if is_nan else halves / 2 / (len(mine) * len(theirs))
    return shares[()]


def _wins(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """1 for a win, ½ for a tie, 0 for a loss; NaN where either is."""
    wins: npt.NDArray[np.float64] = np.heaviside(x - y, 0.5)
    return wins


def _vector(x: Numbers) -> npt.NDArray[np.float64]:
    try:
        values = np.asarray(x, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"expected one number per seed, got {shown_value(x)}") from None
    if values.ndim != 1 or not len(values):
        raise ValueError(f"expected one number per seed, got an array of shape {values.shape}")
    return values


def _pair(a: Numbers, b: Numbers) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first, second = _vector(a), _vector(b)
    if len(first) != len(second):
        raise ValueError(f"paired numbers need the same seeds: {len(first)} and {len(second)}")
    return first, second
