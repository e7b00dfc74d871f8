"""What outsiders look for is there, and agrees with the package."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from tests.test_packaging import PYPROJECT, tracked_files

import mgsc

ROOT = Path(__file__).parent.parent
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "contributing").glob("*.md"))]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_the_workflow_runs_what_ci_runs_on_every_python() -> None:
    versions = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    listed = [line.rsplit(" ", 1)[1] for line in PYPROJECT["project"]["classifiers"] if "Python :: 3." in line]
    assert versions == listed
    runs = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in runs
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for run in runs:
        assert run == ".ci/run" or run.removeprefix("make ") in TARGETS, run


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = PYPROJECT["project"]
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["version"] == mgsc.__version__
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    (paper,) = citation["references"]
    assert project["urls"]["Paper"].endswith(paper["identifiers"][0]["value"].removeprefix("arXiv:"))
    bibtex = (ROOT / "docs" / "method.md").read_text() + (ROOT / "README.md").read_text()
    assert re.sub(r"\s+", " ", paper["title"]) in re.sub(r"\s+", " ", bibtex)


def test_the_changelog_begins_with_what_is_to_come_and_this_version() -> None:
    sections = (ROOT / "CHANGELOG.md").read_text().split("\n## [")[1:]
    versions = [section.partition("]")[0] for section in sections]
    assert next(version for version in versions if version != "Unreleased") == mgsc.__version__
    assert "Unreleased" not in versions[1:]
    for section in sections[:2]:
        kinds = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert kinds == [kind for kind in ("Added", "Changed", "Fixed") if kind in kinds] != []


def test_hooks_before_a_commit_need_no_download() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/ruff ") for hook in hooks)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_name_is_there(page) -> None:
    text = page.read_text()
    assert set(re.findall(r"(?:`|^ +)make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS
    tracked = {str(path.relative_to(ROOT)) for path in tracked_files()}
    for name in re.findall(r"`((?:src|tests|docs)/[\w./-]+)`", text):
        assert "SUITE" in name or (ROOT / name).exists(), name
    for link in re.findall(r"\]\(([\w./-]+\.md)\)", text):
        assert str((page.parent / link).resolve().relative_to(ROOT)) in tracked, link


def test_contributing_is_a_page() -> None:
    assert len(PAGES[0].read_text().splitlines()) <= 60
