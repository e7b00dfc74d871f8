"""The executor of SLURM: jobs by submitit, each with a group of units.

A job's state is that of ``squeue``, which needs no accounting. SLURM forgets a job some minutes after its end; then
submitit reads the state from ``sacct``, if that answers.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import logging
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mgsc.errors import UserError, pip_install
from mgsc.experiments.running.cluster_settings import DEFAULT, ClusterSettings
from mgsc.experiments.running.executor import Finished, Listener
from mgsc.experiments.running.jobs import (
    Group,
    RunGroup,
    divided,
    is_late,
    keep_failure,
    log_of,
    make_folder,
    numbers_of_messages,
    read_message,
    received,
)
from mgsc.experiments.running.remote import Setup, pickled
from mgsc.experiments.running.units import Unit
from mgsc.files import reason_of

POLL = 0.3
"""Seconds between two searches for messages."""

LOOK = 5.0
"""Seconds between two checks of the jobs."""

MOST_WAIT = 60.0
"""Seconds for which the end of killed jobs is waited for; a node that is lost does not hold up the driver longer."""

MOST_TIMEOUTS = 10_000
"""Times that submitit requeues a job. Its messages show whether it makes progress; of jobs of less than ten minutes
submitit takes every preemption for a time-out."""

JOB_NAME = "mgsc"

JOB_ID = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
"""The number of a job in its own script, in submitit's form."""

CANCELLED = "CANCELLED"

