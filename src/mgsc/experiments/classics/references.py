"""References for the classics, measured by others or computed by linear algebra, and the comparison with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mgsc.experiments.classics.table import SWEEPING, SWEEPING_TOO
from mgsc.experiments.reading.statistics import Interval, mean_interval

BOUND = 3.0
"""Largest difference in standard errors that counts as chance."""

NORMAL = 1.96
"""Half-width of a 95 % interval in standard errors, of a mean over hundreds of runs."""

Record = Mapping[str, npt.NDArray[Any]]
Numbers = npt.NDArray[np.float64]


class Reference(NamedTuple):
    """A published or exact number.

    Attributes:
        what: in words.
        classic: the experiment.
        agent: of that experiment.
        of_runs: ``record -> [runs]`` one number of each run.
        value: the reference's mean.
        half_width: of its 95 % interval; 0 where it is exact; None where it is not given.
        runs: of the reference; 0 where it is exact.
        is_met: False for a row that shows the effect of a choice.
    """

    what: str
    classic: str
    agent: str
    of_runs: Callable[[Record], Numbers]
    value: float
    half_width: float | None
    runs: int
    is_met: bool = True


class Finding(NamedTuple):
    """A result beside its reference.

    Attributes:
        measured: the mean with its 95 % interval.
        n: number of runs.
        errors: difference in standard errors of both; NaN for a single run.
        agrees: whether it is within ``BOUND``.
    """

    reference: Reference
    measured: Interval
    n: int
    errors: float
    agrees: bool


def lengths(first: int, last: int) -> Callable[[Record], Numbers]:
    """Mean length of episodes ``first`` to ``last``, counted from 1."""
    return lambda record: _numbers(record["length"][:, first - 1 : last].mean(1))


def sum_of_lengths(first: int, last: int) -> Callable[[Record], Numbers]:
    """Environment steps in episodes ``first`` to ``last``, counted from 1."""
    return lambda record: _numbers(record["length"][:, first - 1 : last].sum(1))


def total_reward(record: Record) -> Numbers:
    """Reward of the whole run."""
    return _numbers(record["reward"].sum(1))


def updates(record: Record) -> Numbers:
    """Updates until the solution."""
    return _numbers(record["updates"])


SUM, LATE = "steps in episodes 2 to 50", "steps per episode, episodes 41 to 50"
FIRST = "steps of the first episode"
REWARD, SMALL = "reward after 3000 steps", "reward after 3000 steps, step size 0.1"
UPDATES = "updates until the greedy path is short"

REFERENCES: tuple[Reference, ...] = (
    Reference(SUM, "dyna-maze", "n = 0", sum_of_lengths(2, 50), 4089.9, 42.5, 2000),
    Reference(SUM, "dyna-maze", "n = 50", sum_of_lengths(2, 50), 849.2, 3.2, 2000),
    Reference(LATE, "dyna-maze", "n = 0", lengths(41, 50), 17.92, 0.07, 2000),
    Reference(LATE, "dyna-maze", "n = 50", lengths(41, 50), 16.76, 0.07, 2000),
    Reference(SUM, "dyna-maze-samplings", "n = 1, states", sum_of_lengths(2, 50), 1626.3, 10.9, 2000),
    Reference(SUM, "dyna-maze-samplings", "n = 1, pairs", sum_of_lengths(2, 50), 1655.0, 7.0, 2000),
    Reference(LATE, "dyna-maze-samplings", "n = 5, states", lengths(41, 50), 16.79, 0.06, 2000),
    Reference(LATE, "dyna-maze-samplings", "n = 5, pairs", lengths(41, 50), 16.68, None, 2000),
    Reference(FIRST, "dyna-maze", "n = 0", lengths(1, 1), 868.7254, 0.0, 0),
    Reference(FIRST, "dyna-maze", "n = 50", lengths(1, 1), 868.7254, 0.0, 0),
    Reference(FIRST, "first-episode-stayed", "n = 0", lengths(1, 1), 441.8840, 0.0, 0),
    Reference(FIRST, "first-episode-moved", "n = 0", lengths(1, 1), 459.695, 0.0, 0),
    Reference(REWARD, "blocking-maze", "Dyna-Q", total_reward, 73.7, 1.7, 2000),
    Reference(REWARD, "blocking-maze", "Dyna-Q+", total_reward, 133.7, 0.6, 2000),
    Reference(SMALL, "blocking-maze-small-steps", "Dyna-Q", total_reward, 46.3, None, 2000),
    Reference(SMALL, "blocking-maze-small-steps", "Dyna-Q+", total_reward, 22.5, None, 2000),
    Reference(UPDATES, "sweeping-1", SWEEPING, updates, 993.0, 118.0, 200),
    Reference(UPDATES, "sweeping-2", SWEEPING, updates, 7912.0, 928.0, 200),
    Reference(UPDATES, "sweeping-1", SWEEPING_TOO, updates, 993.0, 118.0, 200, is_met=False),
    Reference(UPDATES, "sweeping-1", "Dyna-Q", updates, 7045.0, 639.0, 200),
)
"""Of the reference: measured by two independent implementations, except for the first episodes, which are exact."""


def compare(reference: Reference, record: Record) -> Finding:
    """A result beside a reference; one without an interval is assumed to have the spread of the result's runs."""
    numbers = reference.of_runs(record)
    interval, n = mean_interval(numbers), len(numbers)
    spread = float(numbers.std(ddof=1)) if n > 1 else math.nan
    if reference.half_width is None:
        theirs = spread / math.sqrt(reference.runs)
    else:
        theirs = reference.half_width / NORMAL
    error = math.hypot(spread / math.sqrt(n), theirs)
    errors = (interval.estimate - reference.value) / error if error > 0 else math.nan
    return Finding(reference, interval, n, errors, abs(errors) <= BOUND)


def _numbers(values: npt.ArrayLike) -> Numbers:
    return np.asarray(values, np.float64)
