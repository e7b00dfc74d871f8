"""Names of agents, which stand in tables, in terminals and in names of files."""

from __future__ import annotations

from urllib.parse import quote

from mgsc.errors import UserError
from mgsc.settings import is_line

OWN_SUITE = "own"
"""The name under which the result of a suite of your own is kept."""

LONGEST_NAME = 100
LONGEST_QUOTED = 200
"""Most bytes of a name, percent-encoded in the name of a file; file systems allow 255 bytes for the whole name."""

AGENT_NAME_RULE = (
    f"an agent's name has 1 to {LONGEST_NAME} printable characters, no blanks at its ends, and at most"
    f" {LONGEST_QUOTED} bytes percent-encoded"
)


def is_agent_name(name: object) -> bool:
    """Whether a text may be the name of an agent."""
    return is_line(name, LONGEST_NAME) and len(quote(str(name), safe="")) <= LONGEST_QUOTED


def check_agent_name(name: object) -> None:
    """Checks the name of an agent.

    Raises:
        UserError: it may not be one; the error names what is allowed.
    """
    if not is_agent_name(name):
        raise UserError(f"an agent is called {ascii(name)[:80]}: {AGENT_NAME_RULE}")
