"""Figures of studies: what is drawn is what the summary says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from tests.experiments.studies.small_studies import SMALL, made_up, made_up_of

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.studies.figure import draw_study, write_study
from mgsc.experiments.studies.heatmap import ABOVE, BELOW, BETWEEN
from mgsc.experiments.studies.table import MAPS, STUDIES


def lay_out(figure):
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure.axes


def of_ground(summary, label):
    return [cell["agents"] for cell in summary["cells"] if cell["ground"] == label]


@pytest.mark.parametrize("name", ["slip", "updates", "form", "target"])
def test_every_mean_and_interval_is_drawn(name):
    summary = made_up_of(name)
    panels = lay_out(draw_study(summary))
    assert [axes.get_title(loc="left") for axes in panels] == [ground["label"] for ground in summary["grounds"]]
    for axes, ground in zip(panels, summary["grounds"], strict=True):
        cells = of_ground(summary, ground["label"])
        dots = [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]
        bars = [one.get_segments() for one in axes.collections if isinstance(one, LineCollection)]
        for agent, offsets, segments in zip(ground["agents"], dots, bars, strict=True):
            assert offsets[:, 1].tolist() == [agents[agent]["mean"] for agents in cells]
            np.testing.assert_array_equal(np.round(offsets[:, 0]), np.arange(len(cells)))
            assert [segment[:, 1].tolist() for segment in segments] == [
                [agents[agent]["low"], agents[agent]["high"]] for agents in cells
            ]
        assert [text.get_text() for text in axes.get_xticklabels()] == summary["axes"][0]["values"]
        low, high = axes.get_xlim()
        assert all(low < x < high for offsets in dots for x in offsets[:, 0])


@pytest.mark.parametrize("name", ["features", "optimizer", "experience"])
def test_many_choices_have_a_row_each(name):
    summary = made_up_of(name)
    panels = lay_out(draw_study(summary))
    values = summary["axes"][0]["values"]
    assert [text.get_text() for text in panels[0].get_yticklabels()] == values
    for axes, ground in zip(panels, summary["grounds"], strict=True):
        cells = of_ground(summary, ground["label"])
        (dots,) = [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]
        (bars,) = [one.get_segments() for one in axes.collections if isinstance(one, LineCollection)]
        agents = [cell[ground["agents"][0]] for cell in cells]
        assert dots.tolist() == [[agent["mean"], place] for place, agent in enumerate(agents)]
        assert [bar[:, 0].tolist() for bar in bars] == [[agent["low"], agent["high"]] for agent in agents]
    boxes = [text.get_window_extent() for text in panels[0].get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_what_changes_nothing_is_not_joined_and_unordered_values_are_not_either():
    ordered, choices = (lay_out(draw_study(made_up_of(name)))[0] for name in ("entropy", "form"))
    joined = [line.get_xdata() for line in ordered.lines if len(line.get_xdata()) > 2]
    assert [np.round(line).tolist() for line in joined] == [[1, 2, 3, 4, 5, 6, 7]]
    assert [len(line.get_xdata()) for line in choices.lines if len(line.get_xdata()) != 2] == [0]
    base = of_ground(made_up_of("form"), "TMaze")[0]["meta_gradient"]["mean"]
    assert [line.get_ydata()[0] for line in choices.lines if len(line.get_xdata()) == 2] == [base]


def test_a_map_shows_every_difference_and_its_verdict():
    summary = made_up_of("map")
    panels = lay_out(draw_study(summary))
    agents = ["meta_gradient", "meta_gradient_recent"]
    assert [axes.get_title(loc="left") for axes in panels] == agents
    marks = {"win": "▲", "tie": "=", "loss": "▼"}
    for axes, agent in zip(panels, agents, strict=True):
        texts = {text.get_position(): text.get_text() for text in axes.texts}
        assert len(texts) == 3 * 60
        for number, cell in enumerate(summary["cells"]):
            row, column = divmod(number, 4)
            difference = cell["agents"][agent]["difference"]
            shown = f"{marks[difference['verdict']]} {round(difference['mean']):+,}".replace("-", "−")
            assert texts[column, row + ABOVE] == shown
            rival = [texts[column, row + place] for place in (BETWEEN, BELOW)]
            assert " with ".join(filter(None, rival)) == difference["to"]
    labels = [text.get_text() for text in panels[0].get_yticklabels()]
    assert len(labels) == 15
    assert labels[0] == "TMaze 6/4\nfixed, stale"


def test_texts_of_a_map_do_not_overlap():
    summary = made_up_of("map")
    for cell in summary["cells"]:
        for agent in ("meta_gradient", "meta_gradient_recent"):
            cell["agents"][agent]["difference"] |= {"to": "avoid_terminal with K = 10", "mean": -4321.0}
    for axes in lay_out(draw_study(summary)):
        boxes = [text.get_window_extent() for text in axes.texts]
        for place, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[place + 1 :]), axes.texts[place].get_text()


def test_every_map_has_two_axes():
    assert {name for name, study in STUDIES.items() if len(study.axes) == 2} == set(MAPS)


def test_files_are_the_same_every_time_and_need_a_folder(tmp_path):
    summary = made_up("small", SMALL, Seeds(1, root=2))
    first, second = write_study(summary, tmp_path / "a"), write_study(summary, tmp_path / "b")
    assert [path.name for path in first] == ["small.pdf", "small.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write figures to"):
        write_study(summary, tmp_path / "file")
