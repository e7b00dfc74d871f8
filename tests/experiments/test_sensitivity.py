"""Figures of sensitivity: how configurations are binned, and that what is drawn is what was tried."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from tests.experiments.test_sweep_table import SWEEP, row
from tests.quick import slow_but_for

from mgsc.experiments.design.suites import PAPER_SUITES, SUITES
from mgsc.experiments.figures.sensitivity import bins_of, sensitivity, write_sensitivity
from mgsc.experiments.tuning.chosen import read_sweep
from mgsc.experiments.tuning.table import brief, final_row


def lay_out(figure):
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return [axes for axes in figure.axes if axes.get_visible()]


def centres(bins):
    return [one.centre for one in bins]


def test_few_whole_numbers_each_have_a_bin():
    bins = bins_of([3, 1, 3, 5, 3], [1.0, 2.0, 9.0, 4.0, 3.0], 1, 5)
    assert centres(bins) == [1, 3, 5]
    assert [one.median.estimate for one in bins] == [2.0, 3.0, 4.0]
    assert [one.num_configurations for one in bins] == [1, 3, 1]
    assert [math.isnan(one.median.low) for one in bins] == [True, False, True]
    low, high = bins[1].median[1:]
    assert 1.0 <= low <= 3.0 <= high <= 9.0


def test_many_numbers_fall_into_equal_stretches_of_the_log_scale():
    values = np.geomspace(0.01, 1.0, 24).tolist()
    bins = bins_of(values, np.arange(24.0), 0.01, 1.0)
    # 24 configurations, six to a bin: edges at 0.01, 0.0316, 0.1, 0.316, 1.
    assert centres(bins) == pytest.approx([10**-1.75, 10**-1.25, 10**-0.75, 10**-0.25])
    assert [one.num_configurations for one in bins] == [6, 6, 6, 6]
    assert [one.median.estimate for one in bins] == [2.5, 8.5, 14.5, 20.5]
    assert len(bins_of(values * 100, np.zeros(2400), 0.01, 1.0)) == 8
    assert len(bins_of([0.3, 0.4], [1.0, 2.0], 0.01, 1.0)) == 1


def test_zero_has_a_bin_of_its_own_and_ends_belong_to_the_last():
    bins = bins_of([0.0, 1e-6, 0.0, 1.001e-3, 1e-3], [1.0, 5.0, 3.0, 6.0, 7.0], 1e-6, 1e-3)
    assert centres(bins) == pytest.approx([0.0, math.sqrt(1e-9)])
    assert bins[0].median.estimate == 2.0
    assert bins[1].num_configurations == 3
    assert centres(bins_of([0.0, 0.0], [1.0, 3.0], 1e-6, 1e-3)) == [0.0]


def test_many_whole_numbers_are_binned_with_half_a_step_around_the_ends():
    values = [50, *range(100, 2000, 100), 2000]
    bins = bins_of(values, np.zeros(len(values)), 50, 2000)
    assert sum(one.num_configurations for one in bins) == len(values)
    edges = np.geomspace(49.5, 2000.5, 4)
    assert centres(bins) == pytest.approx(np.sqrt(edges[1:] * edges[:-1]))


def test_a_range_of_one_value_is_one_bin():
    assert centres(bins_of([1, 1, 1], [1.0, 2.0, 3.0], 1, 1)) == [1.0]


def test_the_interval_is_seeded():
    numbers = np.random.default_rng(0).normal(size=30)
    first, second = (bins_of([0.5] * 30, numbers, 0.1, 1.0) for _ in range(2))
    assert first == second
    assert first[0].median.low < first[0].median.estimate < first[0].median.high


@pytest.mark.parametrize("name", slow_but_for(PAPER_SUITES, SUITES))
def test_every_configuration_is_a_dot_and_finalists_and_choice_stand_out(name):
    sweep = read_sweep(name)
    if sweep is None:
        pytest.skip("not tuned yet")
    agent = list(sweep["agents"])[-1]
    entry = sweep["agents"][agent]
    panels = lay_out(sensitivity(sweep, agent))
    assert [axes.get_xlabel() for axes in panels] == list(entry["space"])
    means = [row["mean"] for row in entry["configurations"]]
    finalists = [row["settings"] for row in entry["finalists"]]
    for axes, setting in zip(panels, entry["space"], strict=True):
        dots, rings, squares, star = (c.get_offsets() for c in axes.collections if isinstance(c, PathCollection))
        assert dots[:, 1].tolist() == means
        assert rings[:, 1].tolist() == [row["mean"] for row in entry["configurations"] if row["settings"] in finalists]
        values = [row["settings"][setting] for row in entry["configurations"]]
        span = entry["space"][setting]
        medians = [one.median.estimate for one in bins_of(values, means, span["low"], span["high"])]
        assert squares[:, 1].tolist() == medians
        assert star[:, 1].tolist() == [final_row(entry)["mean"]]
        assert axes.get_title(loc="left").startswith(f"chosen: {brief(entry['chosen'][setting])}")


def test_values_stand_on_a_log_scale_and_zero_at_its_left():
    entry = {**SWEEP["agents"]["one_seed"], "configurations": [], "finalists": [row(1.0, 4, 0.5, rate=0.0)]}
    values = [0.0, 1e-6, 1e-5, 0.0, 1e-3]
    entry["configurations"] = [row(float(place), 2, 0.5, rate=value) for place, value in enumerate(values)]
    axes = lay_out(sensitivity({**SWEEP, "agents": {"one_seed": entry}}, "one_seed"))[0]
    where = np.asarray(axes.collections[0].get_offsets()[:, 0])
    np.testing.assert_allclose(where[[1, 2, 4]], [-6, -5, -3])
    assert max(where[0], where[3]) < -6
    assert where[0] != where[3], "dots of one value stand side by side"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1e-6", "1e-5", "0.0001", "0.001"]


def test_few_values_are_ticks_and_dots_beside_them():
    values = [1, 4, 2, 4, 4]
    entry = {
        "chosen": {"planning_updates": 4},
        "at_edge": [],
        "space": {"planning_updates": {"low": 1, "high": 5}},
        "configurations": [row(float(place), 2, 0.5, planning_updates=value) for place, value in enumerate(values)],
        "finalists": [row(1.0, 4, 0.5, planning_updates=4)],
    }
    axes = lay_out(sensitivity({**SWEEP, "agents": {"uniform": entry}}, "uniform"))[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    dots = np.asarray(axes.collections[0].get_offsets()[:, 0])
    assert np.round(dots).tolist() == values
    assert len(set(dots)) == len(values)


def test_an_edge_is_said_and_no_interval_is_no_line():
    uniform = lay_out(sensitivity(SWEEP, "uniform"))[0]
    assert uniform.get_title(loc="left") == "chosen: 0.98, at the high end"
    alone = lay_out(sensitivity(SWEEP, "one_seed"))
    assert len(alone) == 1
    figure = sensitivity(SWEEP, "one_seed")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "a configuration, mean of 1 seed"
    assert labels[-1] == "chosen, mean and 95 % interval of 1 fresh seed"


def test_more_settings_than_columns_take_another_row():
    entry = SWEEP["agents"]["uniform"]
    names = ["a", "b", "c", "d"]

    def widened(narrow):
        return {**narrow, "settings": {name: narrow["settings"]["step_size"] for name in names}}

    wide = {
        **entry,
        "space": {name: entry["space"]["step_size"] for name in names},
        "chosen": dict.fromkeys(names, 0.98),
        **{key: [widened(one) for one in entry[key]] for key in ("configurations", "finalists")},
    }
    panels = lay_out(sensitivity({**SWEEP, "agents": {"uniform": wide}}, "uniform"))
    assert [axes.get_xlabel() for axes in panels] == names
    assert panels[0].get_position().y0 > panels[3].get_position().y1


@pytest.mark.slow
def test_equal_sweeps_give_equal_files(tmp_path):
    first = write_sensitivity(SWEEP, tmp_path / "a")
    second = write_sensitivity(SWEEP, tmp_path / "b")
    assert [path.name for path in first] == [
        f"sensitivity_{agent}.{ending}" for agent in SWEEP["agents"] for ending in ("pdf", "png")
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
