"""Pages read well wherever they are shown: their equations, their headings, and links that name what they lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = {str(page.relative_to(DOCS)): page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}


@pytest.mark.parametrize("name", PAGES)
def test_an_index_does_not_stand_under_a_hat(name) -> None:
    r"""The converter to MathML takes ``\hat\theta_j`` for ``\hat{\theta_j}``: braces keep the two apart."""
    assert re.findall(r"\\(?:hat|bar|tilde)(?:\\\w+|\w)_.", PAGES[name].replace("}_", "} _")) == []


def test_the_tables_of_settings_are_apart() -> None:
    heads = re.findall(r"(.*)\n(\*\*.*: settings chosen by tuning\*\*)\n", PAGES["settings.md"])
    assert len(heads) == 5
    assert {before for before, _ in heads} == {""}
