"""Means of measures and the correlations of d's change, against hand arithmetic; and where they are shown."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from tests.experiments.measured import NUM_STATES, UNIFORM, measured, with_numbers

from mgsc.experiments.figures import draw_figures
from mgsc.experiments.figures.mechanisms import PAGES, correlating_agents, correlations, measures_through_time
from mgsc.experiments.reading.analysis import compare
from mgsc.experiments.reading.mechanisms import (
    NUM_SHUFFLES,
    correlation,
    correlation_of_seeds,
    mean_of,
    rank_correlation,
    windows_after_switches,
)
from mgsc.experiments.reading.sections import sections
from mgsc.experiments.reading.tables import to_json

NEW_FIGURES = [*PAGES, "correlations"]


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    """Three seeds of two agents, 12 chunks, switches after chunks 4 and 8."""
    return measured()


@pytest.fixture(scope="module")
def turning(dataset: xr.Dataset) -> xr.Dataset:
    """After the first switch d turns from what is wrong, most from what is most wrong; then nothing is wrong.

    The terminal state, no candidate, has the largest errors of all and must not count.
    """
    d = np.tile(UNIFORM, (12, 1))
    d[5:] = [0.4, 0.3, 0.2, 0.1, 0.0]
    model, value = np.zeros((12, NUM_STATES)), np.zeros((12, NUM_STATES))
    model[4:8] = [0.0, 0.1, 0.2, 0.9, 50.0]
    value[4:8] = [0.1, 0.3, 0.2, 0.9, -50.0]
    return with_numbers(dataset, "meta_gradient", query_distribution=d, model_error=model, state_value_error=value)


def test_rank_correlation_by_hand() -> None:
    # ranks 1 2 3 4 and 1 3 2 4: squared differences 0 1 1 0, 1 − 6·2 / (4·15) = 0.8
    assert rank_correlation(np.array([1.0, 2, 3, 9]), np.array([0.1, 5, 4, 100])) == pytest.approx(0.8)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(np.array([1.0, 1, 1]), np.array([3.0, 2, 1])))
    assert np.isnan(rank_correlation(np.array([1.0, np.nan, 1]), np.array([3.0, 2, 1])))


def test_ties_share_their_rank_as_scipy_has_it() -> None:
    random = np.random.default_rng(1)
    x, y = random.integers(0, 4, (2, 20, 9)).astype(float)
    expected = [spearmanr(one, other).statistic for one, other in zip(x, y, strict=True)]
    assert rank_correlation(x, y) == pytest.approx(expected)


def test_a_chunk_counts_by_its_steps(dataset: xr.Dataset) -> None:
    short = dataset.isel(chunk=slice(0, 2)).assign_coords(step=("chunk", [100, 400]))
    short = with_numbers(short, "uniform", entropy=[[1.0, 2.0], [3.0, 3.0], [1.0, 1.0]])
    found = mean_of(short, "uniform", "entropy")
    # (100 · 1 + 300 · 2) / 400 = 1.75, 3, 1: mean 5.75 / 3
    assert found.interval.estimate == pytest.approx(5.75 / 3)
    assert found.interval.low < 5.75 / 3 < found.interval.high
    assert (found.undefined, found.chunks) == (0, 6)


def test_what_means_nothing_at_times_is_counted_and_left_out(dataset: xr.Dataset) -> None:
    values = np.full((3, 12), 0.5)
    values[0, :2] = [math.nan, 0.1]
    gaps = with_numbers(dataset, "uniform", useful_share=values, value_error=values)
    found = mean_of(gaps, "uniform", "useful_share")
    assert (found.undefined, found.chunks) == (1, 36)
    assert found.interval.estimate == pytest.approx(((0.1 + 10 * 0.5) / 11 + 0.5 + 0.5) / 3)
    assert math.isnan(mean_of(gaps, "uniform", "value_error").interval.estimate), "NaN of other measures must show"
    nothing = with_numbers(dataset, "uniform", useful_share=math.nan)
    assert math.isnan(mean_of(nothing, "uniform", "useful_share").interval.estimate)


def test_windows_after_switches(dataset: xr.Dataset) -> None:
    assert windows_after_switches(dataset) == [(4, 8), (8, 12)]
    assert windows_after_switches(dataset, 2) == [(4, 6), (8, 10)]
    assert windows_after_switches(dataset, 100) == [(4, 8), (8, 12)]
    assert windows_after_switches(measured(switch_chunks=())) == []
    with pytest.raises(ValueError, match="window is 0"):
        windows_after_switches(dataset, 0)


def test_turning_away_from_what_is_wrong_is_a_negative_correlation(turning: xr.Dataset) -> None:
    found = correlation(turning, "meta_gradient", "model_error")
    # change + .15 + .05 − .05 − .15, error 0 .1 .2 .9; the second window has no change and no error
    assert found.found == pytest.approx((-1.0, -1.0, -1.0))
    assert found.windows == 3, "one window of each of three seeds"
    # errors' ranks 1 3 2 4 against 4 3 2 1: squared differences 9 0 0 9, 1 − 6·18 / 60 = −0.8
    assert correlation(turning, "meta_gradient", "value_error").found.estimate == pytest.approx(-0.8)


def test_the_windows_length_decides_where_d_has_come_to(turning: xr.Dataset) -> None:
    assert np.isnan(correlation(turning, "meta_gradient", "model_error", window=1).found).all(), "d moves a chunk later"
    assert correlation(turning, "meta_gradient", "model_error", window=2).found.estimate == pytest.approx(-1.0)


def test_windows_are_averaged_within_a_seed(turning: xr.Dataset) -> None:
    d = turning.query_distribution.sel(agent="meta_gradient").values.copy()
    error = turning.model_error.sel(agent="meta_gradient").values.copy()
    d[:, 9:] = UNIFORM  # back: change − .15 − .05 + .05 + .15
    error[1, 8:] = [0.0, 0.1, 0.2, 0.9, 0.0]  # seed 1: correlation + 1 in the second window
    both = with_numbers(turning, "meta_gradient", query_distribution=d, model_error=error)
    found, _, windows = correlation_of_seeds(both, "meta_gradient", "model_error")
    assert found == pytest.approx([-1.0, 0.0, -1.0])
    assert windows == 4


def test_shuffles_are_chance_and_seeds_have_their_own(turning: xr.Dataset) -> None:
    found, shuffled, _ = correlation_of_seeds(turning, "meta_gradient", "model_error")
    # of four states a shuffle's correlation has variance 1/3: the mean of 20 is within 4 √(1/60) = .52
    assert NUM_SHUFFLES == 20
    assert np.abs(shuffled).max() < 0.52
    assert len(set(shuffled)) == 3
    whole = correlation(turning, "meta_gradient", "model_error")
    assert whole.shuffled.estimate == pytest.approx(shuffled.mean())
    assert whole.difference.estimate == pytest.approx((found - shuffled).mean())
    alone = correlation_of_seeds(turning.isel(seed=[1]), "meta_gradient", "model_error")
    assert (alone[0][0], alone[1][0]) == (found[1], shuffled[1])


def test_where_nothing_moves_or_nothing_differs_there_is_no_correlation(turning: xr.Dataset) -> None:
    still = correlation(turning, "uniform", "model_error")
    assert np.isnan([*still.found, *still.shuffled, *still.difference]).all()
    assert still.windows == 0
    noise = np.random.default_rng(0).uniform(0, 1e-7, (12, NUM_STATES))
    rounding = turning.model_error.sel(agent="meta_gradient").values + noise
    rounding[:, 4:8] = 0.5 + noise[4:8]
    assert np.isnan(
        correlation(with_numbers(turning, "meta_gradient", model_error=rounding), "meta_gradient", "model_error").found
    ).all()
    idle = measured(("no_planning",))
    assert np.isnan(correlation(idle, "no_planning", "value_error").found).all()


def test_a_diverged_seed_shows(turning: xr.Dataset) -> None:
    error = turning.model_error.sel(agent="meta_gradient").values.copy()
    error[0, 5, 2] = math.nan
    found, *_ = correlation_of_seeds(
        with_numbers(turning, "meta_gradient", model_error=error), "meta_gradient", "model_error"
    )
    assert np.isnan(found).tolist() == [True, False, False]


def test_the_table_and_the_json_say_why(turning: xr.Dataset) -> None:
    comparison = compare(turning)
    (section,) = [section for section in sections(comparison) if section.title.startswith("Why")]
    cells = {row.name: [column.show(row) for column in section.columns] for row in section.rows}
    assert cells["uniform"][3:] == ["–"] * 4
    assert cells["meta_gradient"][3] == "-1.00"
    assert cells["meta_gradient"][5] == "-0.80"
    assert cells["meta_gradient"][2] == "0.55"  # from 1 down to .1 in even steps
    entry = json.loads(to_json(comparison))["agents"]["meta_gradient"]["mechanism"]
    assert entry["correlations"]["model_error"]["found"] == pytest.approx(-1)
    assert entry["correlations"]["model_error"]["windows"] == 3
    assert entry["means"]["value_error"]["mean"] == pytest.approx(0.55)
    assert entry["means"]["useful_share"]["undefined_chunks"] == 0


# --- figures ---------------------------------------------------------------------------------


def lay_out(figure: Figure) -> Figure:
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_every_measures_mean(dataset: xr.Dataset, page: str) -> None:
    figure = lay_out(measures_through_time(dataset, page))
    panels = [panel for panel in PAGES[page][1] if panel.name in dataset]
    assert len(panels) == 6
    for axes, panel in zip(figure.axes, panels, strict=True):
        curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 12]
        for agent in ("uniform", "meta_gradient"):
            values = dataset[panel.name].sel(agent=agent).mean("seed").values
            is_drawn = any(np.allclose(curve, values) for curve in curves)
            assert is_drawn == (not np.isnan(values).all()), (panel.name, agent)
        vertical = sorted(x[0] for x in (line.get_xdata() for line in axes.lines) if len(x) == 2 and x[0] == x[1])
        assert vertical == [400, 800]


def test_a_gap_of_one_seed_leaves_the_others(dataset: xr.Dataset) -> None:
    values = np.full((3, 12), 0.5)
    values[0, 3], values[:, 7] = math.nan, math.nan
    axes = lay_out(measures_through_time(with_numbers(dataset, "uniform", useful_share=values), "mechanisms")).axes[0]
    (curve,) = [np.asarray(line.get_ydata()) for line in axes.lines if np.isnan(line.get_ydata()).any()]
    assert np.flatnonzero(np.isnan(curve)).tolist() == [7]
    assert curve[3] == 0.5


def test_correlations_show_every_seed_of_agents_that_move(turning: xr.Dataset) -> None:
    assert correlating_agents(turning) == ["meta_gradient"]
    model, value = lay_out(correlations(turning)).axes
    assert [text.get_text() for text in model.get_yticklabels()] == ["meta_gradient"]
    for axes, error, expected in ((model, "model_error", -1.0), (value, "value_error", -0.8)):
        dots, mean, chance = (np.asarray(points.get_offsets())[:, 0] for points in axes.collections)
        assert dots == pytest.approx([expected] * 3)
        assert mean == pytest.approx([expected])
        assert chance == pytest.approx([correlation(turning, "meta_gradient", error).shuffled.estimate])


@pytest.mark.parametrize("name", NEW_FIGURES)
def test_nothing_overlaps_or_is_cut_off(dataset: xr.Dataset, name: str) -> None:
    figure = lay_out(draw_figures(dataset)[name]())
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.get_visible()]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    assert figure._suptitle is not None
    boxes.append(figure._suptitle.get_window_extent(renderer))
    for box in boxes:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for one, two in itertools.combinations(boxes, 2):
        assert not one.shrunk(0.98, 0.98).overlaps(two.shrunk(0.98, 0.98))


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (measured(num_seeds=1), NEW_FIGURES),
        (measured(switch_chunks=()), NEW_FIGURES[:2]),
        (measured(num_chunks=1, switch_chunks=()), NEW_FIGURES[:2]),
        (measured(("uniform",)), NEW_FIGURES[:2]),
        (measured(("no_planning",)), NEW_FIGURES[:1]),
        (with_numbers(measured(), "meta_gradient", meta_loss=0.0, meta_gradient_norm=math.nan), NEW_FIGURES),
    ],
    ids=["one seed", "no switch", "one chunk", "uniform", "no planning", "nothing to learn"],
)
def test_odd_results_have_their_figures(made: xr.Dataset, names: list[str]) -> None:
    figures = draw_figures(made)
    assert [name for name in figures if name in NEW_FIGURES] == names
    for name in names:
        lay_out(figures[name]())
