"""The page of results without tables in a real browser, alone and beside others."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.browser import needs_chromium, wait_until
from tests.experiments.measured import with_numbers
from tests.experiments.report.results import named, shown
from tests.experiments.synthetic import OF_NETWORKS, without_listed, without_tables

from mgsc.experiments.reading.missing import DRAWN_ANEW, NO_TABLES
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.report.find import Found
from mgsc.experiments.report.page import build_page

pytestmark = needs_chromium

ALONE, GAP, AFTER = 6, 5, 8
"""Chunks: one with an episode between two without."""


def with_gaps():
    """Of meta_gradient no episode ends in chunks 5, 7 and 8, in any seed."""
    returns = np.tile(np.linspace(1.0, 2.0, 24), (4, 1)) + 0.1 * np.arange(4)[:, None]
    returns[:, [GAP, 7, AFTER]] = np.nan
    return with_numbers(without_tables(), "meta_gradient", episode_return=returns)


MIXED = {
    "full": shown(num_seeds=2),
    "pole": without_tables(),
    "unlisted": without_listed(num_seeds=3, num_chunks=40),
    "single": without_tables(num_seeds=1, penalty=0.0),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages = {
        "mixed": [Found(title, named(dataset, title)) for title, dataset in MIXED.items()],
        "alone": [Found("pole", named(with_gaps(), "pole"))],
    }
    for name, results in pages.items():
        (folder / f"{name}.html").write_bytes(build_page(results))
    return folder


@pytest.fixture
def mixed(visit, files):
    return visit((files / "mixed.html").as_uri())


@pytest.fixture
def alone(visit, files):
    return visit((files / "alone.html").as_uri())


def choose(page, title):
    page.get_by_role("tab", name=title).click()
    page.wait_for_selector(f'body[data-ready="{list(MIXED).index(title)}"]')


def test_alone_it_shows_curves_totals_tables_and_facts_but_no_maze(alone) -> None:
    assert alone.inner_text("#missing") == NO_TABLES
    assert not alone.is_visible("#maze-section")
    assert alone.locator("#totals circle").count() == 4 * len(OF_NETWORKS)
    assert alone.locator("#totals .optimum").count() == 0
    assert alone.locator("#curves path.curve").count() == len(OF_NETWORKS)
    assert alone.input_value("#measure") == "episode_return"
    assert alone.locator("#curves .reference").count() == 0
    assert "Episodes of the last third" in alone.inner_text("#tables")
    assert "root seed 7" in alone.inner_text("#facts")
    for text in ("mazes below", "model wrong", "model right", "undefined", "NaN", "null"):
        assert text not in alone.inner_text("body")


def test_lines_and_bands_have_gaps_and_lone_points_a_marker(alone) -> None:
    curve = alone.locator('#curves path.curve[data-agent="meta_gradient"]').get_attribute("d")
    assert curve.count("M") == 3  # before, alone, after
    bands = [band.get_attribute("d") for band in alone.locator("#curves path.band").all()]
    assert [band.count("Z") for band in bands].count(3) == 1
    place = curve.split("M")[2]
    markers = alone.locator(f'#curves [transform="translate({place})"]')
    assert markers.count() == 1, "a line through one point is not seen"
    assert "gaps where none did" in alone.inner_text("#curves-note")
    alone.select_option("#measure", "entropy")
    assert "gaps" not in alone.inner_text("#curves-note")


def test_hovering_tells_numbers_and_no_model(alone) -> None:
    box = alone.locator("#curves svg").bounding_box()
    alone.mouse.move(box["x"] + box["width"] - 20, box["y"] + 100)
    tip = alone.inner_text("#tip")
    assert tip.startswith("steps 5,751–6,000\n")
    estimate, low, high = mean_interval(with_gaps()["episode_return"].sel(agent="meta_gradient").values[:, -1])
    text = re.search(r"meta_gradient\s+([\d.]+)  \[([\d.]+), ([\d.]+)\]", tip)
    assert [float(number) for number in text.groups()] == pytest.approx([estimate, low, high], rel=0.01)


def test_space_scrolls_where_there_is_nothing_to_play(alone) -> None:
    before = alone.input_value("#slider")
    alone.focus("#content")
    alone.keyboard.press(" ")
    wait_until(alone, "window.scrollY > 0")
    assert alone.input_value("#slider") == before
    assert alone.evaluate("document.querySelector('#play').dataset.state") == "play"
    alone.focus("#curves svg")
    alone.keyboard.press("ArrowLeft")
    assert "steps 5,501–5,750" in alone.inner_text("#tip")


def test_intervals_do_not_squeeze_the_means(mixed) -> None:
    choose(mixed, "pole")
    assert "Intervals wider than the axis are cut." in mixed.inner_text("#curves-note")
    labels = mixed.locator('#curves .frame .label[text-anchor="end"]:not(.muted)').all_text_contents()
    ticks = [float(text.replace("−", "-")) for text in labels]
    highest = np.nanmax(MIXED["pole"]["episode_return"].mean("seed", skipna=True))
    assert highest < max(ticks) + 5
    assert max(ticks) < 1.5 * highest, "intervals of two seeds reach beyond 40"
    mixed.select_option("#measure", "entropy")
    assert "cut" not in mixed.inner_text("#curves-note")


def test_suites_of_all_kinds_in_one_page(mixed) -> None:
    seen = {}
    for title in [*MIXED, "full", "pole", "full"]:
        choose(mixed, title)
        assert mixed.inner_text("h1") == title
        seen[title] = (
            mixed.is_visible("#maze-section"),
            mixed.is_visible("#missing"),
            mixed.input_value("#measure"),
            mixed.is_visible("#scale-label"),
        )
        assert mixed.locator("#curves path.curve").count() >= 3
    assert seen == {
        "full": (True, False, "reward", True),
        "pole": (False, True, "episode_return", False),
        "unlisted": (True, True, "episode_return", False),
        "single": (False, True, "episode_return", False),
    }
    assert mixed.inner_text("#maze-title") == "Where planning looks"
    assert mixed.locator("#panels canvas").count() == 3


def test_a_measure_that_was_chosen_stays_where_it_is_recorded(mixed) -> None:
    mixed.select_option("#measure", "meta_loss")
    choose(mixed, "pole")
    assert mixed.input_value("#measure") == "meta_loss"
    mixed.select_option("#measure", "effective_candidates")
    choose(mixed, "full")
    assert mixed.input_value("#measure") == "reward"


def test_without_d_the_maze_shows_the_policy(mixed) -> None:
    choose(mixed, "unlisted")
    assert mixed.inner_text("#missing") == DRAWN_ANEW
    assert mixed.inner_text("#maze-title") == "Values and greedy policy"
    assert not mixed.is_visible("#numbers-label")
    assert "probability that planning" not in mixed.inner_text("#key")
    colours = mixed.eval_on_selector(
        'canvas[data-agent="uniform"]',
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size",
    )
    assert colours > 10, "arrows, goals and outlines"
    mixed.focus('canvas[data-agent="uniform"]')
    mixed.keyboard.press("ArrowDown")
    tip = mixed.inner_text("#tip")
    assert "value, max q" in tip
    assert "greedy" in tip
    assert "does not plan" not in tip
    mixed.select_option("#seed", "1")
    wait_until(mixed, "document.querySelector('#single-2') === null")


def test_rewards_that_do_not_depend_on_what_is_done(mixed) -> None:
    assert "does not depend" not in mixed.inner_text("#totals-note")
    choose(mixed, "single")
    assert "Every run has the same: it does not depend on what is done." in mixed.inner_text("#totals-note")


def test_a_phone_and_the_dark(visit, files) -> None:
    look = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}
    page = visit((files / "mixed.html").as_uri(), **look)
    for title in MIXED:
        choose(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.click("#theme")
    choose(page, "pole")
    assert page.locator("#curves path.curve").count() == len(OF_NETWORKS)