OVER = ("BOOT_FAIL", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
"""States of SLURM from which a job does not begin again."""

UNKNOWN = "no sign of life"
"""The state of a job that SLURM does not know any more."""

ENDED = ".ended"
"""The end of the names of the files that jobs leave when they end."""


class _SlurmSession:
    def __init__(self, listener: Listener, settings: ClusterSettings) -> None:
        from mgsc.experiments.running.provenance import provenance

        self._submitit = find_submitit()
        self._listener, self._settings, self._setup = listener, settings, Setup(None, provenance())
        self._folder = make_folder(settings.folder)
        self._has_accounts = _has_accounts()
        self._executor = self._submitit.AutoExecutor(
            folder=self._folder / "logs", cluster="slurm", slurm_max_num_timeout=MOST_TIMEOUTS
        )
        self._executor.update_parameters(**parameters(settings, self._folder))
        self._units: list[Unit] = []
        self._sent = self._groups = 0
        self._left: dict[int, Unit] = {}
        self._jobs: list[tuple[Any, Group]] = []
        self._tries: dict[int, int] = {}
        self._arrived: collections.deque[int] = collections.deque()
        self._looked = time.monotonic()

    def prepare(self, unit: Unit) -> None:
        pickled(unit)

    def submit(self, unit: Unit) -> None:
        pickled(unit)
        self._units.append(unit)

    def finished(self) -> Finished:
        self._send_waiting()
        while not self._arrived:
            self._arrived += [number for number in numbers_of_messages(self._folder) if number in self._left]
            if not self._arrived:
                if time.monotonic() - self._looked > LOOK:
                    self._look()
                time.sleep(POLL)
        return self._take(self._arrived.popleft())

    def close(self, *, is_well: bool) -> None:
        """Cancels what still runs, and returns when it has ended; logs of jobs are kept unless all went well."""
        if not is_well:
            # Of a cancellation alone SLURM lets a job go on for KillWait seconds, in which it would write parts still.
            self._kill()
        for job, _ in self._jobs:
            job.cancel(check=False)
        if not is_well:
            self._wait_for_the_end()
        if is_well or not any(self._folder.glob("logs/*_log.*")):
            shutil.rmtree(self._folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                self._folder.parent.rmdir()

    def _numbers(self) -> list[str]:
        """The jobs' numbers, in SLURM's form."""
        return [job.job_id for job, _ in self._jobs]

    def _kill(self) -> None:
        if self._jobs:
            command = ["scancel", "--quiet", "--full", "--signal=KILL", *self._numbers()]
            subprocess.run(command, capture_output=True, check=False, env=os.environ)

    def _wait_for_the_end(self) -> None:
        until = time.monotonic() + MOST_WAIT
        while time.monotonic() < until:
            states = states_of(self._numbers())
            if all(state.startswith((CANCELLED, *OVER)) for state in states.values()):
                return
            time.sleep(POLL)

    def _take(self, number: int) -> Finished:
        unit, message = self._left.pop(number), read_message(self._folder, number)
        return received(unit, message, self._listener)

    def _send_waiting(self) -> None:
        """Submits the units that wait, divided among the workers; neighbours, which share programs, stay together."""
        waiting = self._units[self._sent :]
        if waiting:
            first, self._sent = self._sent, len(self._units)
            self._left |= {first + place: unit for place, unit in enumerate(waiting)}
            parts = divided(len(waiting), self._settings.workers or len(waiting))
            self._submit([[first + place for place in part] for part in parts])

    def _submit(self, parts: list[list[int]]) -> None:
        groups = [self._group(numbers) for numbers in parts]
        try:
            jobs = self._executor.map_array(RunGroup(), groups)
        except (subprocess.CalledProcessError, self._submitit.core.utils.FailedJobError) as error:
            words = str(error).strip().splitlines()
            raise UserError(f"SLURM refuses the jobs: {words[-1] if words else type(error).__name__}") from None
        except OSError as error:
            raise UserError(f"cannot write the jobs into {self._folder}: {reason_of(error)}") from None
        self._jobs += zip(jobs, groups, strict=True)

    def _group(self, numbers: list[int]) -> Group:
        settings = self._settings
        self._groups += 1
        return Group(
            name=f"job-{self._groups}",
            folder=str(self._folder),
            numbers=tuple(numbers),
            units=tuple(pickled(self._units[number]) for number in numbers),
            setup=self._setup,
            cpus=settings.cpus,
            seconds=60.0 * settings.time,
            notice=settings.notice,
        )

    def _look(self) -> None:
        """Begins again what has no message and whose job has ended or given no sign of life."""
        self._looked = time.monotonic()
        states = states_of(self._numbers())
        for job, group in list(self._jobs):
            state = states.get(job.job_id) or self._state_in_accounts(job)
            if state.startswith(CANCELLED):
                raise UserError(f"job {job.job_id} was cancelled; finished parts are kept, go on with --resume")
            if not self._has_ended(job, group, state) and not is_late(group, self._settings.patience):
                continue
            self._jobs.remove((job, group))
            if group.missing():
                job.cancel(check=False)
                self._try_again(job, group, state)

    def _has_ended(self, job: Any, group: Group, state: str) -> bool:
        is_left = (self._folder / f"{job.job_id}{ENDED}").exists() and not group.is_to_go_on()
        return is_left or state in OVER

    def _try_again(self, job: Any, group: Group, state: str) -> None:
        numbers = [group.numbers[place] for place in group.missing()]
        log = log_of([job.paths.stderr, job.paths.stdout])
        for number in numbers:
            self._tries[number] = self._tries.get(number, 0) + 1
        if len(numbers) == len(group.numbers) and min(map(self._tries.__getitem__, numbers)) > self._settings.tries:
            reason = f"job {job.job_id} ended without it ({state.lower()}), {self._settings.tries + 1} times"
            for number in numbers:
                keep_failure(self._units[number], reason, log or "")
            where = f"; see {log}" if log else ""
            raise UserError(f"{self._units[numbers[0]].name}: {reason}{where}; finished parts are kept")
        self._submit([numbers])

    def _state_in_accounts(self, job: Any) -> str:
        return str(job.watcher.get_state(job.job_id)) if self._has_accounts else UNKNOWN


def states_of(jobs: Sequence[str]) -> dict[str, str]:
    """By job its state, of those that SLURM knows."""
    if not jobs:
        return {}
    numbers = ",".join(dict.fromkeys(job.partition("_")[0] for job in jobs))
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={numbers}"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ).stdout
    return dict(line.split() for line in said.splitlines())


def parameters(settings: ClusterSettings, folder: Path) -> dict[str, Any]:
    """The parameters of submitit; each job leaves a file in ``folder`` when its command has ended, with any status."""
    mark = f"{shlex.quote(str(folder))}/{JOB_ID}{ENDED}"
    given: dict[str, Any] = {
        "name": JOB_NAME,
        "timeout_min": settings.time,
        "cpus_per_task": settings.cpus,
        "slurm_signal_delay_s": settings.notice,
        "slurm_additional_parameters": {"requeue": True},
        "slurm_setup": [f"rm -f {mark}"],
        "slurm_teardown": [f"touch {mark}"],
        # SLURM 22.05 and later do not hand a job's CPUs on to what it runs.
        "slurm_srun_args": [f"--cpus-per-task={settings.cpus}"],
    }
    if settings.gpus:
        given["gpus_per_node"] = settings.gpus
    if settings.memory:
        given["mem_gb"] = settings.memory
    for name in ("partition", "account"):
        if getattr(settings, name) != DEFAULT:
            given[f"slurm_{name}"] = getattr(settings, name)
    return given


def find_submitit() -> Any:
    """The package, which says little.

    Raises:
        UserError: it is not installed, or there is no SLURM here.
    """
    try:
        submitit = importlib.import_module("submitit")
    except ImportError as error:
        raise UserError(f"the executor slurm needs a package ({error}): {pip_install('slurm')}") from None
    missing = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
    if missing:
        raise UserError(f"the executor slurm needs SLURM: {', '.join(missing)} not found on this machine")
    logging.getLogger("submitit").setLevel(logging.ERROR)
    return submitit


def _has_accounts() -> bool:
    """Whether ``sacct`` answers."""
    if shutil.which("sacct") is None:
        return False
    command = ["sacct", "--noheader", "--allocations", "--jobs", "1"]
    return subprocess.run(command, capture_output=True, check=False, env=os.environ).returncode == 0


@contextlib.contextmanager
def open_slurm(listener: Listener, settings: ClusterSettings) -> Iterator[_SlurmSession]:
    """A session of jobs of SLURM; jobs that still run when it ends are cancelled.

    Raises:
        UserError: there is no SLURM or no submitit here, or the folder cannot be made.
    """
    session = _SlurmSession(listener, settings)
    is_well = False
    try:
        yield session
        is_well = True
    finally:
        session.close(is_well=is_well)
