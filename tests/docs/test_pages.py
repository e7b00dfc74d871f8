"""Pages read well wherever they are shown: their headings, and links that name what they lead to."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = {str(page.relative_to(DOCS)): page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}


def test_the_tables_of_settings_are_apart() -> None:
    heads = re.findall(r"(.*)\n(\*\*.*: settings chosen by tuning\*\*)\n", PAGES["settings.md"])
    assert len(heads) == 5
    assert {before for before, _ in heads} == {""}


def test_every_link_has_words() -> None:
    """Sphinx would write the title of the page; GitHub and an editor show nothing."""
    assert [name for name, text in PAGES.items() if re.search(r"(?<!!)\[\]\(", text)] == []


def test_headings_go_down_one_level_at_a_time() -> None:
    """Sphinx refuses to build a page that skips one."""
    skipped = []
    for name, text in PAGES.items():
        outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        levels = [len(marks) for marks in re.findall(r"^(#+) ", outside, flags=re.MULTILINE)]
        if any(after > before + 1 for before, after in zip([0, *levels], levels, strict=False)):
            skipped.append(name)
    assert skipped == []
