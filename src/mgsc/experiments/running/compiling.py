"""The queue of compilations: programs are compiled in the background while earlier ones run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mgsc.experiments.running.progress import Progress

if TYPE_CHECKING:
    from mgsc.experiments.running.program import Program


@contextlib.contextmanager
def compiled_ahead(
    programs: dict[str, Program], num_lanes: Callable[[str], int], progress: Progress
) -> Iterator[Callable[[str], None]]:
    """Compiles in the background, in the order of running; gives a function that waits for one.

    Args:
        programs: by agent.
        num_lanes: how many lanes an agent will run; those with none are not compiled.
        progress: is told of every agent at once, and of each when it is ready.
    """
    from mgsc.experiments.running.devices import workers

    devices = workers()
    pool = ThreadPoolExecutor(len(devices))
    compiling = {}
    for name, program in programs.items():
        lanes = num_lanes(name)
        progress.start(name, lanes * program.suite.steps)
        if lanes:
            compiling[name] = pool.submit(program.compile, devices)

    def ready(name: str) -> None:
        compiling[name].result()
        progress.running(name)

    try:
        yield ready
    finally:
        pool.shutdown(cancel_futures=True)
