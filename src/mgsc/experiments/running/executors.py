"""The table of executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mgsc.errors import UserError, check_type
from mgsc.experiments.running.cluster_settings import ClusterSettings, cluster_settings
from mgsc.experiments.running.executor import Executor, Listener, Session
from mgsc.settings import check, unknown


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
"""A process for each core, which compiles its own programs."""

EXECUTORS = {executor.name: executor for executor in (THREADS, PROCESSES)}
"""Executors of this machine."""


def slurm(settings: ClusterSettings | None = None) -> Executor:
    """Jobs of a SLURM cluster, each with a group of units.

    Raises:
        UserError: impossible settings, its package is not installed, or there is no SLURM here.
    """
    _check_settings(settings)
    from mgsc.experiments.running.slurm import find_submitit, open_slurm

    find_submitit()

    @contextmanager
    def begin(listener: Listener) -> Iterator[Session]:
        with open_slurm(listener, settings or ClusterSettings()) as session:
            yield session

    return Executor("slurm", begin, shares_programs=False)


def ray(settings: ClusterSettings | None = None) -> Executor:
    """Tasks of a Ray cluster, one for each unit.

    Raises:
        UserError: impossible settings, or its package is not installed.
    """
    _check_settings(settings)
    from mgsc.experiments.running.ray_session import find_ray, open_ray

    find_ray()

    @contextmanager
    def begin(listener: Listener) -> Iterator[Session]:
        with open_ray(listener, settings or ClusterSettings(workers=0)) as session:
            yield session

    return Executor("ray", begin, shares_programs=False)


def _check_settings(settings: object) -> None:
    if settings is None:
        return
    if not isinstance(settings, ClusterSettings):
        raise UserError(f"settings is a {type(settings).__name__}: it must be ClusterSettings")
    check(settings)


CLUSTERS: dict[str, Callable[[ClusterSettings | None], Executor]] = {"slurm": slurm, "ray": ray}
"""Executors of other machines, as functions of their settings."""


def get_executor(executor: str | Executor) -> Executor:
    """The executor of a name; an executor is returned unchanged.

    Raises:
        UserError: no such executor; the nearest is suggested.
    """
    check_type("executor", executor, (str, Executor), "be a name, or an Executor")
    return executor if isinstance(executor, Executor) else executor_of(executor)


def executor_of(name: str, file: str | None = None, settings: Sequence[str] = ()) -> Executor:
    """The executor of a name, with its settings.

    Args:
        name: ``threads``, ``processes``, ``slurm`` or ``ray``.
        file: a TOML file of settings, see ``cluster_settings``.
        settings: each ``"KEY=VALUE"``.

    Raises:
        UserError: no such executor or setting, or settings for one that has none.
    """
    if name in CLUSTERS:
        has_none = file is None and not settings
        return CLUSTERS[name](None if has_none else cluster_settings(file, settings))
    if name not in EXECUTORS:
        raise unknown("executor", name, [*EXECUTORS, *CLUSTERS])
    if file is not None or settings:
        raise UserError(f"the executor {name} has no settings: they are for {' and '.join(CLUSTERS)}")
    return EXECUTORS[name]
