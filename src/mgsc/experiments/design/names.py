"""What an agent may be called: its name stands in tables, in terminals and in names of files."""

from __future__ import annotations

from urllib.parse import quote

from mgsc.errors import UserError
from mgsc.settings import is_line

LONGEST_NAME = 100
LONGEST_QUOTED = 200
"""Bytes of a name where it stands percent-encoded in the name of a file; file systems allow 255 for all of that."""

AGENT_NAME_RULE = (
    f"an agent's name has 1 to {LONGEST_NAME} printable characters, no blanks at its ends, and at most"
    f" {LONGEST_QUOTED} bytes percent-encoded"
)


def is_agent_name(name: object) -> bool:
    """Whether an agent may be called this."""
    return is_line(name, LONGEST_NAME) and len(quote(str(name), safe="")) <= LONGEST_QUOTED


def check_agent_name(name: object) -> None:
    """Refuses what no agent may be called.

    Raises:
        UserError: saying what is allowed.
    """
    if not is_agent_name(name):
        raise UserError(f"an agent is called {ascii(name)[:80]}: {AGENT_NAME_RULE}")
