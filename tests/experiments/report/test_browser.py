"""The page in a real browser, without a screen: it draws, it moves, it asks nobody for anything."""

from __future__ import annotations

import re
import threading

import pytest
from tests.browser import needs_chromium, wait_until
from tests.experiments.report.results import named, shown
from tests.experiments.synthetic import with_learned_model

from mgsc.experiments.report.find import Found
from mgsc.experiments.report.page import build_page
from mgsc.experiments.report.serve import open_server

pytestmark = needs_chromium

NUM_SEEDS = 4
LAST = 39
SUITES = {
    "full": {"num_seeds": NUM_SEEDS},
    "placeless": {"has_maze": False, "agents": ("uniform", "meta_gradient")},
    "plain": {"num_seeds": 1, "period": None, "agents": ("no_planning", "uniform")},
}


@pytest.fixture(scope="module")
def results():
    return [Found(title, named(shown(**shape), title)) for title, shape in SUITES.items()]


@pytest.fixture(scope="module")
def page_file(results, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "a page.html"
    file.write_bytes(build_page(results))
    return file


@pytest.fixture
def page(visit, page_file):
    return visit(page_file.as_uri())


def stop_clock(page) -> None:
    """From now on the page's timers run in ``page.clock.run_for(milliseconds)`` only, as often as is due by then."""
    page.clock.install(time=0)
    page.clock.pause_at(1)


def picture(page, agent="meta_gradient"):
    """What an agent's canvas shows, as text."""
    return page.eval_on_selector(f'canvas[data-agent="{agent}"]', "canvas => canvas.toDataURL()")


def set_time(page, chunk):
    page.fill("#slider", str(chunk))


def is_blank(page, selector):
    return page.eval_on_selector(
        selector,
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size < 3",
    )


def choose_suite(page, title):
    page.get_by_role("tab", name=title).click()
    page.wait_for_selector(f'body[data-ready="{list(SUITES).index(title)}"]')


def test_every_figure_draws_in_every_suite(page, results) -> None:
    for found in results:
        choose_suite(page, found.label)
        agents = found.dataset["agent"].values.tolist()
        seeds = found.dataset.sizes["seed"]
        assert page.inner_text("h1") == found.label
        assert page.locator("#totals circle").count() == len(agents) * seeds
        assert page.locator("#curves path.curve").count() == len(agents)
        assert page.locator("#curves path.curve").first.get_attribute("d").count("L") == LAST
        assert page.locator("#curves path.band").first.get_attribute("d").startswith("M") == (seeds > 1)
        assert page.locator("#curves .switch").count() == len(found.dataset.attrs["switch_steps"])
        for canvas in page.locator("#panels canvas").all():
            name = canvas.get_attribute("data-agent")
            assert not is_blank(page, f'canvas[data-agent="{name}"]')
        assert page.locator("#tables table").count() >= 3
        assert page.locator("#tables .baseline").count() >= 1
        assert len(page.locator("#tables tbody tr").all()) >= 2 * len(agents)
    assert "have no places" not in page.inner_text("#maze-note")
    choose_suite(page, "placeless")
    assert "have no places" in page.inner_text("#maze-note")


def test_the_slider_moves_the_map_and_says_where_it_is(page) -> None:
    set_time(page, 12)
    before = picture(page)
    assert "steps 3,001–3,250" in page.inner_text("#moment")
    assert "model wrong" in page.inner_text("#moment")
    set_time(page, 25)
    assert picture(page) != before
    assert "after 2 of 3 switches" in page.inner_text("#moment")
    assert page.get_attribute("#slider", "aria-valuetext") == page.inner_text("#moment")
    set_time(page, 12)
    assert picture(page) == before


def test_goals_change_their_sign_with_the_phase(page) -> None:
    page.evaluate("document.querySelector('#panels').scrollIntoView({behavior: 'instant'})")
    found = []
    for chunk in (5, 15):
        set_time(page, chunk)
        box = page.locator('canvas[data-agent="uniform"]').bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 5)  # the left end
        found.append(page.inner_text("#tip"))
    assert "reward −1" in found[0]
    assert "reward +1" in found[1]


