"""Equations as MathML, made when the pages are built: no script, no font and no network to read them.

Docutils brings the converter, so nothing is installed for it. What it does not know is a warning, which fails
the build.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

BARS = re.compile(r'<mo(?: class="mathopen")?>([|‖])</mo>')

ACCENTED = re.compile(r"(\\(?:hat|bar|tilde)\s*(?:\\[A-Za-z]+|[A-Za-z]|\{[^{}]*\}))(?=[_^])")
"""A letter with an accent before its index: docutils would set the index below the letter, under the accent."""

logger = logging.getLogger(__name__)


def mathml(node: nodes.Element, *, as_block: bool) -> str:
    """The equation of a node; its source, with a warning, where it cannot be read."""
    try:
        source = node.astext().replace("'", r"^{\prime}")
        made = tex2mathml(ACCENTED.sub(r"{\1{}}", source), as_block=as_block)
        # Bars written without a size are as high as a letter; browsers would stretch the one and not the other.
        return BARS.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', made)
    except MathError as error:
        logger.warning("no MathML of %r: %s", node.astext(), error, location=node)
        return f"<code>{nodes.Text(node.astext())}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Writes an equation in a line."""
    translator.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Writes an equation of its own, with its number if it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(mathml(node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Offers the renderer; ``html_math_renderer = "mathml"`` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True}
