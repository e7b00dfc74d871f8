"""The page of the environments lists every one of them, with its settings."""

from __future__ import annotations

import re
from pathlib import Path

from docs._ext import facts

from mgsc.experiments.design.parts import ENVIRONMENTS

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "environments.md").read_text(encoding="utf-8")


def test_every_environment_has_a_section_with_its_settings() -> None:
    assert re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE) == re.findall(
        r"^```\{environment-settings\} (\w+)$", PAGE, re.MULTILINE
    )
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == set(ENVIRONMENTS)


def test_what_the_code_says_is_on_the_page() -> None:
    table = facts.environments()
    assert all(f"[`{name}`](#{name})" in table for name in ENVIRONMENTS)
    said = facts.environment_settings("gridworld")
    assert "| `noise` | 0.01 | a number in [0.0, 1.0] |" in said
    assert "Changes: `goal`, `walls`, `reversed`." in said
    assert "Changes" not in facts.environment_settings("tmaze")
