"""Figures: what they show, that equal results give equal files, and results of odd shapes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PatchCollection, PathCollection, QuadMesh
from matplotlib.patches import Rectangle
from tests.experiments.layout import assert_nothing_overlaps_or_is_cut_off, lay_out
from tests.experiments.synthetic import (
    AGENTS,
    CELLS,
    OPTIMAL,
    PAIR,
    TERMINAL,
    WRONG,
    fill,
    manifest,
    small,
    synthetic,
    with_learned_model,
)

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments.design.agents import PAPER
from mgsc.experiments.design.suites import SUITES
from mgsc.experiments.figures import (
    distribution_maze,
    distribution_through_time,
    draw_figures,
    reward_through_time,
    total_reward,
    write_figures,
)
from mgsc.experiments.figures.distribution import shown_agent
from mgsc.experiments.figures.reward import marked
from mgsc.experiments.figures.style import FEATURED, KNOWN, jitter, styles
from mgsc.search_control.table import STRATEGIES

PAGES = ["mechanisms", "mechanisms_inside"]
STILL = ["total_reward", "reward_through_time", "distribution_maze", "distribution_through_time", *PAGES]
"""Of a result in which no d moves after a switch."""

NAMES = [*STILL, "correlations"]


@pytest.fixture(scope="module")
def dataset() -> xr.Dataset:
    """Six agents, four seeds, four switches."""
    return synthetic(num_seeds=4, num_chunks=50)


# --- files -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_are_written_whole_and_equal_results_give_equal_files(dataset: xr.Dataset, tmp_path: Path) -> None:
    paths = write_figures(dataset, tmp_path / "new" / "figures")
    assert [path.name for path in paths] == [f"{n}.{e}" for n in NAMES for e in ("pdf", "png")]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(p.name for p in paths)
    again = write_figures(dataset.copy(deep=True), tmp_path / "again")
    for first, second in zip(paths, again, strict=True):
        contents = first.read_bytes()
        assert contents == second.read_bytes(), f"{first.name} differs from run to run"
        if first.suffix == ".png":
            assert contents.startswith(b"\x89PNG\r\n\x1a\n")
            assert contents.endswith(b"IEND\xaeB`\x82")
        else:
            assert contents.startswith(b"%PDF")
            assert contents.endswith(b"%%EOF\n")
            assert b"CreationDate" not in contents
            fonts = set(re.findall(rb"/Subtype /(Type3|Type42|TrueType|CIDFontType2)", contents))
            assert fonts, "text is text"
            assert b"Type3" not in fonts, "journals refuse Type 3 fonts"


def test_some_agents_and_figures_only(tmp_path: Path, capsys) -> None:
    fill(tmp_path / "result", small(), manifest(PAIR, 2))
    arguments = ["figures", str(tmp_path / "result"), "--out", str(tmp_path / "drawn")]
    assert cli.main([*arguments, "--agents", "uniform", "--only", "total_reward"]) == 0
    files = [str(tmp_path / "drawn" / f"total_reward.{end}") for end in ("pdf", "png")]
    assert capsys.readouterr().out.split() == files == sorted(map(str, (tmp_path / "drawn").iterdir()))
    assert cli.main([*arguments, "--agents", "unifrom"]) == 2
    assert "unknown agent 'unifrom'; did you mean 'uniform'" in capsys.readouterr().err
    assert cli.main([*arguments, "--only", "total"]) == 2
    assert "unknown figure of this result 'total'; did you mean 'total_reward'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(dataset: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write figures to"):
        write_figures(dataset, tmp_path / "file")


# --- what they show --------------------------------------------------------------------------


def test_total_reward_shows_every_seed_the_mean_and_the_optimum(dataset: xr.Dataset) -> None:
    axes = lay_out(total_reward(dataset)).axes[0]
    clouds = [c for c in axes.collections if isinstance(c, PathCollection)]
    shown = np.concatenate([cloud.get_offsets()[:, 0] for cloud in clouds])
    totals = dataset.reward.sum("chunk")
    for total in (*totals.values.ravel(), *totals.mean("seed").values):
        assert np.isclose(shown, total).any()
    assert len(shown) == totals.size + len(AGENTS)
    lines = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert lines == [pytest.approx(OPTIMAL * 12_500)]
    assert any("best ε-soft policy: 1,012" in text.get_text() for text in axes.texts)
    assert [text.get_text() for text in axes.get_yticklabels()] == list(AGENTS)


def test_reward_through_time_shows_means_switches_and_wrong_phases(dataset: xr.Dataset) -> None:
    top, right, wrong = lay_out(reward_through_time(dataset)).axes
    curves = {tuple(line.get_ydata()) for line in top.lines if len(line.get_ydata()) == 50}
    means = (dataset.reward / 250).mean("seed")
    for agent in AGENTS:
        assert any(np.allclose(curve, means.sel(agent=agent)) for curve in curves)
    vertical = sorted(x[0] for x in (li.get_xdata() for li in top.lines) if x[0] == x[-1])
    assert vertical == dataset.attrs["switch_steps"] == [2500, 5000, 7500, 10000]
    shaded = sorted(patch.get_x() for patch in top.patches if isinstance(patch, Rectangle))
    assert shaded == [2500, 7500]
    # after a switch: phases 2 and 4 are right, 1 and 3 wrong; the first stretch follows none
    assert right.get_title(loc="left") == "model right: mean of 2 phases"
    assert wrong.get_title(loc="left") == "model wrong: mean of 2 phases"
    aligned = (dataset.reward.sel(agent="uniform") / 250).mean("seed").values
    expected = (aligned[20:30] + aligned[40:50]) / 2
    assert any(np.allclose(line.get_ydata(), expected) for line in right.lines[:9])


def test_the_maze_shows_d_just_before_and_after_switches(dataset: xr.Dataset) -> None:
    figure = lay_out(distribution_maze(dataset, "meta_gradient"))
    panels = [axes for axes in figure.axes if axes.get_title()]
    titles = [axes.get_title().replace("\n", " ") for axes in panels]
    assert titles == [
        "steps 2,250–2,500 model right",
        "steps 7,250–7,500 model right",
        "steps 9,750–10,000 model wrong",
        "steps 2,500–2,750 model wrong",
        "steps 7,500–7,750 model wrong",
        "steps 10,000–10,250 model right",
    ]
    d = dataset.query_distribution.sel(agent="meta_gradient").mean("seed").values
    candidates = [state for state in range(len(CELLS)) if state not in TERMINAL]
    scales = set()
    for axes, chunk in zip(panels, [9, 29, 39, 10, 30, 40], strict=True):
        (cells,) = [c for c in axes.collections if isinstance(c, PatchCollection)]
        assert np.asarray(cells.get_array()) == pytest.approx(d[chunk, candidates])
        scales.add(cells.get_clim())
        hatched = [patch.get_xy() for patch in axes.patches if patch.get_hatch()]
        assert hatched == [(CELLS[s][1] - 0.5, CELLS[s][0] - 0.5) for s in TERMINAL]
        outlined = len(axes.patches) - len(hatched)
        assert outlined == (len(WRONG) if "wrong" in axes.get_title() else 0)
    assert len(scales) == 1, "one colour scale"


def test_the_image_shows_every_chunk_in_the_mazes_order(dataset: xr.Dataset) -> None:
    axes = lay_out(distribution_through_time(dataset, "meta_gradient")).axes[0]
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    places = sorted(cell for state, cell in enumerate(CELLS) if state not in TERMINAL)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [str(place) for place in places]
    d = dataset.query_distribution.sel(agent="meta_gradient").mean("seed").values
    expected = np.array([d[:, CELLS.index(place)] for place in places])
    assert np.asarray(mesh.get_array()).reshape(expected.shape) == pytest.approx(expected)
    # two wrong states in each of two wrong phases
    assert len(axes.patches) == 4
    assert {patch.get_width() for patch in axes.patches} == {2500.0}


@pytest.mark.parametrize("has_maze", [True, False])
def test_of_many_states_every_nth_is_named_by_the_axis(monkeypatch, has_maze: bool) -> None:
    monkeypatch.setattr("mgsc.experiments.figures.distribution.MOST_LABELS", 5)
    few = synthetic(num_seeds=2, num_chunks=11, has_maze=has_maze)
    axes = lay_out(distribution_through_time(few, "meta_gradient")).axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    states = [state for state in range(len(CELLS)) if state not in TERMINAL]  # 13: every third
    assert labels == [str(name) for name in (sorted(CELLS[state] for state in states) if has_maze else states)[::3]]
    assert axes.get_yticks().tolist() == [0, 3, 6, 9, 12]
    assert axes.get_ylabel() == ("state (row, column)" if has_maze else "state (number)")


def test_of_a_learned_model_no_figure_says_when_it_is_right_or_wrong(dataset: xr.Dataset) -> None:
    """It may be wrong at any time, and in which states is not known."""
    learned = with_learned_model(dataset)
    for name, draw in draw_figures(learned).items():
        figure = lay_out(draw())
        legends = [text for legend in figure.legends for text in legend.get_texts()]
        titles = [axes.get_title(loc=place) for axes in figure.axes for place in ("left", "center")]
        said = [*titles, *(text.get_text() for text in [*figure.texts, *legends])]
        assert not [text for text in said if "model right" in text or "model wrong" in text], name
    top, since = lay_out(reward_through_time(learned)).axes
    assert since.get_title(loc="left") == "mean of 4 phases"
    assert not [patch for patch in top.patches if isinstance(patch, Rectangle)]
    assert not lay_out(draw_figures(learned)["mechanisms"]()).axes[0].patches


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_or_is_cut_off(dataset: xr.Dataset, name: str) -> None:
    assert_nothing_overlaps_or_is_cut_off(lay_out(draw_figures(dataset)[name]()))


# --- results of other shapes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ({"num_seeds": 1}, NAMES),
        pytest.param({"period": None}, STILL, marks=pytest.mark.slow),
        ({"num_chunks": 1, "period": None}, STILL),
        pytest.param({"num_chunks": 11}, NAMES, marks=pytest.mark.slow),
        ({"has_maze": False}, [*NAMES[:2], *NAMES[3:]]),
        pytest.param({"agents": ("no_planning", "uniform")}, STILL, marks=pytest.mark.slow),
        ({"agents": ("no_planning",)}, [*NAMES[:2], PAGES[0]]),
        pytest.param({"agents": tuple(f"agent number {i}" for i in range(15))}, STILL, marks=pytest.mark.slow),
    ],
)
def test_odd_results_have_their_figures(shape: dict[str, object], names: list[str]) -> None:
    """One seed, no switches, one chunk, no maze, no MGSC, nobody who plans, many agents."""
    figures = draw_figures(synthetic(**({"num_seeds": 2, "num_chunks": 40} | shape)))
    assert list(figures) == names
    for draw in figures.values():
        lay_out(draw())


def test_whose_distribution_is_shown(dataset: xr.Dataset) -> None:
    assert shown_agent(dataset) == "meta_gradient"
    assert shown_agent(dataset, "replay") == "replay"
    assert shown_agent(dataset.isel(agent=slice(0, 3))) == "uniform_compute_matched"
    assert shown_agent(dataset.isel(agent=[0])) is None
    with pytest.raises(UserError, match="did you mean 'uniform'"):
        draw_figures(dataset, "unifrom")
    with pytest.raises(UserError, match="no_planning has no search-control distribution"):
        draw_figures(dataset, "no_planning")


@pytest.mark.parametrize("name", ["mechanisms", "mechanisms_inside", "reward_through_time"])
def test_a_curve_carries_the_marker_that_the_legend_shows(name: str) -> None:
    figure = lay_out(draw_figures(synthetic(num_seeds=2, num_chunks=50))[name]())
    (legend,) = figure.legends
    shown = {(line.get_color(), line.get_marker()) for line in legend.get_lines() if line.get_marker() != "None"}
    lines = [line for axes in figure.axes for line in axes.lines if line.get_marker() not in ("", "None")]
    assert {(line.get_color(), line.get_marker()) for line in lines} == shown
    assert len(shown) > 3
    where = {line.get_marker(): tuple(line.get_markevery()) for line in lines if len(line.get_xdata()) == 50}
    assert len(set(where.values())) > 3, "markers of different agents stand apart"


def test_markers_of_a_curve_do_not_repeat_one_moment_of_its_phases() -> None:
    points = marked(200, 5, 0.3)  # phases of 10 points
    assert [point // 40 for point in points] == [0, 1, 2, 3, 4]
    assert len({point % 20 for point in points}) == 5
    assert not set(points) & set(marked(200, 5, 0.5))
    assert marked(7, 12, 0.9) == list(range(7))
    assert marked(1, 5, 0.9) == [0]
    assert all(marked(count, 5, rank) for count in range(1, 40) for rank in (0.0, 0.5, 0.99))


def test_an_agent_looks_the_same_whatever_the_others_are() -> None:
    agents = ["no_planning", "uniform", "replay", "meta_gradient", "oracle"]
    together = styles(agents)
    assert list(together) == agents
    for agent in agents:
        assert styles([agent]) == {agent: together[agent]}
        assert styles([agent, "uniform"])[agent] == together[agent]
    for own in ("mine", "my strategy"):  # by its letters, but like no rival
        assert styles([own])[own] == styles([own, "meta_gradient"])[own]
        beside = styles([*agents, own])
        assert {agent: beside[agent] for agent in agents} == together
        assert beside[own].colour not in {style.colour for style in together.values()}


@pytest.mark.parametrize(
    "agents", [("meta_gradient_recent", "prioritized_replay"), ("learned_errors", "no_planning", "learned_priority")]
)
def test_no_two_lines_of_a_figure_have_one_colour_and_dashes(agents) -> None:
    alone = {agent: styles([agent])[agent] for agent in agents}
    assert len({(style.colour, style.dashes) for style in alone.values()}) == 1
    together = styles(agents)
    assert len({style.colour for style in together.values()}) == len(agents)
    assert {agent: style.shape for agent, style in together.items()} == {
        agent: style.shape for agent, style in alone.items()
    }
    assert list(together) == list(agents)
    first = min(agents, key=KNOWN.index)
    assert together[first] == alone[first]


@pytest.mark.parametrize("suite", ["compare-tmaze-fixed", "compare-tworooms-fixed", "net-tworooms", "mbpo-pendulum"])
def test_no_two_lines_of_a_suite_look_alike(suite) -> None:
    agents = list(SUITES[suite].agents)
    for given in (agents, *([*agents, f"own {number}"] for number in range(20))):
        found = styles(given)
        lines = {(style.colour, style.dashes) for style in found.values()}
        assert len(lines) == len(given)
        assert len({style.shape for style in found.values()}) == len(given)


def test_where_no_colour_is_left_lines_differ_in_their_dashes() -> None:
    found = styles(KNOWN[:12]).values()
    assert len({style.colour for style in found}) == 10
    assert len({(style.colour, style.dashes) for style in found}) == 12
    assert len({style.shape for style in found}) == 12


def test_the_agents_of_the_suites_have_looks_of_their_own() -> None:
    names = {agent for suite in SUITES.values() for agent in suite.agents} | set(STRATEGIES)
    assert names - {FEATURED} == set(KNOWN)
    found = styles([*KNOWN, FEATURED])
    assert len({style.shape for style in found.values()}) == len(found)
    assert len({style.colour for style in styles(PAPER).values()}) == len(PAPER)


def test_agents_are_told_apart_without_colour() -> None:
    names = [*(f"agent {i}" for i in range(40)), "meta_gradient"]
    found = styles(names)
    assert len({(style.marker, str(style.dashes)) for style in found.values()}) == len(names)
    assert len({styles(AGENTS)[agent].colour for agent in AGENTS}) == len(AGENTS)


def test_jitter_is_even_and_always_the_same() -> None:
    for n in (1, 7, 30):
        heights = jitter(n)
        assert (heights == jitter(n)).all()
        assert np.abs(heights).max() < 0.5
        gaps = np.diff(np.sort(heights))
        assert gaps.size == 0 or gaps.min() > 0.35 / n
