"""Numbers survive their quantisation within the error that is stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as any_array
from tests.experiments.report import unpacking

from mgsc.experiments.report.arrays import Archive, Scale, quantise, restore, spanning

ROUNDING = 1e-9


@pytest.mark.parametrize("width", ["u1", "u2"])
@pytest.mark.parametrize("power", [1, 2])
@given(data=st.data())
def test_round_trip_within_the_stated_error(width, power, data) -> None:
    low = 0 if power == 2 else -1e3
    values = data.draw(any_array(np.float64, (3, 5), elements=st.floats(low, 1e3) | st.just(np.nan)))
    scale = spanning(values, power)
    error = np.abs(restore(quantise(values, scale, width), scale) - values)
    assert (np.isnan(error) == np.isnan(values)).all()
    assert np.nanmax(error, initial=0) <= scale.largest_error(width) + ROUNDING


def test_the_stated_error_is_what_is_reached() -> None:
    """The bound is no larger than need be: 254 steps of 1 leave at most half a step."""
    assert Scale(0, 254).largest_error("u1") == 0.5
    assert restore(quantise(np.array([0.5 - 1e-9]), Scale(0, 254), "u1"), Scale(0, 254))[0] == 0
    assert Scale(0, 254, 2).largest_error("u1") == 1


def test_small_probabilities_keep_more_figures() -> None:
    """A hundredth of the largest: 25.4² of 254² is 1 %, so that 25 and 26 are its neighbours."""
    values = np.array([0.0, 0.01, 1.0])
    fine, coarse = (restore(quantise(values, scale, "u1"), scale) for scale in (Scale(0, 1, 2), Scale(0, 1, 1)))
    assert abs(fine[1] - 0.01) < 4e-4 < 1e-3 < abs(coarse[1] - 0.01) + 1e-3
    assert fine[0] == 0
    assert fine[2] == 1


@pytest.mark.parametrize("values", [np.full((2, 3), np.nan), np.zeros((2, 3)), np.full((2, 3), 7.0)])
@pytest.mark.parametrize("width", ["u1", "u2"])
def test_no_spread_and_no_numbers(values, width) -> None:
    scale = spanning(values)
    assert np.array_equal(restore(quantise(values, scale, width), scale), values, equal_nan=True)


def test_an_archive_gives_back_every_array() -> None:
    random = np.random.default_rng(0)
    archive = Archive()
    floats = random.normal(size=(2, 3)).astype(np.float32)
    odd, wide = random.random((3, 5)), random.random((2, 4, 7))  # 15 bytes: the next array is moved on
    archive.add_codes("odd", odd, Scale(0, 1), "u1")
    archive.add_floats("floats", floats)
    archive.add_codes("wide", wide, Scale(0, 1, 2), "u2")
    assert [entry["offset"] % 4 for entry in archive.entries] == [0, 0, 0]
    found = unpacking.arrays(archive.compressed(), archive.entries)
    assert (found["floats"] == floats).all()
    assert np.abs(found["odd"] - odd).max() <= Scale(0, 1).largest_error("u1") + ROUNDING
    assert np.abs(found["wide"] - wide).max() <= Scale(0, 1, 2).largest_error("u2") + ROUNDING
