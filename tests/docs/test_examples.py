"""Examples on the pages and in docstrings run as they stand, and the commands of the pages exist."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
from docs._ext.notebook_form import to_notebook
from tests.quick import compile_quickly, slow_but_for

from mgsc.cli_parser import COMMANDS, build_parser
from mgsc.search_control.table import STRATEGIES

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = {str(page.relative_to(DOCS)): page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)

WITH_EXAMPLES = [name for name, text in PAGES.items() if PYTHON.search(text)]
TUTORIALS = [name for name in PAGES if name.startswith("tutorials/") and name != "tutorials/index.md"]
GUIDES = [name for name in PAGES if name.startswith("guides/") and name != "guides/index.md"]
OF_PARTS = [name for name in GUIDES if name not in ("guides/cluster.md", "guides/network.md", "guides/study.md")]
DIFF = re.compile(r"```diff\n--- a/(\S+)\n(.*?)```", re.DOTALL)
DOCUMENTED = [
    ".".join(file.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "src").rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


def test_there_are_examples() -> None:
    assert {"quick_start.md", "concepts.md", "examples.md", *GUIDES, *TUTORIALS} <= set(WITH_EXAMPLES)
    assert {"mgsc.experiments.api", "mgsc.meta_gradient", "mgsc.search_control.base"} <= set(DOCUMENTED)


@pytest.mark.parametrize("name", slow_but_for(["quick_start.md", "concepts.md"], WITH_EXAMPLES))
def test_a_pages_examples_run_one_after_the_other(name, monkeypatch, capsys, tmp_path) -> None:
    compile_quickly(monkeypatch)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for number, code in enumerate(PYTHON.findall(PAGES[name])):
        exec(compile(code, f"{name}, example {number}", "exec", dont_inherit=True), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorials_notebook_holds_all_its_examples(name) -> None:
    notebook = to_notebook(PAGES[name])
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code == [example.strip() for example in PYTHON.findall(PAGES[name])]
    words = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert words.startswith("# ")
    for sign in ("```", "{py:", "![", ".md"):
        assert sign not in words
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@pytest.mark.parametrize("name", OF_PARTS)
def test_a_guides_diff_is_one_line_with_its_import(name) -> None:
    ((file, changes),) = DIFF.findall(PAGES[name])
    there = (ROOT / file).read_text(encoding="utf-8").splitlines()
    lines = {sign: [line[1:] for line in changes.splitlines() if line[0] == sign] for sign in " -+"}
    for line in lines[" "] + lines["-"]:
        assert there.count(line) == 1, line
    assert not set(lines["+"]) & set(there)
    first, second = lines["+"]
    assert first.startswith("from mgsc.")
    assert not second.startswith("from ")
    ordered = sorted([first, *(line for line in there if line.startswith("from mgsc."))])
    for line in lines[" "]:
        if line.startswith("from "):
            assert abs(ordered.index(first) - ordered.index(line)) == 1, "imports are in order"


def test_every_guide_is_listed() -> None:
    assert {f"guides/{page}" for page in re.findall(r"\]\((\w+\.md)\)", PAGES["guides/index.md"])} == set(GUIDES)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_examples_run(name, monkeypatch) -> None:
    compile_quickly(monkeypatch)
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


@pytest.mark.parametrize("name", PAGES)
def test_a_pages_commands_are_understood(name) -> None:
    parser = build_parser(lambda command: lambda arguments: 0)
    for line in re.findall(r"^    mgsc (.*)$", PAGES[name], re.MULTILINE):
        parser.parse_args(shlex.split(line, comments=True))
    assert set(re.findall(r"`mgsc ([a-z]+)", PAGES[name])) <= set(COMMANDS)


def test_the_guide_of_strategies_names_every_directive() -> None:
    page = PAGES["strategies/uniform.md"]
    named = set(re.findall(r"^```\{(strategy-\w+)\} uniform$", page, re.MULTILINE))
    listed = set(re.findall(r"^\| `(strategy-\w+)`", PAGES["guides/strategy.md"], re.MULTILINE))
    assert listed == named
    assert "surprise" not in STRATEGIES
