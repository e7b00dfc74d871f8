"""The executor of threads: one process, in which XLA releases the interpreter lock."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mgsc.experiments.running.executor import Finished, Listener, Session
from mgsc.experiments.running.units import Programs, Unit, failing, run_unit

if TYPE_CHECKING:
    from mgsc.experiments.running.program import BlockResult, Program


class _ThreadSession:
    """Blocks on threads, one for each core or accelerator; programs are compiled in the background, in order."""

    def __init__(self, listener: Listener) -> None:
        from mgsc.experiments.running.devices import workers

        self._listener, self._devices = listener, workers()
        self._idle = list(self._devices)
        self._programs = Programs()
        self._compilers, self._runners = (ThreadPoolExecutor(len(self._devices)) for _ in range(2))
        self._compiling: dict[str, Future[Program]] = {}
        self._left: Counter[str] = Counter()
        self._ended: queue.SimpleQueue[tuple[Unit, BlockResult | BaseException]] = queue.SimpleQueue()

    def prepare(self, unit: Unit) -> None:
        if unit.key not in self._compiling:
            self._compiling[unit.key] = self._compilers.submit(self._compile, unit)

    def submit(self, unit: Unit) -> None:
        self.prepare(unit)
        self._left[unit.key] += 1
        self._runners.submit(self._run, unit)

    def finished(self) -> Finished:
        # Whoever was to submit more of the same program has done so by now.
        for key in [key for key, number in self._left.items() if not number]:
            del self._left[key], self._compiling[key]
            self._programs.drop(key)
        unit, result = self._ended.get()
        if isinstance(result, BaseException):
            raise result
        self._left[unit.key] -= 1
        return unit, result

    def close(self) -> None:
        for pool in (self._compilers, self._runners):
            pool.shutdown(cancel_futures=True)

    def _compile(self, unit: Unit) -> Program:
        self._listener.compiling(unit)
        program = self._programs.compiled(unit, self._devices)
        if program.is_shared:
            self._listener.shared(unit)
        return program

    def _run(self, unit: Unit) -> None:
        try:
            with failing(unit):
                self._compiling[unit.key].result()
            self._listener.running(unit)
            device = self._idle.pop()
            try:
                result = run_unit(unit, self._programs, device, lambda steps: self._listener.advance(unit, steps))
            finally:
                self._idle.append(device)
            self._ended.put((unit, result))
        except BaseException as error:
            self._ended.put((unit, error))


@contextmanager
def open_threads(listener: Listener) -> Iterator[Session]:
    """A session of threads; its end waits for units that run."""
    session = _ThreadSession(listener)
    try:
        yield session
    finally:
        session.close()
