"""Tables as text: in Markdown for the documentation, and plain ones for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def markdown_lines(headings: Sequence[str], are_numbers: Sequence[bool], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; columns of numbers stand to the right."""
    rule = ["---:" if is_number else "---" for is_number in are_numbers]
    return ["| " + " | ".join(cells) + " |" for cells in (headings, rule, *rows)]


def titled_table(title: str, note: str) -> Table:
    """An empty table for a rich console, its title above, a note below; it reads in plain text, too."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title, style="bold"),
        title_justify="left",
        caption=Text(note, style="dim"),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
