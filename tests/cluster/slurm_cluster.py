"""A real SLURM of two nodes on this machine: Debian's slurmctld, two slurmd and munge, in a folder of their own.

    with two_nodes(folder) as slurm: ...

The variables ``SLURM_CONF`` and ``PATH`` are all that a client needs. Only root can start it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.processes import of_process, open_files, processes

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
NODES = ("node1", "node2")
PATIENCE = 60.0

BEGINS_AGAIN = 10
"""Seconds that a requeued job waits at least; SLURM's default is 120."""

CONFIGURATION = """
ClusterName=mgsc
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={begins_again}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=20
SlurmctldTimeout=20
KillWait=5
MinJobAge=600
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,requeue_delay=0
BatchStartTimeout=10
MessageTimeout=20
JobRequeue=1
TreeWidth=2
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=1 RealMemory=2000
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=1 RealMemory=2000
PartitionName=main Nodes=node[1-2] Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 MaxTime=INFINITE
PartitionName=urgent Nodes=node[1-2] PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE
"""


def why_not() -> str:
    """Why it cannot be started here; empty where it can."""
    path = search_path()
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "only root can start two nodes on one machine"


def search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Slurm:
    """A cluster that runs.

    Attributes:
        environment: variables for clients.
    """

    def __init__(self, folder: Path) -> None:
        """Writes its files into a folder and starts all."""
        self.folder, self._processes = folder, dict[str, subprocess.Popen[bytes]]()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state").mkdir(exist_ok=True)
        configuration = CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname(),
            begins_again=BEGINS_AGAIN,
            **dict(zip(("port", "port1", "port2"), free_ports(3), strict=True)),
        )
        (folder / "slurm.conf").write_text(configuration)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": search_path(),
        }
        self._start_munge()
        self._start("slurmctld", ["slurmctld", "-D", "-c"])
        for node in NODES:
            (folder / f"spool-{node}").mkdir(exist_ok=True)
            self.start_node(node)
        self.wait_for(lambda: self.states() == dict.fromkeys(NODES, "idle"), "both nodes to be idle")

    def start_node(self, node: str) -> None:
        """Starts a node."""
        self._start(node, ["slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """Kills a node and all that runs on it, as when its power fails: nothing of it tells the end of another."""
        slurmd = self._processes.pop(node)
        steps, others = self.steps_of(node), self.processes_of(node)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in (slurmd.pid, *steps, *others):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
        slurmd.wait()

    def steps_of(self, node: str) -> list[int]:
        """The processes by which a node watches over what it runs: they keep its log open."""
        log = str(self.folder / f"slurmd-{node}.log")
        return [pid for pid in processes() if log in open_files(pid)]

    def processes_of(self, node: str) -> list[int]:
        """What a node runs: its environment names the node and this cluster."""
        names = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.folder}/slurm.conf".encode()}
        return [pid for pid in processes() if names <= set(of_process(pid, "environ").split(b"\0"))]

    def workers(self) -> list[int]:
        """The Python processes that submitit's jobs run."""
        command = {pid: of_process(pid, "cmdline").split(b"\0") for node in NODES for pid in self.processes_of(node)}
        return [pid for pid, words in command.items() if b"submitit.core._submit" in words and b"python" in words[0]]

    def run(self, *command: str) -> str:
        """What a command of SLURM says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def states(self) -> dict[str, str]:
        """By node its state."""
        lines = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %t").split("\n")
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def restarts(self) -> dict[int, int]:
        """By job how often it has begun again."""
        lines = self.run("scontrol", "--oneliner", "show", "jobs").splitlines()
        found = (re.match(r"JobId=(\d+) .* Restarts=(\d+) ", line) for line in lines)
        return {int(job[1]): int(job[2]) for job in found if job}

    def wait_for(self, is_so, what: str, patience: float = PATIENCE) -> None:
        """Waits until something is so.

        Raises:
            TimeoutError: it is not, for too long.
        """
        until = time.monotonic() + patience
        while not is_so():
            if time.monotonic() > until:
                raise TimeoutError(f"waited for {what}; nodes are {self.states()}; see {self.folder}/*.log")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stops all."""
        self.run("scancel", "--user", "root")
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for node in NODES:
            for process in (*self.steps_of(node), *self.processes_of(node)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {name: str(self.folder / f"munge.{name}") for name in ("socket", "pid", "log", "seed")}
        self._start(
            "munged",
            [
                *("munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}"),
                *(f"--socket={files['socket']}", f"--pid-file={files['pid']}"),
                *(f"--log-file={files['log']}", f"--seed-file={files['seed']}"),
            ],
        )
        self.wait_for(Path(files["socket"]).exists, "munged")

    def _start(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            process = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._processes[name] = process


def free_ports(number: int) -> list[int]:
    """Ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def two_nodes(folder: Path) -> Iterator[Slurm]:
    """A cluster that runs while the block does."""
    slurm = Slurm(folder)
    try:
        yield slurm
    finally:
        slurm.stop()
