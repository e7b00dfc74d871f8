"""The executor of Ray: a task for each unit, on a cluster that runs or on one of this machine's cores."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from mgsc.errors import UserError, pip_install
from mgsc.experiments.running.cluster_settings import ClusterSettings
from mgsc.experiments.running.executor import Finished, Listener
from mgsc.experiments.running.jobs import Message, keep_failure, received
from mgsc.experiments.running.remote import Setup, pickled, portable, settle, unpickled
from mgsc.experiments.running.units import Programs, Unit, run_unit
from mgsc.files import reason_of

ANSWER = 10.0
"""Seconds within which a cluster must answer."""

PROGRAMS = Programs(most=8)
"""The compiled programs of a worker, which runs many tasks."""

SETTLED: list[Setup] = []
"""The setup of this worker."""


def work(setup: Setup, sent: bytes) -> Message:
    """Runs one unit in a worker of Ray, and returns an error, so that Ray does not try it again."""
    try:
        if setup not in SETTLED:
            settle(setup)
            SETTLED.append(setup)
        return Message(run_unit(unpickled(sent), PROGRAMS))
    except Exception as error:
        return Message(None, portable(error))


class _RaySession:
    def __init__(self, listener: Listener, settings: ClusterSettings, ray: Any) -> None:
        from mgsc.experiments.running.provenance import provenance

        self._ray, self._listener, self._settings = ray, listener, settings
        self._setup = ray.put(Setup(None, provenance()))
        options = {
            "num_cpus": settings.cpus,
            "num_gpus": settings.gpus,
            "max_retries": settings.tries,
            "retry_exceptions": False,
            **({"memory": int(settings.memory * 2**30)} if settings.memory else {}),
        }
        self._work = ray.remote(work).options(**options)
        self._units: dict[Any, Unit] = {}

    def prepare(self, unit: Unit) -> None:
        pickled(unit)

    def submit(self, unit: Unit) -> None:
        self._units[self._work.remote(self._setup, pickled(unit))] = unit

    def finished(self) -> Finished:
        while True:
            ready, _ = self._ray.wait([*self._units], num_returns=1, timeout=1.0)  # signals come through in between
            if ready:
                break
        unit = self._units.pop(ready[0])
        try:
            message = self._ray.get(ready[0])
        except self._ray.exceptions.RayError as error:
            reason = f"its worker died {self._settings.tries + 1} times ({type(error).__name__})"
            keep_failure(unit, reason, str(error))
            raise UserError(f"{unit.name}: {reason}; finished parts are kept") from None
        return received(unit, message, self._listener)

    def close(self) -> None:
        for task in self._units:
            self._ray.cancel(task, force=True)


def find_ray() -> Any:
    """The package.

    Raises:
        UserError: it is not installed.
    """
    try:
        ray = importlib.import_module("ray")
        if not hasattr(ray, "is_initialized"):  # a folder of this name is imported as an empty package
            raise ImportError("there is only a folder named 'ray'")
    except ImportError as error:
        raise UserError(f"the executor ray needs a package ({error}): {pip_install('ray')}") from None
    return ray


@contextlib.contextmanager
def open_ray(listener: Listener, settings: ClusterSettings) -> Iterator[_RaySession]:
    """A session of Ray; a cluster that it starts ends with it.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    ray = find_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        with _own_sigterm():
            _begin(ray, settings)
    try:
        session = _RaySession(listener, settings, ray)
        try:
            yield session
        finally:
            session.close()
    finally:
        if is_ours:
            ray.shutdown()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keeps this process's answer to SIGTERM, which Ray replaces by its own in the main thread."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


def _begin(ray: Any, settings: ClusterSettings) -> None:
    from mgsc.experiments.running.devices import num_cores

    common = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if settings.address == "local":
        with warnings.catch_warnings():
            # JAX warns of every fork. Ray's children begin other programs at once, and run none of ours.
            warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
            ray.init(address="local", num_cpus=settings.workers or num_cores(), **common)
        return
    _refuse_silence(settings.address)
    try:
        ray.init(address=settings.address, **{key: common[key] for key in ("log_to_driver", "logging_level")})
    except (ConnectionError, ValueError) as error:
        raise UserError(f"no Ray cluster at {settings.address}: {' '.join(str(error).split())}") from None


def _refuse_silence(address: str) -> None:
    """Checks that a cluster answers at an address, for which Ray would wait minutes.

    Raises:
        UserError: none does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster at {address}: {reason_of(error)}") from None
