"""A comparison across problems: scores, ranks, probabilities and profiles worked out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from tests.experiments.studies.small_studies import SMALL, SMALL_COMPARISON, made_up

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.studies import across, across_figure, across_table
from mgsc.experiments.studies.design import cells_of
from mgsc.experiments.studies.figure import write_study
from mgsc.experiments.studies.summary import load_summary, optimum_of, summaries, write_summary

RECENT = "meta_gradient_recent"


def scores(*problems) -> across.Scores:
    """Of agents a, b, ... with a row of scores each, on each problem."""
    values = np.array(problems, float)
    return across.Scores([str(n) for n in range(len(values))], list("abcdef"[: values.shape[1]]), values)


def small() -> dict:
    return made_up("small", SMALL_COMPARISON)


def test_scores_are_0_for_q_learning_and_1_for_the_optimum():
    totals = {}
    cells = cells_of(SMALL_COMPARISON, Seeds(3, root=2))
    for cell in cells:
        best = optimum_of(cell.suite)
        for agent in cell.suite.agents:
            totals[cell.entry(agent)] = [best, best, best]
        totals[cell.entry("no_planning")] = [-2.0, 0.0, 2.0]
        totals[cell.entry("uniform")] = [best / 2, -best, 0.0]
    summary = made_up("small", SMALL_COMPARISON, totals=totals)
    assert [cell["optimum"] for cell in summary["cells"]] == [optimum_of(cell.suite) for cell in cells]
    found = across.normalised(summary)
    assert found.problems == ["tiny", "longer"]
    assert found.agents == ["no_planning", "uniform", RECENT], "avoid_terminal did not run on every problem"
    np.testing.assert_allclose(found.values[:, 2], 1.0)
    np.testing.assert_allclose(found.values[:, 1], [[0.5, -1, 0]] * 2)
    np.testing.assert_allclose(found.values[:, 0].mean(-1), 0.0)


def test_only_a_comparison_is_read_across_its_problems():
    with pytest.raises(ValueError, match="is not meant to be read across"):
        across.normalised(made_up("small", SMALL))


def test_interquartile_means_pool_the_runs_of_all_problems():
    # Of the eight runs 0 … 7 of agent a, the middle four are 2 … 5.
    found = across.interquartile_means(scores([[0, 7, 1, 6], [9] * 4], [[5, 2, 4, 3], [9] * 4]))
    assert [interval.estimate for interval in found] == [3.5, 9.0]
    assert found[0].low < 3.5 < found[0].high
    assert found[1] == (9.0, 9.0, 9.0)


def test_ranks_are_by_mean_and_ties_share_theirs():
    # First problem: b, a, c; second: a and c tie before b.
    found = across.mean_ranks(scores([[2, 2], [3, 3], [1, 1]], [[5, 5], [0, 0], [5, 5]]))
    assert [interval.estimate for interval in found] == [(2 + 1.5) / 2, (1 + 3) / 2, (3 + 1.5) / 2]
    assert all(interval.low == interval.estimate == interval.high for interval in found), "no seed differs"


def test_seeds_are_drawn_anew_within_problems_and_together_for_all_agents():
    # b is better than a by one on every seed: however seeds are drawn, the ranks stay.
    a = [0.0, 10.0, 20.0]
    found = across.mean_ranks(scores([a, [x + 1 for x in a]]))
    assert [tuple(interval) for interval in found] == [(2, 2, 2), (1, 1, 1)]


def test_the_probability_of_improvement_is_over_all_pairs():
    # Of the four pairs of a and b: 1 > 0, 1 = 1, 3 > 0, 3 > 1; on the second problem all are won.
    first, second = [[1, 3], [0, 1]], [[5, 5], [0, 0]]
    found = across.improvements(scores(first, second), "b")
    assert found[0].estimate == pytest.approx(((1 + 0.5 + 1 + 1) / 4 + 1) / 2)
    assert found[0].low >= (0.5 + 1) / 2
    assert found[0].high == 1.0
    assert found[1].estimate == pytest.approx(((0.5 + 1 + 0 + 0.5) / 4 + 0.5) / 2), "an agent over itself: all pairs"


def test_a_profile_is_the_share_of_runs_above_each_threshold():
    found = across.performance_profile(scores([[0.1, 0.5], [1, 1]], [[0.5, 0.9], [1, 1]]), [0.0, 0.5, 0.95])
    np.testing.assert_allclose(found.share, [[1, 0.25, 0], [1, 1, 1]])
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()
    assert found.low[0, 1] == 0.0


def test_intervals_are_the_same_every_time():
    given = across.normalised(small())
    assert across.interquartile_means(given) == across.interquartile_means(given)
    assert across.improvements(given, "uniform") == across.improvements(given, "uniform")


def test_tables_say_what_the_summary_says():
    summary = small()
    headings, rows = across_table.overall(summary)
    assert len({len(row) for row in (headings, *rows)}) == 1
    means = [float(row[1].split()[0]) for row in rows]
    assert means == sorted(means, reverse=True)
    by_agent = {row[0].strip("`"): row for row in rows}
    assert set(by_agent) == {"no_planning", "uniform", RECENT}
    assert by_agent["uniform"][3] == by_agent[RECENT][4] == across_table.ABSENT
    # No planning: no updates; the variant: three updates and five times five expected backups.
    assert by_agent["no_planning"][5:] == ["0", "0"]
    assert by_agent[RECENT][5:] == ["3", "25"]
    headings, rows = across_table.by_problem(summary)
    assert headings == ["agent", "tiny", "longer"]
    assert {row[0]: row for row in rows}["`avoid_terminal`"][2] == across_table.ABSENT
    for place in (1, 2):
        assert sum(row[place].startswith("**") for row in rows) == 1, "one agent is best"
    text = across_table.to_markdown(summary)
    assert "seeds 0..2 of root seed 2" in text
    assert "For tests." in text
    console = Console(width=200, record=True, file=io.StringIO())
    for table in across_table.to_tables(summary):
        console.print(table)
    assert "interquartile mean" in console.export_text()


@pytest.mark.slow
def test_no_name_of_an_agent_is_broken_in_a_usual_terminal():
    summary = load_summary(str(summaries() / "comparison.json"))
    agents = {agent for cell in summary["cells"] for agent in cell["agents"]}
    console = Console(width=140, file=io.StringIO())
    console.print(across_table.to_tables(summary)[1])
    shown = [line.split()[0] for line in console.file.getvalue().splitlines() if line[:1].strip()]
    assert agents <= set(shown)


def test_figures_show_every_agent_and_interval(tmp_path):
    summary = small()
    figure = across_figure.draw_overall(summary)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert set(names) == {"no_planning", "uniform", RECENT}
    scores = across.normalised(summary)
    found = dict(zip(scores.agents, across.interquartile_means(scores)))
    for name, segment in zip(names, (lines.get_segments()[0] for lines in figure.axes[0].collections[::2])):
        np.testing.assert_allclose(segment[:, 0], [found[name].low, found[name].high])
    figure = across_figure.draw_problems(summary)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["tiny", "longer"]
    figure = across_figure.draw_profiles(summary)
    shown = [line.get_label() for line in figure.axes[0].lines]
    assert shown == [RECENT, "uniform", "no_planning"]
    assert len(figure.axes[0].collections) == len(shown), "every line has its band"
    paths = write_study(summary, tmp_path)
    assert {path.name for path in paths} == {
        f"small{part}.{ending}" for part in ("", "-profiles", "-problems") for ending in ("pdf", "png")
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda summary: summary["cells"][0].pop("optimum"),
        lambda summary: summary["cells"][0].update(optimum=None),
        lambda summary: summary["cells"][1]["agents"]["uniform"].pop("updates"),
        lambda summary: summary["cells"][1]["agents"]["uniform"].update(backups="many"),
    ],
)
def test_a_comparison_without_its_optimum_or_costs_is_no_summary(damage, tmp_path):
    summary = small()
    write_summary(summary, tmp_path / "small.json")
    assert load_summary(str(tmp_path / "small.json")) == summary
    damage(summary)
    write_summary(summary, tmp_path / "small.json")
    with pytest.raises(UserError, match="no complete summary"):
        load_summary(str(tmp_path / "small.json"))
