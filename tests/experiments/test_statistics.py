"""Intervals and comparisons against hand arithmetic and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mgsc.experiments.reading import statistics
from mgsc.experiments.reading.statistics import (
    bootstrap_interval,
    interquartile_mean,
    mean_interval,
    paired_difference,
    probability_of_improvement,
    win_rate,
)

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=20)


def test_mean_interval_by_hand() -> None:
    # mean 4; deviations -2 0 2, variance (4 + 0 + 4) / 2 = 4, standard error 2 / √3 = 1.154701;
    # t(2, 97.5 %) = 4.302653; half-width 4.302653 · 1.154701 = 4.968275
    estimate, low, high = mean_interval([2.0, 4.0, 6.0])
    assert estimate == 4.0
    assert low == pytest.approx(4 - 4.968275, abs=1e-6)
    assert high == pytest.approx(4 + 4.968275, abs=1e-6)


@given(numbers, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_mean_interval_is_scipys(x: list[float], level: float) -> None:
    error = scipy.stats.sem(x)
    if error > 0:
        expected = scipy.stats.t.interval(level, len(x) - 1, np.mean(x), error)
        assert mean_interval(x, level)[1:] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(size=(4000, 5))
    held = np.mean([low < 0 < high for _, low, high in map(mean_interval, samples)])
    assert abs(held - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_one_seed_has_no_interval() -> None:
    assert mean_interval([3.0]).estimate == 3.0
    assert np.isnan(mean_interval([3.0])[1:]).all()
    assert np.isnan(bootstrap_interval([3.0], np.mean)[1:]).all()
    one = probability_of_improvement([3.0], [2.0])
    assert one.estimate == 1.0
    assert np.isnan(one[1:]).all()


def test_paired_difference_by_hand() -> None:
    # differences 1 2 3: mean 2, variance 1, half-width 4.302653 / √3 = 2.484138. Unpaired, the
    # spread of 10 … 30 would drown it.
    estimate, low, high = paired_difference([11.0, 22.0, 33.0], [10.0, 20.0, 30.0])
    assert estimate == 2.0
    assert (low, high) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-6)


def test_probability_of_improvement_by_hand() -> None:
    # pairs of [1 2 4] and [2 3]: 1<2 1<3, 2=2 2<3, 4>2 4>3: (2 + ½) / 6
    x, y = [1.0, 2.0, 4.0], [2.0, 3.0]
    assert probability_of_improvement(x, y).estimate == pytest.approx(2.5 / 6)
    assert probability_of_improvement(y, x).estimate == pytest.approx(3.5 / 6)
    assert probability_of_improvement([5.0, 6.0], [1.0, 2.0]) == (1.0, 1.0, 1.0)


def test_issue_many_seeds_are_compared_without_all_their_pairs(monkeypatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 9, 40).astype(float), random.integers(0, 9, 30).astype(float)
    by_pairs = probability_of_improvement(x, y)
    monkeypatch.setattr(statistics, "MOST_PAIRS", 1)
    assert probability_of_improvement(x, y) == by_pairs
    assert math.isnan(probability_of_improvement(x, [*y, math.nan]).estimate)


@given(numbers, numbers)
def test_probability_of_improvement_is_mann_whitneys_u(x: list[float], y: list[float]) -> None:
    u = scipy.stats.mannwhitneyu(x, y, method="asymptotic").statistic
    assert probability_of_improvement(x, y).estimate == pytest.approx(u / (len(x) * len(y)))


def test_win_rate_counts_paired_seeds() -> None:
    # wins: 3>1; tie: 2=2; losses: 0<5, 1<4: (1 + ½) / 4
    assert win_rate([3.0, 2.0, 0.0, 1.0], [1.0, 2.0, 5.0, 4.0]) == pytest.approx(1.5 / 4)
    # all pairs say something else: paired wins are a column of their own
    assert win_rate([1.0, 2.0, 3.0], [0.9, 1.9, 2.9]) == 1.0
    assert probability_of_improvement([1.0, 2.0, 3.0], [0.9, 1.9, 2.9]).estimate < 0.7


def test_bootstrap_interval_is_seeded_and_close_to_students() -> None:
    x = np.random.default_rng(3).normal(10, 2, size=60)
    first, again = bootstrap_interval(x, np.mean), bootstrap_interval(x, np.mean)
    assert first == again
    assert first != bootstrap_interval(x, np.mean, seed=1)
    assert first.estimate == pytest.approx(x.mean())
    # The percentile interval is narrower by about √((n−1)/n) · 1.960 / 2.001 = 0.97.
    student = mean_interval(x)
    ratio = (first.high - first.low) / (student.high - student.low)
    assert ratio == pytest.approx(0.97, abs=0.05)


def test_the_bootstrap_of_a_single_rival_resamples_the_other() -> None:
    found = probability_of_improvement([1.0, 3.0], [2.0])
    # resamples of [1 3] against 2: 11 → 0, 13 or 31 → ½, 33 → 1, a quarter, a half, a quarter
    assert found == (0.5, 0.0, 1.0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=21))
def test_interquartile_mean_is_scipys(x: list[float]) -> None:
    assert interquartile_mean(x) == pytest.approx(scipy.stats.trim_mean(x, 0.25), abs=1e-9)


def test_interquartile_mean_by_hand() -> None:
    assert interquartile_mean([100.0, 1.0, 3.0, -50.0]) == 2.0  # one cut off at each end
    assert interquartile_mean([[1.0, 2.0], [3.0, 8.0]], axis=0).tolist() == [2.0, 5.0]
    interval = bootstrap_interval([1.0, 2.0, 3.0, 4.0, 90.0], interquartile_mean)
    assert interval.low <= interval.estimate == 3.0 <= interval.high


def test_nan_is_never_left_out() -> None:
    x, y = [1.0, math.nan, 2.0], [0.0, 0.0, 0.0]
    for found in (mean_interval(x), paired_difference(x, y)):
        assert np.isnan(found).all()
    assert math.isnan(win_rate(x, y))
    assert math.isnan(interquartile_mean(x))
    assert math.isnan(probability_of_improvement(x, y).estimate)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "one number per seed"),
        (lambda: mean_interval([[1.0, 2.0]]), r"shape \(1, 2\)"),
        (lambda: mean_interval([1.0, 2.0], level=95), r"in \(0, 1\)"),
        (lambda: paired_difference([1.0], [1.0, 2.0]), "1 and 2"),
        (lambda: win_rate([1.0], [1.0, 2.0]), "1 and 2"),
    ],
)
def test_nonsense_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
