"""The table of executors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mgsc.experiments.running.executor import Executor, Listener, Session
from mgsc.settings import unknown


@contextmanager
def _threads(listener: Listener) -> Iterator[Session]:
    from mgsc.experiments.running.threads import open_threads

    with open_threads(listener) as session:
        yield session


@contextmanager
def _processes(listener: Listener) -> Iterator[Session]:
    from mgsc.experiments.running.processes import open_processes

    with open_processes(listener) as session:
        yield session


THREADS = Executor("threads", _threads, shares_programs=True)
"""One process, a thread for each core or accelerator."""

PROCESSES = Executor("processes", _processes, shares_programs=False)
"""A process for each core, which compiles for itself."""

EXECUTORS = {executor.name: executor for executor in (THREADS, PROCESSES)}


def get_executor(executor: str | Executor) -> Executor:
    """The executor of a name, or the one that is given.

    Raises:
        UserError: no such executor; the nearest is suggested.
    """
    if isinstance(executor, Executor):
        return executor
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    return EXECUTORS[executor]
