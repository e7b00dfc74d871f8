"""The executor of processes: one for each core, pinned to it, with its own programs.

A worker starts when there is work for it. It compiles its own programs, and prefers units of programs that it has
compiled. It must compute the same bits as this process: their provenances are compared.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
from collections.abc import Iterator
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING, Any

from mgsc.errors import UserError
from mgsc.experiments.running.executor import Finished, Listener
from mgsc.experiments.running.remote import Setup, pickled, portable, settle, unpickled
from mgsc.experiments.running.units import Programs, Unit, failing, run_unit

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

GRACE = 5.0
"""Seconds that a worker has to end."""

RUNNING, ADVANCE, DONE, FAILED = "running", "advance", "done", "failed"
"""Messages of a worker: its program has compiled, and whether for another unit before; lane-steps; the result; the
error."""


class _Worker:
    def __init__(self, setup: Setup) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=work, args=(theirs, setup), daemon=True)
        self.process.start()
        theirs.close()
        self.unit: Unit | None = None
        self.compiles = False
        self.keys: set[str] = set()

    def begin(self, unit: Unit, sent: bytes) -> None:
        """Gives it a unit to run."""
        self.unit = unit
        self.keys.add(unit.key)
        with contextlib.suppress(BrokenPipeError):  # it died; that is seen where it is read from
            self.connection.send_bytes(sent)

    def end(self) -> None:
        """Tells it to end: what it is at is abandoned."""
        if self.unit is not None:
            self.process.terminate()
        self.connection.close()

    def join(self) -> None:
        """Waits until it has ended."""
        self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class _ProcessSession:
    def __init__(self, listener: Listener) -> None:
        from mgsc.experiments.running.devices import devices, num_cores
        from mgsc.experiments.running.provenance import provenance

        platform = devices()[0].platform
        if platform != "cpu":
            raise UserError(f"the executor processes is for CPUs: on a {platform}, use threads")
        self._listener, self._provenance = listener, provenance()
        can_pin = hasattr(os, "sched_getaffinity")
        self._cores: list[int | None] = [*sorted(os.sched_getaffinity(0))] if can_pin else [None] * num_cores()
        self._workers: list[_Worker] = []
        self._waiting: collections.deque[tuple[Unit, bytes]] = collections.deque()

    def prepare(self, unit: Unit) -> None:
        pickled(unit)

    def submit(self, unit: Unit) -> None:
        self._waiting.append((unit, pickled(unit)))

    def finished(self) -> Finished:
        while True:
            self._assign()
            busy = {worker.connection: worker for worker in self._workers}
            for ready in connection.wait(list(busy)):
                ended = self._receive(busy[ready])  # type: ignore[index]
                if ended is not None:
                    self._assign()
                    return ended

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join()

    def _receive(self, worker: _Worker) -> Finished | None:
        """Takes one message of a worker: the unit that it says has ended, with its result."""
        try:
            kind, content = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            raise _death_of(worker) from None
        unit = worker.unit
        if kind == FAILED:
            worker.unit = None
            raise content
        assert unit is not None
        if kind == RUNNING:
            if worker.compiles and content:
                self._listener.shared(unit)
            self._listener.running(unit)
        elif kind == ADVANCE:
            self._listener.advance(unit, content)
        else:
            worker.unit = None
            return unit, content
        return None

    def _assign(self) -> None:
        """Gives every idle worker a unit, and starts workers while there are cores and units without one."""
        for worker in self._workers:
            if worker.unit is None and self._waiting:
                self._begin(worker)
        while self._waiting and len(self._workers) < len(self._cores):
            worker = _Worker(Setup(self._cores[len(self._workers)], self._provenance))
            self._workers.append(worker)
            self._begin(worker)

    def _begin(self, worker: _Worker) -> None:
        unit, sent = self._take(worker)
        worker.compiles = unit.key not in worker.keys
        if worker.compiles:
            self._listener.compiling(unit)
        worker.begin(unit, sent)

    def _take(self, worker: _Worker) -> tuple[Unit, bytes]:
        """The next unit of a worker: of a program that it has, else of one that no worker has, else the first."""
        taken: set[str] = set().union(*(other.keys for other in self._workers))
        places = range(len(self._waiting))
        own = (place for place in places if self._waiting[place][0].key in worker.keys)
        free = (place for place in places if self._waiting[place][0].key not in taken)
        place = next(own, next(free, 0))
        found = self._waiting[place]
        del self._waiting[place]
        return found


def _death_of(worker: _Worker) -> UserError:
    worker.process.join(GRACE)
    code = worker.process.exitcode or 0
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    what = f" while it ran {worker.unit.name}" if worker.unit is not None else ""
    hint = " (is there memory enough?)" if code == -signal.SIGKILL else ""
    return UserError(f"worker process {worker.process.pid} {how}{hint}{what}; finished parts are kept")


@contextlib.contextmanager
def open_processes(listener: Listener) -> Iterator[_ProcessSession]:
    """A session of processes; they end with it.

    Raises:
        UserError: programs are compiled for an accelerator here.
    """
    session = _ProcessSession(listener)
    try:
        yield session
    finally:
        session.close()


def work(pipe: Connection[Any, Any], setup: Setup) -> None:
    """Runs the units that come through a pipe until it closes; the main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it ends it
    programs = Programs(most=8)
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            settle(setup)
        except BaseException as error:
            pipe.send((FAILED, portable(error)))
            return
        while True:
            sent = pipe.recv_bytes()
            try:
                pipe.send((DONE, _run(sent, programs, pipe)))
            except BrokenPipeError:
                raise
            except BaseException as error:
                pipe.send((FAILED, portable(error)))


def _run(sent: bytes, programs: Programs, pipe: Connection[Any, Any]) -> Any:
    from mgsc.experiments.running.devices import devices

    unit = unpickled(sent)
    device = devices()[0]
    with failing(unit):
        is_shared = programs.compiled(unit, [device]).is_shared
    pipe.send((RUNNING, is_shared))
    return run_unit(unit, programs, device, lambda steps: pipe.send((ADVANCE, steps)))
