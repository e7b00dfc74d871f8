"""Tutorials as notebooks: written beside the pages when these are built, and linked from each."""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from notebook_form import to_notebook

FOLDER = "tutorials"


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
