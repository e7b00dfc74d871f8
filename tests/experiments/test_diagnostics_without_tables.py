"""Failure signatures of results without tables: what can be judged is, and the rest is named."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr
from tests.experiments.measured import measured, with_numbers
from tests.experiments.synthetic import without_listed, without_tables

from mgsc.experiments.design.quantities import PER_CHUNK
from mgsc.experiments.reading.diagnostics import SIGNATURES, Finding, diagnose, to_json, verdict
from mgsc.experiments.reading.missing import NEEDS, not_judged

CHUNKS = 24
EPISODES_ENDED = {"episodes_terminated": 1.0, "episodes_truncated": 0.0}
NOT_JUDGED = "not judged, for lack of tables: uniform, overshoot"


@pytest.fixture(scope="module")
def healthy() -> xr.Dataset:
    return without_tables(num_seeds=3)


def only(dataset: xr.Dataset) -> Finding:
    (finding,) = diagnose(dataset)
    return finding


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (without_tables(num_seeds=3), NOT_JUDGED),
        (without_tables(has=()), "not judged, for lack of tables: uniform, no_improvement, overshoot"),
        (
            without_listed(num_seeds=2, num_chunks=40),
            "not judged, for lack of listed states: uniform, overshoot",
        ),
    ],
)
def test_a_healthy_result_names_what_is_not_judged(made: xr.Dataset, words: str) -> None:
    assert diagnose(made) == []
    assert verdict(made, []) == f"no failure signature\n{words}"


def test_with_tables_everything_is_judged() -> None:
    assert not_judged(("truth", "listed")) == not_judged(("truth", "listed", "episodes")) == ()
    assert "not judged" not in verdict(measured(), [])
    assert set(NEEDS) <= set(SIGNATURES)


def test_findings_stand_before_what_is_not_judged(healthy: xr.Dataset) -> None:
    norm = np.where(np.arange(24) < 12, 1.0, math.nan)
    broken = with_numbers(healthy, "meta_gradient", meta_gradient_norm=norm)
    text = verdict(broken, diagnose(broken))
    assert text.startswith("meta_gradient: the meta-gradient explodes: it is not finite in 50 % of the chunks")
    assert text.endswith(f"\n{NOT_JUDGED}")


@pytest.mark.parametrize("name", ["meta_loss", "meta_gradient_norm", "entropy"])
def test_what_is_not_finite_is_told_with_its_step(healthy: xr.Dataset, name: str) -> None:
    numbers = np.array(healthy[name].sel(agent="meta_gradient").values)
    numbers[1, 5:] = math.nan
    finding = only(with_numbers(healthy, "meta_gradient", **{name: numbers}))
    assert (finding.signature, finding.seeds, finding.since) == ("exploding_gradient", (1,), 1250)
    assert json.loads(to_json([finding]))["findings"][0]["figures"]["norm"] is None


def test_values_of_networks_that_are_not_finite_are_told_in_place_of_returns_that_do_not_improve(
    healthy: xr.Dataset,
) -> None:
    flat = with_numbers(healthy, "uniform", episode_return=2.0, **EPISODES_ENDED)
    assert only(flat).signature == "no_improvement"
    value = np.zeros((4, 3, CHUNKS))
    value[1, :, 2:] = math.nan
    finding = only(flat.assign(value_here=(PER_CHUNK, value)))
    assert (finding.signature, finding.agent, finding.since) == ("not_finite", "uniform", 500)
    assert finding.advice == "take smaller steps (lower step_size), or lower discount"


@pytest.mark.parametrize(("largest", "is_told"), [(100.0, True), (20.0, False)])
def test_growth_without_bound_is_measured_by_the_rewards(healthy: xr.Dataset, largest: float, is_told: bool) -> None:
    """A chunk's rewards are 5 at most: a norm of 25, at the median of the last quarter, may have its reasons."""
    norm = np.geomspace(largest * 1e-5, largest, CHUNKS)
    findings = diagnose(with_numbers(healthy, "meta_gradient", meta_gradient_norm=norm))
    assert [finding.signature for finding in findings] == ["exploding_gradient"] * is_told


@pytest.mark.parametrize(("norm", "is_told"), [(3e-13, True), (1e-12, False)])
def test_a_gradient_is_nil_by_the_size_of_rewards(healthy: xr.Dataset, norm: float, is_told: bool) -> None:
    """Rewards are 0.02 a step at most: nil is 1e-9 · 0.02² = 4e-13."""
    findings = diagnose(with_numbers(healthy, "meta_gradient", meta_gradient_norm=norm))
    assert [finding.signature for finding in findings] == ["nil_gradient"] * is_told


