"""A command of ``python -m mgsc.benchmarks`` ends with a line, not with a traceback, where its user has erred."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mgsc.errors import UserError


def in_words(main: Callable[[], None]) -> None:
    """Runs a command; its ``UserError`` becomes a line on standard error and status 2.

    Raises:
        SystemExit: with status 2, after that line.
    """
    try:
        main()
    except UserError as error:
        print(f"mgsc: {error}", file=sys.stderr)
        raise SystemExit(2) from None
