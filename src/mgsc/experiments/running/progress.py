"""The calls by which a running suite reports how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """The callbacks of a display.

    Attributes:
        start: ``(agent, lane_steps)`` before an agent compiles: the lane-steps it will make. Those of several calls
            with the same name add up.
        compiling: ``(agent,)`` when its program begins to compile.
        shared: ``(agent,)`` when its program had been compiled before: it does not count.
        running: ``(agent,)`` when it has compiled.
        advance: ``(agent, lane_steps)`` after each call.
    """

    start: Callable[[str, int], None] = lambda agent, steps: None
    compiling: Callable[[str], None] = lambda agent: None
    shared: Callable[[str], None] = lambda agent: None
    running: Callable[[str], None] = lambda agent: None
    advance: Callable[[str, int], None] = lambda agent, steps: None
