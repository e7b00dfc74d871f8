"""How the pages are built; `make docs` does it. What is built asks the network for nothing."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE / "_ext")]
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from sphinx.util.inspect import stringify_signature  # noqa: E402

import mgsc  # noqa: E402
from mgsc.settings import describe  # noqa: E402

project = "mgsc"
author = "The mgsc authors"
version = release = mgsc.__version__
html_title = f"mgsc {release}"
smartquotes_action = "qe"  # two hyphens are those of an option
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
# Summaries would be fetched, which browsers refuse to pages opened from disk.
html_show_search_summary = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "breaks", "directives", "notebooks"]
# Tables of results and design.md are read from where they are; the former have no title, and are parts of results.md.
exclude_patterns = ["_build", "_ext", "results/*"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []

default_role = "code"
add_module_names = False
python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_attr_annotations = False

# Types in signatures that have no page to lead to: other packages', aliases, a row's settings S, and what is private.
nitpick_ignore_regex = [("py:class", r"(?!mgsc\.).*|mgsc\..*\.S"), ("py:exc", r"(?!mgsc\.).*")]
nitpick_ignore = [
    ("py:class", "mgsc.environments.gymnax.GymnaxParams"),
    ("py:class", "mgsc.experiments.store.files.FolderLock"),
]


def before_napoleon(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keeps what is written under a constant whole: up to a colon it would be taken for a type."""
    if what in ("data", "attribute"):
        lines.insert(0, "")


def settings_of_class(app: object, what: str, name: str, obj: Any, options: object, lines: list[str]) -> None:
    """Tells of each setting of a dataclass what it means and what is allowed."""
    if what == "class" and dataclasses.is_dataclass(obj):
        rules = {field.name: field.metadata for field in dataclasses.fields(obj) if "help" in field.metadata}
        lines += ["", *(f":param {name}: {rule['help']}; {describe(rule)}" for name, rule in rules.items()), ""]


def after_napoleon(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keeps |x|, "A." and ``f -> `` what they are: not a substitution, the item of a list, an open quotation."""
    is_literal, indent = False, 0
    for number, line in enumerate(lines):
        here = len(line) - len(line.lstrip())
        if is_literal and line.strip() and here <= indent:
            is_literal = False
        if not is_literal:
            pieces = re.split(r"(``.*?``)", re.sub(r" +``(?=\s)", "``", line))
            text = "".join(p if p.startswith("``") else p.replace("|", r"\|") for p in pieces)
            lines[number] = re.sub(r"^( *)(?=\w\.$)", r"\1\\", text)
            if line.rstrip().endswith("::"):
                is_literal, indent = True, here


def signature_as_written(
    app: object, what: str, name: str, obj: Any, options: object, signature: str | None, returns: str | None
) -> tuple[str, str] | None:
    """The signature with the names its author gave types, not what these stand for."""
    if what not in ("function", "method") or not signature:
        return None
    found = inspect.signature(obj)
    if what == "method":
        found = found.replace(parameters=list(found.parameters.values())[1:])
    given = "" if isinstance(found.return_annotation, type) else str(found.return_annotation)
    return stringify_signature(found.replace(return_annotation=found.empty)), given


def skip_fields(app: object, what: str, name: str, obj: Any, is_skipped: bool, options: object) -> bool | None:
    """Leaves out the fields of tuples: the section Attributes of their docstring tells of them."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    """Connects the corrections above."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", settings_of_class, priority=550)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    app.connect("autodoc-process-signature", signature_as_written)
    app.connect("autodoc-skip-member", skip_fields)
