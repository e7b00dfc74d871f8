"""The calls by which a running suite reports how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """What a display is told.

    Attributes:
        start: ``(agent, lane_steps)`` before an agent compiles: how many lane-steps it will make. Said
            again of the same name, they add up.
        compiling: ``(agent,)`` when its program begins to compile.
        shared: ``(agent,)`` when that turns out to be a program that was compiled before: it does not count.
        running: ``(agent,)`` when it has compiled.
        advance: ``(agent, lane_steps)`` as they are done.
    """

    start: Callable[[str, int], None] = lambda agent, steps: None
    compiling: Callable[[str], None] = lambda agent: None
    shared: Callable[[str], None] = lambda agent: None
    running: Callable[[str], None] = lambda agent: None
    advance: Callable[[str, int], None] = lambda agent, steps: None
