"""Signals that stop the command line: from a key, from a terminal that closes, or from a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

PATIENCE = 1.0
"""Seconds after which a line reports that the command is stopping: a compilation cannot be stopped."""

SOON = 0.1
"""Seconds after which a signal that was ignored is sent once more: enough to leave what ignores it."""

WORDS = b"mgsc: stopping as soon as what is compiling or running allows it\n"
CAUGHT = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """The process received a signal to end.

    Attributes:
        signal: that signal.
    """

    def __init__(self, number: int) -> None:
        """Keeps the number of the signal."""
        super().__init__()
        self.signal = signal.Signals(number)

    @property
    def status(self) -> int:
        """The exit status of a process that the signal has ended, 128 + its number."""
        return 128 + self.signal

    @property
    def word(self) -> str:
        """The event in a word: interrupted, or stopped by the signal."""
        return "interrupted" if self.signal == signal.SIGINT else f"stopped by {self.signal.name}"


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """Turns SIGINT, SIGTERM and SIGHUP into ``Stopped`` while the block runs; ignored signals stay ignored.

    Only the main thread receives signals: in other threads this changes nothing. Python ignores what is raised in a
    callback of its garbage collector or in ``__del__``; a signal that came there is sent once more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        timers.append(threading.Timer(PATIENCE, os.write, (2, WORDS)))
        timers[-1].daemon = True
        timers[-1].start()
        raise Stopped(number)

    def ignored(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, Stopped):
            again = (threading.main_thread().ident, unraisable.exc_value.signal)
            timers.append(threading.Timer(SOON, signal.pthread_kill, again))
            timers[-1].start()
        else:
            hook(unraisable)

    hook, sys.unraisablehook = sys.unraisablehook, ignored
    before = {number: signal.getsignal(number) for number in CAUGHT}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        for timer in timers:
            timer.cancel()
