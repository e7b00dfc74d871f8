"""The site as a browser sees it: it builds without a warning, asks nobody for anything, and typesets its equations.

Slow, and only where Sphinx is installed: `make docs-tests`.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.browser import needs_chromium, open_browser

from mgsc.search_control.table import STRATEGIES

ROOT = Path(__file__).parent.parent.parent
SIZES = {"wide": (1300, 900), "narrow": (390, 800)}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("sphinx", "furo", "myst_parser")),
        reason="the packages of requirements-docs.lock are not installed: run `make docs-tests`",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    options = ["-q", "-W", "--keep-going", "-n", "-b", "html", "-d", str(folder / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder / "pages")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "pages"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def visit(site, browser):
    """Opens a page; in the end, nothing was complained of and every request was for a file of the site."""
    contexts, complaints, requests = [], [], []

    def visit(name, size="wide", query="", scheme="light"):
        width, height = SIZES[size]
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((site / name).as_uri() + query)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests
    assert [url for url in requests if not url.startswith((site.as_uri(), "data:"))] == []


def pages(site):
    return sorted(str(file.relative_to(site)) for file in site.rglob("*.html"))


def test_every_strategy_has_a_page(site) -> None:
    assert {f"strategies/{name}.html" for name in STRATEGIES} <= set(pages(site))


def test_no_page_names_a_script_font_or_picture_elsewhere(site) -> None:
    loaded = re.compile(r"""<(?:script|img|iframe|source)[^>]* src="(?:https?:)?//|<link[^>]* href="(?:https?:)?//""")
    imported = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")
    for file in site.rglob("*"):
        if file.suffix in (".html", ".css"):
            text = file.read_text(encoding="utf-8")
            assert not loaded.search(text), file.name
            assert not imported.search(text), file.name


@needs_chromium
def test_no_page_asks_for_anything_but_files(site, visit) -> None:
    for name in pages(site):
        assert visit(name).title()


@needs_chromium
@pytest.mark.parametrize("name", ["concepts.html", "strategies/gain_need.html"])
def test_equations_are_typeset(visit, name) -> None:
    page = visit(name)
    shown = page.evaluate(
        """() => {
          const box = element => element.getBoundingClientRect();
          const middle = element => (box(element).top + box(element).bottom) / 2;
          const all = [...document.querySelectorAll('math')];
          const pairs = [...document.querySelectorAll('msub')].map(one => [...one.children]);
          return {
            number: all.length,
            empty: all.filter(one => box(one).width < 4 || box(one).height < 8).length,
            raised: pairs.filter(([base, below]) => middle(below) <= middle(base)).length,
            fractions: [...document.querySelectorAll('mfrac')].filter(
              one => box(one.children[0]).bottom > box(one.children[1]).top + 1).length,
            source: [...document.querySelectorAll('p')].filter(one => one.innerText.includes('\\\\frac')).length,
          };
        }"""
    )
    assert shown["number"] > 3
    assert {key: count for key, count in shown.items() if key != "number"} == dict.fromkeys(
        ("empty", "raised", "fractions", "source"), 0
    )


@pytest.mark.parametrize(
    ("page", "index", "number"), [("learned_priority", "j", 6), ("trajectory", "k", 4), ("uncertainty", "e", 1)]
)
def test_an_index_stands_beside_a_letter_with_an_accent(site, page, index, number) -> None:
    text = re.sub(r"\s+", "", (site / "strategies" / f"{page}.html").read_text(encoding="utf-8"))
    assert "munderover><mi" not in text
    accented = r'<msub><mrow><moveraccent="true"><mi>.</mi><mo[^>]*>.</mo></mover><mrow></mrow></mrow><mi>'
    assert len(re.findall(rf"{accented}{index}</mi></msub>", text)) >= number


def test_every_link_inside_the_site_leads_somewhere(site) -> None:
    names = {file: set(re.findall(r' id="([^"]+)"', file.read_text(encoding="utf-8"))) for file in site.rglob("*.html")}
    dead = []
    for page in names:
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page.read_text(encoding="utf-8")):
            address = urlsplit(html.unescape(link))
            if address.scheme or address.netloc:
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            known = target in names and (not address.fragment or unquote(address.fragment) in names[target])
            if not known and not (target.is_file() and target not in names):
                dead.append(f"{page.relative_to(site)}: {link}")
    assert dead == []


def test_tutorials_are_notebooks_too(site) -> None:
    tutorials = {file.stem for file in (ROOT / "docs" / "tutorials").glob("*.md")} - {"index"}
    assert {file.stem for file in site.rglob("*.ipynb")} == tutorials
    for name in tutorials:
        assert json.loads((site / "tutorials" / f"{name}.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4


@needs_chromium
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_shows_its_gallery(visit, size, scheme) -> None:
    page = visit("index.html", size, scheme=scheme)
    widths = page.evaluate("[...document.querySelectorAll('.gallery img')].map(one => one.naturalWidth && one.width)")
    assert len(widths) >= 6
    assert min(widths) > 150
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.gallery img')).backgroundColor")
        == "rgb(255, 255, 255)"
    )


NARROW = [
    "index.html",
    "concepts.html",
    "strategies/meta_gradient.html",
    "api/agent.html",
    "commands.html",
    "results.html",
]
NARROW += ["comparison.html", "classics.html", "tutorials/first_look.html", "contributing/jax_upgrades.html"]
NARROW += ["genindex.html", "py-modindex.html", "strategies/prioritized_sweeping.html"]


@needs_chromium
@pytest.mark.parametrize("name", NARROW)
def test_a_narrow_page_does_not_scroll_sideways(visit, name) -> None:
    page = visit(name, "narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # The theme lets what is too wide scroll in there.
    assert page.evaluate("(one => one.scrollWidth <= one.clientWidth)(document.querySelector('.content'))")


@needs_chromium
@pytest.mark.parametrize("name", ["results.html", "settings.html", "commands.html"])
def test_on_a_phone_no_line_of_a_table_breaks_inside_a_number_or_a_word_of_code(visit, name) -> None:
    page = visit(name, "narrow")
    lines = """[...document.querySelectorAll('td .pre, td .whole, td .together')].map(
      one => new Set([...one.getClientRects()].map(box => Math.round(box.top))).size)"""
    found = page.evaluate(lines)
    assert len(found) > 20
    assert set(found) == {1}


@needs_chromium
def test_the_search_finds_a_strategy(visit) -> None:
    page = visit("search.html", query="?q=gain_need")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a", has_text="gain_need").count()
