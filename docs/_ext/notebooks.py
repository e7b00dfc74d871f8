"""Tutorials as notebooks: written beside the pages when these are built, and linked from each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

FOLDER = "tutorials"
CODE = re.compile(r"```python\n(.*?)```\n?", re.DOTALL)
DIRECTIVE = re.compile(r"```\{[^`]*```\n?", re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)\n?")
ROLE = re.compile(r"\{py:\w+\}(`[^`]*`)")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\.md[^)]*\)")


def to_notebook(page: str) -> dict[str, Any]:
    """A tutorial's page as a notebook: its text and its examples, without what only pages have."""
    cells: list[dict[str, Any]] = []
    for number, piece in enumerate(CODE.split(page)):
        is_code = number % 2 == 1
        text = piece if is_code else _plain(piece)
        if not text.strip():
            continue
        cell: dict[str, Any] = {"cell_type": "code" if is_code else "markdown", "metadata": {}, "id": f"cell-{number}"}
        cell["source"] = text.strip().splitlines(keepends=True)
        cells.append(cell | ({"execution_count": None, "outputs": []} if is_code else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _plain(text: str) -> str:
    text = PICTURE.sub("", DIRECTIVE.sub("", text))
    return LINK.sub(lambda found: found[1] or "the documentation", ROLE.sub(r"\1", text))


class NotebookLink(SphinxDirective):
    """A link to the page's notebook."""

    def run(self) -> list[nodes.Node]:
        """The link."""
        name = self.env.docname.rsplit("/", 1)[-1]
        link = nodes.reference("", f"this page as a notebook ({name}.ipynb)", refuri=f"{name}.ipynb")
        return [nodes.paragraph("", "", link)]


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Writes a notebook for every tutorial."""
    if error is not None or app.builder.format != "html":
        return
    for page in sorted((Path(app.srcdir) / FOLDER).glob("*.md")):
        if page.stem != "index":
            target = Path(app.outdir) / FOLDER / f"{page.stem}.ipynb"
            notebook = to_notebook(page.read_text(encoding="utf-8"))
            target.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Makes the directive known, and writes the notebooks at the end."""
    app.add_directive("notebook", NotebookLink)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True}
