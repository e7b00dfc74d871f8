"""The table and the figures of the classics, from results made up."""

from __future__ import annotations

import pytest
from matplotlib.collections import LineCollection, PolyCollection
from tests.experiments.classics.small import made_up

from mgsc.experiments.classics.figures import draw_classics, write_classics
from mgsc.experiments.classics.references import REFERENCES
from mgsc.experiments.classics.result_table import findings, to_markdown

FIGURES = {"dyna_maze": 3, "blocking_maze": 2, "shortcut_maze": 2, "prioritized_sweeping": 2}
"""Lines of each figure that stand for agents."""


def test_every_line_has_an_interval():
    drawn = draw_classics(made_up())
    assert set(drawn) == set(FIGURES)
    for name, draw in drawn.items():
        (axes,) = draw().axes
        intervals = [c for c in axes.collections if isinstance(c, PolyCollection | LineCollection)]
        assert len(intervals) == len(axes.get_legend().get_texts()) == FIGURES[name]
        assert "95 % interval, 4 runs" in axes.figure.get_suptitle()


def test_figures_are_written_as_pdf_and_png(tmp_path):
    paths = write_classics(made_up(), tmp_path / "figures")
    assert {path.name for path in paths} == {f"{name}.{ending}" for name in FIGURES for ending in ("pdf", "png")}
    assert all(path.stat().st_size > 1000 for path in paths)


def test_the_table_has_a_row_for_every_reference():
    results = made_up()
    text = to_markdown(results)
    for reference in REFERENCES:
        assert f"| {reference.what} | {reference.classic} | {reference.agent} | 4 |" in text
    assert "| sweeping-2 |" in text
    # Rewards of 10 to 100 in each of 60 chunks are thousands, not 73.7.
    (blocking,) = (
        f for f in findings(results) if (f.reference.classic, f.reference.agent) == ("blocking-maze", "Dyna-Q")
    )
    assert not blocking.agrees
    assert "| differs |" in text


def test_one_run_has_no_interval_and_no_verdict():
    text = to_markdown(made_up(runs=1))
    assert "| nan | – |" in text or "| +nan | – |" in text
    assert "agrees" not in text.split("Standard errors")[0]


@pytest.mark.parametrize("name", ["dyna_maze", "prioritized_sweeping"])
def test_a_single_run_can_be_drawn(name):
    assert draw_classics(made_up(runs=1))[name]().axes
