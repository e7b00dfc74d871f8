"""Directives that put what the code knows on the pages; ``facts`` says what they put there."""

from __future__ import annotations

from collections.abc import Callable, Collection

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import command_reference
import facts
from mgsc.experiments.design.parts import ENVIRONMENTS
from mgsc.search_control.table import STRATEGIES


def results(name: str) -> str:
    """The suites' tables, and then the comparison."""
    return facts.suite_results(name) + "\n\n" + facts.comparison(name)


def pages() -> str:
    """The tables of contents of the strategies' pages, in the order of the table."""
    listed = "\n".join(f"/strategies/{name}" for name in STRATEGIES)
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```"


OF_ONE = {
    "strategy-summary": facts.summary,
    "strategy-settings": facts.settings,
    "strategy-cost": facts.cost,
    "strategy-source": facts.source_of,
    "strategy-results": results,
}
OF_ENVIRONMENT = {"environment-settings": facts.environment_settings}
OF_ALL = {
    "environments": facts.environments,
    "strategies": facts.strategies,
    "strategy-pages": pages,
    "needs": facts.needs,
    "agent-settings": facts.shared_settings,
    "measures": facts.measures,
}


def directive(text_of: Callable[..., str], known: Collection[str] | None = None) -> type[SphinxDirective]:
    """A directive whose content is the Markdown of a function, of one of the known names if there are any."""

    class FactDirective(SphinxDirective):
        required_arguments = 0 if known is None else 1

        def run(self) -> list[nodes.Node]:
            if known is not None and self.arguments[0] not in known:
                raise self.error(f"unknown name {self.arguments[0]!r}: known are {', '.join(known)}")
            return self.parse_text_to_nodes(text_of(*self.arguments), allow_section_headings=False)

    return FactDirective


class CommandDirective(SphinxDirective):
    """What the parser says of the command that is its argument, as in ``study run``."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The nodes."""
        name = self.arguments[0]
        if name not in command_reference.commands():
            raise self.error(f"unknown command {name!r}")
        return self.parse_text_to_nodes(command_reference.command(name), allow_section_headings=False)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Makes the directives known."""
    for name, text_of in OF_ONE.items():
        app.add_directive(name, directive(text_of, STRATEGIES))
    for name, text_of in OF_ENVIRONMENT.items():
        app.add_directive(name, directive(text_of, ENVIRONMENTS))
    for name, text_of_all in OF_ALL.items():
        app.add_directive(name, directive(text_of_all))
    app.add_directive("command", CommandDirective)
    return {"parallel_read_safe": True}