def test_d_on_few_candidates_is_told_and_that_waste_is_not_recorded(healthy: xr.Dataset) -> None:
    few = np.repeat([3.0, 1.2], [4, CHUNKS - 4])
    finding = only(with_numbers(healthy, "meta_gradient", effective_candidates=few, entropy=np.log(few)))
    assert (finding.signature, finding.since) == ("collapsed", 1000)
    assert finding.words == (
        "d has collapsed on 1.2 candidates in 83 % of the chunks; how much of that planning is wasted is not recorded"
    )
    assert finding.figures == pytest.approx({"states": 1.2, "share": 20 / 24}, rel=1e-6)
    brief = np.repeat([3.0, 1.2], 12)
    assert diagnose(with_numbers(healthy, "meta_gradient", effective_candidates=brief)) == []
    assert diagnose(with_numbers(healthy, "uniform", effective_candidates=1.0)) == [], "it learns nothing"


@pytest.mark.parametrize(
    ("returns", "is_told"),
    [
        (np.full(CHUNKS, 2.0), True),
        (np.full(CHUNKS, 0.0), True),
        (np.full(CHUNKS, -2.0), True),
        (np.linspace(2.0, 1.0, CHUNKS), True),
        (np.linspace(-2.0, -1.0, CHUNKS), False),
        (np.repeat([2.0, 2.2], 12), False),  # 0.2 is more than 5 % of 2.2
        (np.repeat([2.0, 2.1], 12), True),
        (np.repeat([2.0, 3.0], [1, 23]), False),  # it learned at once
        (np.repeat([4.0, 2.0, 3.0], [1, 5, 18]), False),  # its first episodes were lucky
        (np.full(CHUNKS, math.nan), True),  # episodes ended, and their return is no number
    ],
)
def test_returns_that_do_not_improve(healthy: xr.Dataset, returns: np.ndarray, is_told: bool) -> None:
    findings = diagnose(with_numbers(healthy, "uniform", episode_return=returns, **EPISODES_ENDED))
    assert [finding.signature for finding in findings] == ["no_improvement"] * is_told
    if is_told:
        assert findings[0].words.startswith("the return of an episode doesn't improve")
        assert "optimum" not in findings[0].words


def test_an_episode_counts_once_however_many_end_beside_it(healthy: xr.Dataset) -> None:
    """Second half: (9 · 2 + 1 · 12) / 10 = 3; the chunks' mean would be 7."""
    ended = np.repeat([1.0, 9.0, 1.0], [12, 6, 6])
    returns = np.repeat([2.0, 2.0, 12.0], [12, 6, 6])
    improved = with_numbers(
        healthy, "uniform", episode_return=returns, episodes_terminated=ended, episodes_truncated=0.0
    )
    assert diagnose(improved) == []
    flat = with_numbers(improved, "uniform", episode_return=np.repeat([2.95, 2.0, 12.0], [12, 6, 6]))
    assert only(flat).figures == pytest.approx({"first_return": 2.95, "later_return": 3.0}, rel=1e-6)


@pytest.mark.parametrize("there", [slice(0, 12), slice(12, 24), slice(0, 0)])
def test_without_episodes_in_both_halves_nothing_is_told(healthy: xr.Dataset, there: slice) -> None:
    ended = np.zeros(CHUNKS)
    ended[there] = 1
    returns = np.where(ended > 0, 2.0, math.nan)
    made = with_numbers(healthy, "uniform", episode_return=returns, episodes_terminated=ended, episodes_truncated=0.0)
    assert diagnose(made) == []


def test_with_tables_values_are_judged_by_the_optimum_and_not_by_returns() -> None:
    made = without_listed(num_seeds=2, num_chunks=40)
    flat = with_numbers(made, "uniform", episode_return=1.0, **EPISODES_ENDED)
    assert diagnose(flat) == []
    worse = with_numbers(made, "uniform", value_error=1.0, reward=0.0)
    assert only(worse).words.startswith("values don't improve")


def test_a_short_run_is_not_judged() -> None:
    short = without_tables(num_chunks=7)
    flat = with_numbers(short, "uniform", episode_return=1.0, **EPISODES_ENDED)
    assert diagnose(flat) == []
    assert verdict(flat, []) == "too short to judge: 7 recorded chunks, at least 8 are needed"
