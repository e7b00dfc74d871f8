"""Where a line may break: never in a number of a table, nor in an interval on a phone; in a long name after a dot.

Only tags are added. What is shown, copied and searched for stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata

WHOLE = re.compile(r"(\S*\d\S*(?: […±×] \S*\d\S*| %\S*)*)")
"""A number with what belongs to it: "(+1,730 … +1,938)", "2 × 64", "95 %", "1.48e-05", "CartPole-v1"."""

PLACES = re.compile(r"(?<=[\w)\]][._/(,=])(?=.)")
"""Between what ends a part of a name or an address, and the next part."""

LONGEST = 30
"""Letters of a word of code that fits into every line; in headings none is known to."""


def in_whole(text: str) -> Iterator[nodes.Node]:
    """The text with each number that a line could break at inside a tag."""
    for piece in WHOLE.split(text):
        if WHOLE.fullmatch(piece) and re.search("[ -]", piece):
            yield nodes.inline("", piece, classes=["together" if " " in piece else "whole"])
        elif piece:
            yield nodes.Text(piece)


def in_parts(text: str) -> Iterator[nodes.Node]:
    """The text with a place to break between any two parts."""
    for number, part in enumerate(PLACES.split(text)):
        if number:
            yield nodes.raw("", "<wbr>", format="html")
        yield nodes.Text(part)


class Breaks(SphinxPostTransform):
    """Tags the numbers of tables, and gives long names places to break."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Of one page."""
        for entry in list(self.document.findall(nodes.entry)):
            for text in list(entry.findall(nodes.Text)):
                if not isinstance(text.parent, nodes.literal | nodes.math | nodes.raw):
                    text.parent.replace(text, list(in_whole(text)))
        for literal in list(self.document.findall(nodes.literal)):
            is_long = max(map(len, literal.astext().split()), default=0) > LONGEST
            if is_long or isinstance(literal.parent, nodes.title):
                for text in list(literal.findall(nodes.Text)):
                    text.parent.replace(text, list(in_parts(text)))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Makes the transform known."""
    app.add_post_transform(Breaks)
    return {"parallel_read_safe": True}