def test_play_and_pause(page) -> None:
    stop_clock(page)
    set_time(page, 0)
    page.select_option("#speed", "30")
    page.click("#play")
    page.clock.run_for(1010)
    assert page.input_value("#slider") == "30"
    assert page.inner_text("#play-text") == "Pause"
    page.click("#play")
    assert page.inner_text("#play-text") == "Play"
    page.clock.run_for(1000)
    assert page.input_value("#slider") == "30"
    set_time(page, LAST - 2)
    page.click("#play")
    page.clock.run_for(1000)
    assert page.inner_text("#play-text") == "Play"
    assert page.input_value("#slider") == str(LAST)


def test_everything_by_keyboard(page) -> None:
    page.focus("#slider")
    for key, expected in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", LAST)):
        page.keyboard.press(key)
        assert page.input_value("#slider") == str(expected)
    stop_clock(page)
    set_time(page, 0)
    page.focus("#slider")
    page.keyboard.press(" ")
    page.clock.run_for(1010)
    assert int(page.input_value("#slider")) > 0
    page.keyboard.press(" ")
    assert page.inner_text("#play-text") == "Play"
    assert page.evaluate("getComputedStyle(document.querySelector('#slider')).outlineStyle") == "solid"
    set_time(page, 12)
    page.focus('canvas[data-agent="uniform"]')
    page.keyboard.press("ArrowDown")
    assert "uniform, row 6, column 4" in page.inner_text("#tip")
    page.keyboard.press("ArrowUp")
    assert "row 5, column 4" in page.inner_text("#tip")
    page.focus("#curves svg")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#slider") == "13"
    page.select_option("#window", "near")  # here every step of time draws the curves anew
    page.focus("#curves svg")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert page.input_value("#slider") == "11"
    page.focus('[role="tab"]')
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('body[data-ready="1"]')


def test_jumps_lead_to_the_switches(page) -> None:
    # A click while the page still scrolls may miss.
    page.evaluate("document.querySelector('#panels').scrollIntoView({behavior: 'instant'})")
    set_time(page, 0)
    found = []
    for _ in range(4):
        page.click("#next-switch")
        found.append(page.input_value("#slider"))
    assert found == ["10", "20", "30", str(LAST)]
    page.click("#previous-switch")
    assert page.input_value("#slider") == "30"
    choose_suite(page, "plain")
    assert page.is_disabled("#next-switch")


def test_a_single_seed_shows_its_own_numbers(page, results) -> None:
    dataset = results[0].dataset
    page.evaluate("document.querySelector('#panels').scrollIntoView({behavior: 'instant'})")
    set_time(page, 20)
    means = picture(page)
    page.check("#policy")
    before = picture(page)
    assert before != means
    page.select_option("#seed", "1")
    wait_until(page, "document.querySelector('#single-0') === null")
    canvas = "document.querySelector('canvas[data-agent=\"meta_gradient\"]')"
    wait_until(page, f"{canvas}.toDataURL() !== given", before)
    page.focus('canvas[data-agent="meta_gradient"]')
    for _ in range(6):  # from the start up the stem
        page.keyboard.press("ArrowUp")
    tip = page.inner_text("#tip")
    state = {"agent": "meta_gradient", "seed": 1, "chunk": 20, "state": 5}
    d = float(dataset["query_distribution"].sel(agent="meta_gradient", seed=1)[20, 5])
    shown_d = float(re.search(r"([\d.]+) %", tip)[1]) / 100
    largest = float(dataset["query_distribution"].max())
    assert shown_d == pytest.approx(d, abs=largest / 254 + 5e-5)
    value = float(dataset["state_value"].sel(agent=state["agent"], seed=state["seed"])[20, 5])
    assert float(re.search(r"max q\s+([\d.]+)", tip)[1]) == pytest.approx(value, abs=0.006)
    assert "↑ 100 %" in tip


def test_hovering_tells_the_numbers_of_the_analysis(page, results) -> None:
    dataset = results[0].dataset
    box = page.locator("#curves svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 18, box["y"] + 100)
    tip = page.inner_text("#tip")
    assert "steps 9,751–10,000, model wrong" in tip
    for agent in ("uniform", "meta_gradient"):
        mean = float(dataset["reward"].sel(agent=agent)[:, LAST].mean() / 250)
        text = re.search(rf"{agent}\s+(−?[\d.]+)  \[(−?[\d.]+), (−?[\d.]+)\]", tip)
        estimate, low, high = (float(number.replace("−", "-")) for number in text.groups())
        assert estimate == pytest.approx(mean, rel=0.01)
        assert low < estimate < high
    page.locator("#totals circle").first.hover()
    assert "seed 0" in page.inner_text("#tip")


def test_a_click_on_the_curves_chooses_the_time(page) -> None:
    box = page.locator("#curves svg").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 100)
    assert 15 <= int(page.input_value("#slider")) <= 25


