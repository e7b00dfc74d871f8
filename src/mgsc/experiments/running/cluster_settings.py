"""Settings of the executors that run units on other machines: from the command line or a small TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from mgsc.errors import UserError
from mgsc.files import read_bytes, reason_of, usable_path
from mgsc.settings import check, number, size, text, with_settings

DEFAULT = "default"
"""The value of a text setting that takes the cluster's default."""

LEAST_TIME = 10
"""Minutes below which submitit counts every preemption as a time-out."""


@dataclass(frozen=True)
class ClusterSettings:
    """Workers of a cluster, and the resources of each.

    Attributes:
        workers: jobs of SLURM at once; with Ray the CPUs of a local cluster, 0 for all.
        time: minutes that a job may take.
        cpus: CPUs of each worker, each of which runs a unit at a time.
        gpus: GPUs of each worker.
        memory: GiB of each worker; 0 for the cluster's default.
        partition: of SLURM.
        account: of SLURM.
        address: of a Ray cluster that runs; ``local`` starts one here.
        folder: for messages and logs, shared by all machines.
        notice: seconds before a job's end at which it receives a signal.
        patience: seconds without a sign of life after which a worker counts as dead.
        tries: how often a unit begins again after its worker has died.
    """

    workers: int = size(8, 0, 10_000, "jobs of SLURM at once; with Ray the CPUs of a local cluster, 0 for all")
    time: int = size(60, 1, 525_600, "minutes that a job may take")
    cpus: int = size(1, 1, 4096, "CPUs of each worker")
    gpus: int = size(0, 0, 64, "GPUs of each worker")
    memory: float = number(0.0, 0.0, 100_000.0, "GiB of each worker; 0 for the cluster's default")
    partition: str = text(DEFAULT, "partition of SLURM")
    account: str = text(DEFAULT, "account of SLURM")
    address: str = text("local", "address of a Ray cluster that runs; local starts one here")
    folder: str = text("mgsc-jobs", "folder for messages and logs, seen by all machines", longest=4096)
    notice: int = size(90, 5, 3600, "seconds before a job's end at which it is told")
    patience: int = size(300, 60, 86_400, "seconds without a sign of life after which a worker counts as dead")
    tries: int = size(3, 0, 100, "how often a unit is begun again after its worker has died")


def cluster_settings(file: str | None = None, texts: Sequence[str] = ()) -> ClusterSettings:
    """The settings of a file and of the command line; the command line has precedence.

    Args:
        file: a TOML file of ``key = value``.
        texts: each ``"KEY=VALUE"``.

    Raises:
        UserError: the file cannot be read, or a setting is unknown, impossible or given twice.
    """
    settings = ClusterSettings()
    if file is not None:
        settings = with_settings(settings, _read(file))
    seen = set[str]()
    for given in texts:
        key, equals, value = given.partition("=")
        if not equals or not key or not value:
            raise UserError(f"--executor-set {given!r}: write KEY=VALUE, as in partition=gpu")
        if key in seen:
            raise UserError(f"--executor-set {given!r}: {key} is set twice; set it once")
        seen.add(key)
        settings = with_settings(settings, {key: value})
    check(settings)
    return settings


def _read(file: str) -> dict[str, object]:
    try:
        return dict(tomllib.loads(read_bytes(usable_path(file), most=2**20).decode("utf-8")))
    except OSError as error:
        raise UserError(f"cannot read {file}: {reason_of(error)}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are such
        raise UserError(f"{file} is no TOML file of settings: {reason_of(error)}") from None
