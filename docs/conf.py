"""How the pages are built; `make docs` does it. What is built asks the network for nothing."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE / "_ext")]
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import mgsc  # noqa: E402

project = "mgsc"
author = "The mgsc authors"
version = release = mgsc.__version__
html_title = f"mgsc {release}"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "directives"]
# Tables of results and design.md are read from where they are; the former have no title, and are parts of results.md.
exclude_patterns = ["_build", "_ext", "results/*"]
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []

default_role = "code"
add_module_names = False
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Array", "PyTree", "Floats", "Numbers", "Strategy")}
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = ["Source"]

# Names of other packages, type aliases and private helpers in signatures, which have no page to lead to.
nitpick_ignore_regex = []


def escape_bars(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keeps |x| in a docstring what it is: reStructuredText takes it for a substitution."""
    is_literal, indent = False, 0
    for number, line in enumerate(lines):
        here = len(line) - len(line.lstrip())
        if is_literal and line.strip() and here <= indent:
            is_literal = False
        if not is_literal:
            pieces = re.split(r"(``.*?``)", line)
            lines[number] = "".join(p if p.startswith("``") else p.replace("|", r"\|") for p in pieces)
            if line.rstrip().endswith("::"):
                is_literal, indent = True, here


def skip_fields(app: object, what: str, name: str, obj: Any, is_skipped: bool, options: object) -> bool | None:
    """Leaves out the fields of tuples: the section Attributes of their docstring tells of them."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    """Connects the two corrections above."""
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-skip-member", skip_fields)
