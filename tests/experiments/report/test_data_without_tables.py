"""What the page holds of results without tables, or without listed states."""

import json

import numpy as np
import pytest
from tests.experiments.report import unpacking
from tests.experiments.synthetic import OF_NETWORKS, small, with_episodes, without_listed, without_tables

from mgsc.experiments.design.quantities import EPISODES, REPORTED, SPREAD
from mgsc.experiments.reading.analysis import compare
from mgsc.experiments.reading.missing import DRAWN_ANEW, NO_TABLES
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.report.data import core_layer, seeds_layer
from mgsc.experiments.report.describe import describe_suite
from mgsc.experiments.report.find import Found
from mgsc.experiments.report.measures import measures_of
from mgsc.experiments.report.page import build_page

ENOUGH = 10**9


@pytest.fixture(scope="module")
def pole():
    return without_tables()


@pytest.fixture(scope="module")
def unlisted():
    return without_listed(num_seeds=3, num_chunks=40)


def arrays(layer):
    return unpacking.arrays(layer.data, layer.entries)


def test_without_tables_there_are_curves_and_no_maps(pole) -> None:
    found = arrays(core_layer(pole))
    assert set(found) == {f"curve/{name}" for name in ("reward", *EPISODES, *SPREAD, *REPORTED)}
    assert seeds_layer(pole, ENOUGH) is None


def test_curves_of_episodes_are_over_the_seeds_that_have_one(pole) -> None:
    curves = arrays(core_layer(pole))["curve/episode_return"]
    values = pole["episode_return"].values
    for agent, curve in zip(values, curves, strict=True):
        for column, shown in zip(agent.T, curve.T, strict=True):
            there = column[~np.isnan(column)].astype(float)
            expected = mean_interval(there) if len(there) else (np.nan,) * 3
            assert shown == pytest.approx(expected, rel=1e-6, nan_ok=True)
    some = np.isnan(values).any(1) & ~np.isnan(values).all(1)
    assert np.isfinite(curves[:, 0][some]).all()
    assert some.any()


def test_other_curves_leave_no_seed_out(pole) -> None:
    reward = pole["reward"].copy(deep=True)
    reward[0, 1, 3] = np.nan
    curve = arrays(core_layer(pole.assign(reward=reward)))["curve/reward"][0]
    assert np.flatnonzero(np.isnan(curve[0])).tolist() == [3]


def test_episodes_come_first_among_the_measures(pole) -> None:
    assert [measure.name for measure in measures_of(pole)] == [
        *("episode_return", "episode_length", "reward", *SPREAD, *REPORTED),
        *("episodes_terminated", "episodes_truncated"),
    ]
    assert next(measure.name for measure in measures_of(without_tables(has=()))) == "reward"


def test_the_description_says_what_is_missing_and_why(pole) -> None:
    described = describe_suite(Found("any", pole))
    json.dumps(described, allow_nan=False)
    assert described["missing"] == NO_TABLES
    assert (described["states"], described["phaseOfChunk"], described["isModelWrong"]) == (None, None, None)
    assert described["totals"]["optimal"] is None
    assert [agent["plans"] for agent in described["agents"]] == [name != "no_planning" for name in OF_NETWORKS]
    assert not [total["label"] for total in described["totals"]["agents"] if "%" in total["label"]]
    titles = [section.title for section in sections(compare(pole))]
    assert [table["title"] for table in described["tables"]] == titles
    notes = {measure["name"] for measure in described["measures"] if measure["note"]}
    assert notes == {"episode_return", "episode_length"}


def test_without_listed_states_there_are_values_and_policies_but_no_d(unlisted) -> None:
    found = arrays(core_layer(unlisted))
    assert {"value", "policy"} <= set(found)
    assert "d" not in found
    layer = seeds_layer(unlisted, ENOUGH)
    assert set(arrays(layer)) == {"value", "action"}
    described = describe_suite(Found("any", unlisted))
    assert described["missing"] == DRAWN_ANEW
    assert described["states"]["row"] == unlisted["state_row"].values.tolist()
    plans = {agent["name"]: agent["plans"] for agent in described["agents"]}
    assert plans == {name: name != "no_planning" for name in unlisted["agent"].values}


def test_a_page_holds_all_kinds_side_by_side(pole, unlisted) -> None:
    full = with_episodes(small())
    page = build_page([Found("pole", pole), Found("unlisted", unlisted), Found("full", full)])
    described = unpacking.contents(page)["suites"]
    assert [suite["single"] is None for suite in described] == [True, False, False]
    assert "core-0" in page.decode()
    with pytest.raises(AssertionError):
        unpacking.stream(page, "single-0")
