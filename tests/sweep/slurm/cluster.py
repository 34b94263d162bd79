"""A Slurm cluster of one node, for real, on loopback and in a folder of its own.

    with Cluster(folder) as cluster:
        subprocess.run(["sinfo"], env={**os.environ, **cluster.environment})

The programs are those that `.ci/slurm` unpacks, or what the machine has installed. Nothing is
left when the block ends: no process, and no file outside `folder`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

UNPACKED = Path(os.environ.get("COPYCOST_SLURM", Path(__file__).parents[3] / ".venv" / "slurm"))
LIBRARIES = "usr/lib/x86_64-linux-gnu"
NAMES = {"munged": ("munged",), "slurmctld": ("slurmctld-wlm", "slurmctld"),
         "slurmd": ("slurmd-wlm", "slurmd"), "slurmstepd": ("slurmstepd-wlm", "slurmstepd"),
         "sbatch": ("sbatch",)}  # fmt: skip
START_SECONDS = 30
CPUS = 2

CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldParameters=preempt_send_user_signal
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued job waits before it starts again.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=60 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF State=UP
"""
"""Jobs in `urgent` preempt those in `main`, which get the signal they asked for and a minute."""


def missing() -> str:
    """Why there can be no cluster here; '' if there can."""
    absent = [name for name in NAMES if _find(name) is None]
    if absent:
        return f"no Slurm ({', '.join(absent)}) on this machine: run .ci/slurm"
    return "" if os.geteuid() == 0 else "slurmd needs root to start jobs"


class Cluster:
    """munged, slurmctld and slurmd, started and stopped together."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for everything they write; its path must be short, for a socket's sake."""
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        library = UNPACKED / LIBRARIES
        unpacked = (UNPACKED / "usr" / "sbin").is_dir()
        self._plugins = library / "slurm-wlm" if unpacked else Path("/", LIBRARIES, "slurm-wlm")
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        if unpacked:
            self._go_first("PATH", UNPACKED / "usr" / "bin", UNPACKED / "usr" / "sbin")
            self._go_first("LD_LIBRARY_PATH", self._plugins, library)

    def __enter__(self) -> Self:
        """Start; ready for jobs when this returns."""
        self._write_files()
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.close()

    def run(self, *command: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            command, env=self._full(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End all jobs and the daemons, the node first."""
        if len(self._processes) == 3:
            subprocess.run(["scancel", "--user=root", "--signal=KILL", "--full"], env=self._full())
            subprocess.run(["scancel", "--user=root"], env=self._full())
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _write_files(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munged trusts no folder that others may write to
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user="root",
            controller_port=_free_port(),
            node_port=_free_port(),
            folder=self.folder,
            plugins=self._plugins,
            cpus=CPUS,
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start_all(self) -> None:
        folder = self.folder
        self._start(
            "munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        self._wait_for("munge", (folder / "munge.socket").exists)
        self._start("slurmctld", "-D", "-i")
        self._start("slurmd", "-D", "-d", str(_find("slurmstepd")))
        self._wait_for("the node", lambda: "idle" in self._sinfo())

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as log:
            command = [str(_find(name)), *arguments]
            process = subprocess.Popen(command, env=self._full(), stdout=log, stderr=log)
        self._processes.append(process)

    def _wait_for(self, what: str, ready: object) -> None:
        assert callable(ready)
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            dead = [p.args for p in self._processes if p.poll() is not None]
            assert not dead, f"{dead} ended: {self._logs()}"
            assert time.monotonic() < deadline, f"{what} never came up: {self._logs()}"
            time.sleep(0.2)

    def _sinfo(self) -> str:
        command = ["sinfo", "--noheader", "--format=%t"]
        done = subprocess.run(command, env=self._full(), capture_output=True, text=True)
        return done.stdout

    def _logs(self) -> str:
        files = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in files)

    def _full(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _go_first(self, variable: str, *folders: Path) -> None:
        rest = [os.environ[variable]] if os.environ.get(variable) else []
        self.environment[variable] = os.pathsep.join([*map(str, folders), *rest])


def _find(name: str) -> Path | None:
    """The program, unpacked or installed."""
    folders = [UNPACKED / "usr" / "sbin", UNPACKED / "usr" / "bin"]
    path = os.pathsep.join([*map(str, folders), "/usr/sbin", os.environ.get("PATH", "")])
    found = (shutil.which(candidate, path=path) for candidate in NAMES[name])
    return next((Path(place) for place in found if place), None)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
