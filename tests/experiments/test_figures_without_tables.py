"""Figures of results without tables: what they show, where they have gaps, and which there are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from tests.experiments.layout import assert_nothing_overlaps_or_is_cut_off, lay_out
from tests.experiments.measured import with_numbers
from tests.experiments.synthetic import OF_NETWORKS, small, with_episodes, without_listed, without_tables

from mgsc.errors import UserError
from mgsc.experiments.figures import draw_figures, episode_figure, reward_through_time, total_reward, write_figures
from mgsc.experiments.figures.distribution import shown_agent
from mgsc.experiments.figures.episodes import SHOWN, WITH_GAPS
from mgsc.experiments.figures.mechanisms import measures_through_time
from mgsc.experiments.figures.style import styles
from mgsc.experiments.reading.missing import NO_TABLES
from mgsc.experiments.reading.statistics import mean_interval

NAMES = ["total_reward", "episode_return", "episode_length", "mechanisms_inside"]
SWITCHES = {"switch_steps": [1500, 3000, 4500]}


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    return without_tables()


def curve_of(axes: Axes, agent: str) -> np.ndarray:
    """What is drawn of an agent, [chunk]."""
    colour = styles(OF_NETWORKS)[agent].colour
    (line,) = [line for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 2]
    return np.asarray(line.get_ydata())


def with_one_total(made: xr.Dataset) -> xr.Dataset:
    """The same with a reward of 1 in each step, as CartPole has it."""
    return made.assign(reward=xr.full_like(made["reward"], int(made.attrs["record_every"])))


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (without_tables(), NAMES),
        (without_tables(num_seeds=1), NAMES),
        (without_tables(num_seeds=2, num_chunks=1), NAMES),
        (with_one_total(without_tables(num_seeds=3)), NAMES[1:]),
        (with_one_total(without_tables(has=())), ["total_reward", "reward_through_time", "mechanisms_inside"]),
        (without_tables(has=()), ["total_reward", "reward_through_time", "mechanisms_inside"]),
        (without_tables(has=()).assign_attrs(SWITCHES), ["total_reward", "reward_through_time", "mechanisms_inside"]),
        (without_tables(("no_planning",), num_seeds=2), NAMES[:3]),
        (without_tables(penalty=0.0, num_seeds=30), NAMES[1:]),
        (
            without_listed(num_seeds=3, num_chunks=40),
            ["total_reward", "reward_through_time", *NAMES[1:3], "mechanisms", "mechanisms_inside"],
        ),
        pytest.param(
            with_episodes(small()),
            [
                *("total_reward", "reward_through_time", "episode_return", "episode_length", "distribution_maze"),
                *("distribution_through_time", "mechanisms", "mechanisms_inside", "correlations"),
            ],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_result_has_the_figures_it_can_have(made: xr.Dataset, names: list[str]) -> None:
    figures = draw_figures(made.assign_attrs(title="CartPole, networks for values and model"))
    assert list(figures) == names
    for draw in figures.values():
        assert_nothing_overlaps_or_is_cut_off(lay_out(draw()))


@pytest.mark.slow
def test_equal_results_give_equal_files(dataset: xr.Dataset, tmp_path: Path) -> None:
    short = dataset.isel(chunk=slice(0, 8))
    paths = write_figures(short, tmp_path / "one")
    assert [path.name for path in paths] == [f"{name}.{ending}" for name in NAMES for ending in ("pdf", "png")]
    for path, other in zip(paths, write_figures(short.copy(deep=True), tmp_path / "two"), strict=True):
        assert path.read_bytes() == other.read_bytes()


def test_total_reward_has_no_optimum(dataset: xr.Dataset) -> None:
    figure = lay_out(total_reward(dataset))
    axes = figure.axes[0]
    assert not [text for text in axes.texts if "policy" in text.get_text()]
    assert not [line for line in axes.lines if line.get_linestyle() == "--"]
    texts = [text.get_text() for text in axes.child_axes[0].get_yticklabels()]
    assert texts == [f"{total:.0f}" for total in dataset["reward"].sum("chunk").mean("seed").values]


def test_reward_through_time_has_neither_optimum_nor_shades_and_all_phases_together() -> None:
    made = without_tables(has=()).assign_attrs(SWITCHES)
    figure = lay_out(reward_through_time(made))
    top, since = figure.axes
    assert curve_of(top, "replay") == pytest.approx((made["reward"].sel(agent="replay") / 250).mean("seed").values)
    assert not top.patches
    assert since.get_title(loc="left") == "mean of 3 phases"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*OF_NETWORKS, "switch of the rewards"]


@pytest.mark.parametrize("name", SHOWN)
def test_episodes_are_means_over_the_seeds_that_have_one(dataset: xr.Dataset, name: str) -> None:
    axes = lay_out(episode_figure(dataset, name)).axes[0]
    for agent in OF_NETWORKS:
        values = dataset[name].sel(agent=agent).values
        expected = [np.mean(column[~np.isnan(column)]) for column in values.T]
        assert curve_of(axes, agent) == pytest.approx(np.array(expected), nan_ok=True)
    assert WITH_GAPS in axes.get_title(loc="left")
    full = dataset.isel(chunk=slice(0, 6))
    assert not np.isnan(full[name].values).any()
    assert WITH_GAPS not in lay_out(episode_figure(full, name)).axes[0].get_title(loc="left")


def test_intervals_are_those_of_the_seeds_that_have_one(dataset: xr.Dataset) -> None:
    axes = lay_out(episode_figure(dataset, "episode_return")).axes[0]
    values = dataset["episode_return"].sel(agent="meta_gradient").values
    column = next(column for column in values.T if np.isnan(column).sum() == 1)
    _, low, high = mean_interval(column[~np.isnan(column)])
    heights = np.concatenate([path.vertices[:, 1] for band in axes.collections for path in band.get_paths()])
    assert np.isclose(heights, low).any()
    assert np.isclose(heights, high).any()


def test_nothing_is_carried_over_a_gap() -> None:
    returns = np.full((4, 24), 2.0)
    returns[:, [5, 7, 8]] = np.nan  # chunk 6 is alone between them
    made = with_numbers(without_tables(), "meta_gradient", episode_return=returns)
    axes = lay_out(episode_figure(made, "episode_return")).axes[0]
    curve = curve_of(axes, "meta_gradient")
    assert np.flatnonzero(np.isnan(curve)).tolist() == [5, 7, 8]
    lone = [dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) == 1]
    assert [[1625.0, 2.0]] in [np.asarray(dots).tolist() for dots in lone], "a line through one point is not seen"


def test_intervals_wider_than_the_axis_are_cut_and_this_is_said() -> None:
    returns = np.tile(np.linspace(1.0, 2.0, 24), (4, 1))
    narrow = without_tables()
    for agent in OF_NETWORKS:
        narrow = with_numbers(narrow, agent, episode_return=returns)
    returns = returns.copy()
    returns[:, 12] = [0, 0, 0, 6]
    wide = with_numbers(narrow, "uniform", episode_return=returns)
    one, other = (lay_out(episode_figure(made, "episode_return")).axes[0] for made in (narrow, wide))
    assert "cut" not in one.get_title(loc="left")
    assert "Intervals wider than the axis are cut." in other.get_title(loc="left")
    assert other.get_ylim()[1] < 3
    lengths = lay_out(episode_figure(wide, "episode_length")).axes[0]
    assert lengths.get_ylim()[0] > -50, "no episode is shorter than nothing"


def test_the_page_of_measures_shows_the_spread_of_d(dataset: xr.Dataset) -> None:
    figure = lay_out(measures_through_time(dataset, "mechanisms_inside"))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == [
        *("entropy of d", "effective candidates, exp(entropy)", "meta-loss", "norm of the meta-gradient"),
    ]
    expected = dataset["effective_candidates"].sel(agent="replay").mean("seed").values
    assert curve_of(figure.axes[1], "replay") == pytest.approx(expected, rel=1e-6)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["uniform", "replay", "meta_gradient"]


def test_a_page_of_one_measure_has_one_panel(dataset: xr.Dataset) -> None:
    dropped = ("meta_loss", "meta_gradient_norm", "effective_candidates")
    figure = lay_out(measures_through_time(dataset.drop_vars(dropped), "mechanisms_inside"))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["entropy of d"]
    assert figure.axes[0].get_xlabel() == "environment step"
    assert_nothing_overlaps_or_is_cut_off(figure)


def test_a_distribution_that_is_asked_for_is_refused_with_the_reason(dataset: xr.Dataset) -> None:
    assert shown_agent(dataset) is None
    with pytest.raises(UserError, match=f"meta_gradient has no search-control distribution to draw: {NO_TABLES}"):
        draw_figures(dataset, "meta_gradient")
