"""The process of the command line: what is set before a command, and what after it."""

from __future__ import annotations

import atexit
import gc
import io
import signal
import sys

from mgsc import compilation_cache

GARBAGE_THRESHOLD = 50_000
"""Objects between two collections. Imports and tracing make millions that live on: Python's 700 cost a short command
a tenth of its time."""


def begin() -> None:
    """Keeps compiled programs, collects garbage seldom, and lets no character stop the output."""
    compilation_cache.switch_on()
    gc.set_threshold(GARBAGE_THRESHOLD)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def end() -> None:
    """Puts what lets SIGINT end the process before all that libraries have registered for the exit."""
    atexit.unregister(_let_sigint_end)
    atexit.register(_let_sigint_end)


def _let_sigint_end() -> None:
    """Lets SIGINT end a process that exits, as SIGTERM does, without the traceback of a library that tidies up."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