def test_measures_legend_window_and_logarithm(page) -> None:
    lines = page.locator("#curves path.curve")
    assert lines.count() == 6
    page.locator('#legend [data-agent="uniform"]').click()
    assert lines.count() == 5
    assert page.get_attribute('#legend [data-agent="uniform"]', "aria-pressed") == "false"
    page.select_option("#measure", "meta_loss")
    assert lines.count() == 1
    assert "reward²" in page.inner_text("#curves")
    linear = lines.first.get_attribute("d")
    page.check("#log")
    assert lines.first.get_attribute("d") != linear
    page.uncheck("#log")
    page.select_option("#window", "near")
    assert lines.first.get_attribute("d").count("L") == 19  # the last two of four phases of ten chunks
    page.select_option("#measure", "surprise_of_model")
    assert "bits" in page.inner_text("#curves")


def test_agents_and_layers_of_the_maze(page) -> None:
    assert page.locator("#panels canvas").count() == 3
    page.locator('#chosen [data-agent="no_planning"]').click()
    assert page.locator("#panels canvas").count() == 4
    assert "does not plan" in page.inner_text("#panels")
    page.locator('#chosen [data-agent="replay"]').click()
    assert page.locator('canvas[data-agent="replay"]').count() == 0
    for layer in ("policy", "values", "numbers"):
        before = picture(page)
        page.check(f"#{layer}")
        assert picture(page) != before
    before = picture(page)
    page.select_option("#scale", "1")
    assert picture(page) != before


def test_of_a_learned_model_the_page_does_not_say_when_it_is_wrong(visit, results, tmp_path) -> None:
    fixed = results[0].dataset
    page_file = tmp_path / "learned.html"
    page_file.write_bytes(build_page([Found("learned", named(with_learned_model(fixed), "learned"))]))
    page = visit(page_file.as_uri())
    set_time(page, 12)
    assert "model" not in page.inner_text("#moment")
    assert "on wrong states" not in page.inner_text("#panels")
    assert "most at" in page.inner_text("#panels")
    assert page.locator("#curves .wrong-phase").count() == 0


def test_light_and_dark(page, visit, page_file) -> None:
    def ground(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, drawn = ground(page), picture(page)
    page.click("#theme")
    dark = ground(page)
    assert dark != light
    assert picture(page) != drawn
    page.click("#theme")
    assert (ground(page), picture(page)) == (light, drawn)
    assert ground(visit(page_file.as_uri(), color_scheme="dark")) == dark


def test_a_phone_never_scrolls_sideways(visit, page_file) -> None:
    page = visit(page_file.as_uri(), viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    for title in SUITES:
        choose_suite(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.evaluate("window.innerWidth") == 390
    page.set_viewport_size({"width": 320, "height": 700})
    wait_until(page, "document.querySelector('#curves svg').clientWidth < 320")
    # Everything is laid out anew, one part after the other.
    wait_until(page, "document.documentElement.scrollWidth === 320")


def test_a_window_without_room_stays_empty_until_it_has_some(visit, page_file) -> None:
    page = visit(page_file.as_uri(), viewport={"width": 60, "height": 400})
    assert page.query_selector("#curves svg") is None
    page.set_viewport_size({"width": 900, "height": 700})
    wait_until(page, "document.querySelector('#curves svg')?.clientWidth > 400")


def test_every_control_has_a_name(page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas[tabindex], svg[tabindex], [role=region]")]
        .filter((e) => !(e.getAttribute("aria-label") || e.innerText || e.labels?.length)).map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_it_is_the_same_when_served(visit, results) -> None:
    with open_server(0) as server:
        server.page = build_page(results)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            assert visit(server.address).inner_text("h1") == "full"
        finally:
            server.shutdown()
            thread.join()
