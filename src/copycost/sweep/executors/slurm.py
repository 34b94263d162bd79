"""Jobs of a Slurm cluster, one per task, through submitit.

A job that is preempted, or reaches its time limit, gets a signal first. The run then stops
cleanly. Only after that does submitit put the job back into Slurm's queue, and the run resumes
from its checkpoint when the job starts again.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from copycost.errors import ConfigError
from copycost.runner.stopping import Stop
from copycost.settings import SETTINGS
from copycost.sweep.executors.base import Full, Terms, WorkerPool, needs, threads_asked
from copycost.sweep.work import Ended, Outcome, Task, perform

if TYPE_CHECKING:
    import submitit

COMMANDS = ("sbatch", "squeue", "scancel", "srun")
ASK_SECONDS = 10.0
"""Pause between two requests to Slurm's controller, which all users share."""
PATIENCE = 10
"""Refusals in a row, with no job under way, that a sweep tolerates."""
GONE_SECONDS = 20.0
"""A job that left the queue this long ago without a result counts as lost. A shared disk may show
the result later than the queue shows the end."""


@dataclass(frozen=True, config=SETTINGS)
class Slurm:
    """Jobs of a Slurm cluster. The fields are sbatch's options, with the unit in the name."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    minutes: int = Field(default=60, ge=1)
    """Time limit of a job, not of a run: a run that needs longer is requeued and resumes."""
    gpus: int = Field(default=0, ge=0)
    """GPUs of a job; a run uses one."""
    cpus: int | None = Field(default=None, ge=1)
    """Cores of a job; None: the threads asked for, else one."""
    memory_gb: float | None = Field(default=None, gt=0)
    signal_seconds: int = Field(default=90, ge=1)
    """Seconds before the time limit at which the job is told to stop."""
    requeues: int = Field(default=20, ge=0)
    """Times a job may be requeued at its time limit; preemptions are not counted."""
    sbatch: dict[str, str] = Field(default_factory=dict)
    """Any other option of sbatch, by its long name."""

    @property
    def here(self) -> bool:
        """Always false: tasks run on the nodes that Slurm assigns."""
        return False

    @contextmanager
    def open(self, terms: Terms) -> Iterator[WorkerPool]:
        """Check that Slurm is available; at the end of the block, tell jobs under way to stop."""
        threads = threads_asked(terms)
        cpus = self.cpus or threads or 1
        pool = SlurmPool(
            self._executor(terms.folder / "slurm", cpus), terms.workers, threads or cpus
        )
        try:
            yield pool
        finally:
            pool.close()

    def _executor(self, folder: Path, cpus: int) -> submitit.SlurmExecutor:
        try:
            import submitit  # noqa: PLC0415 -- optional
        except ImportError:
            raise needs("submitit", "slurm") from None
        missing = [name for name in COMMANDS if shutil.which(name) is None]
        if missing:
            raise ConfigError(
                f"The executor slurm needs Slurm's {', '.join(missing)} on this machine."
            )
        executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=self.requeues)
        executor.update_parameters(**self._options(cpus))
        return executor

    def _options(self, cpus: int) -> dict[str, Any]:
        options = {
            "job_name": "copycost",
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "time": self.minutes,
            "gpus_per_node": self.gpus or None,
            "cpus_per_task": cpus,
            "srun_args": [f"--cpus-per-task={cpus}"],  # srun no longer takes it from sbatch
            "mem": None if self.memory_gb is None else f"{int(self.memory_gb * 1024)}MB",
            "signal_delay_s": self.signal_seconds,
            "additional_parameters": dict(self.sbatch) or None,
        }
        return {name: value for name, value in options.items() if value is not None}


class SlurmPool:
    """Jobs in Slurm's queue."""

    def __init__(self, executor: submitit.SlurmExecutor, workers: int | None, threads: int) -> None:
        """`workers` None: all jobs are queued at once. Each run uses `threads`."""
        self.workers = workers
        self.queue = Queue()
        self._executor, self._threads = executor, threads
        self._jobs: list[SlurmJob] = []
        self._refused = 0  # times in a row, with nothing under way

    def start(self, task: Task) -> SlurmJob:
        """Queue a job; `ConfigError` with sbatch's message if it refuses the first.

        It may refuse a later job because too many are waiting, or because it does not answer for
        now: this raises `Full`, or `ConfigError` after `PATIENCE` refusals with none under way.
        """
        from submitit.core.utils import FailedJobError  # noqa: PLC0415 -- optional

        try:
            submitted = self._executor.submit(Preemptible(), task, self._threads)
        except (FailedJobError, subprocess.CalledProcessError) as error:
            says = f"Slurm refused a job: {_sbatch_says(error)}"
            if not any(not job.ended for job in self._jobs):
                self._refused += 1
            if self._jobs and self._refused <= PATIENCE:
                raise Full(says) from None
            raise ConfigError(says) from None
        self._refused = 0
        job = SlurmJob(submitted, self.queue)
        self._jobs.append(job)
        return job

    def wait(self, seconds: float) -> None:
        """Wait all of `seconds`: results appear as files, without a notification."""
        time.sleep(seconds)

    def close(self) -> None:
        """Tell the jobs under way to stop, without waiting for them."""
        for job in self._jobs:
            if not job.ended:
                job.stop("")


class SlurmJob:
    """One job, under the same number however often it is requeued."""

    def __init__(self, submitted: submitit.Job[Outcome], queue: Queue) -> None:
        """`submitted` is already in Slurm's queue."""
        self.ended = False
        self._submitted, self._queue = submitted, queue
        self._stopped_at: float | None = None

    def outcome(self) -> Outcome | None:
        """The job's result, or `LOST` if it left the queue without one; None while it runs."""
        found = None
        if self._submitted.paths.result_pickle.exists():
            found = self._result()
        elif self._queue.lacks(self._submitted.job_id, at_once=self._stopped_at is not None):
            found = Outcome(Ended.LOST, f"{self._name} ended without a result; see {self._log}")
        self.ended = found is not None
        return found

    def stop(self, reason: str) -> None:
        """Cancel the job if it waits, else tell its run to stop cleanly.

        Repeated calls act every `ASK_SECONDS`, as a job that has just started ignores the signal.
        """
        if self._stopped_at is None or time.monotonic() - self._stopped_at > ASK_SECONDS:
            job = self._submitted.job_id
            _call("scancel", "--state=PENDING", job)
            _call("scancel", "--state=RUNNING", "--signal=TERM", job)
            self._stopped_at = time.monotonic()

    @property
    def _name(self) -> str:
        return f"Slurm job {self._submitted.job_id}"

    @property
    def _log(self) -> Path:
        return self._submitted.paths.stderr

    def _result(self) -> Outcome:
        """The outcome that the worker returned; an error can only be submitit's own."""
        from submitit.core.utils import UncompletedJobError  # noqa: PLC0415 -- optional

        try:
            return self._submitted.result()
        except UncompletedJobError:
            return Outcome(Ended.LOST, f"{self._name} broke off; see {self._log}")


class Preemptible:
    """The function of a job: `perform`, then requeue the job if it was preempted or timed out.

    submitit calls `checkpoint` to learn what the requeued job should do. submitit's own signal
    handler would leave in the middle of a step; this class finishes the step and the checkpoint,
    then passes the signal to submitit.
    """

    def __call__(self, task: Task, threads: int) -> Outcome:
        """Do `task` within a Slurm job. Does not return if the job is requeued."""
        from submitit.core.job_environment import JobEnvironment  # noqa: PLC0415 -- optional

        stop, number = Stop(), JobEnvironment._usr_sig()
        with stop.on_signals(), _noticed(number, stop) as seen:
            outcome = perform(task, stop, threads)
        if seen and outcome.ended is Ended.STOPPED:
            # Requeuing sends SIGTERM to all processes of the job, even the scontrol that asks
            # for it. scontrol inherits that the signal is ignored, and so it can finish.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.raise_signal(number)
        return outcome

    def checkpoint(self, task: Task, threads: int) -> Any:
        """The same call again: progress is in the run's folder."""
        from submitit.helpers import DelayedSubmission  # noqa: PLC0415 -- optional

        return DelayedSubmission(self, task, threads)


@contextmanager
def _noticed(number: int, stop: Stop) -> Iterator[list[int]]:
    """Within the block, signal `number` asks to stop and is added to the yielded list."""
    seen: list[int] = []

    def notice(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        stop.ask("preemption")

    before = signal.signal(number, notice)
    try:
        yield seen
    finally:
        signal.signal(number, before)


class Queue:
    """The user's jobs that Slurm still has, requested for all at once and not too often.

    Uses `squeue`, because `sacct` needs an accounting database that not every cluster has.
    """

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._present: set[str] | None = None
        self._asked_at = float("-inf")
        self._missing_since: dict[str, float] = {}

    def lacks(self, job: str, *, at_once: bool = False) -> bool:
        """Whether `job` is out of the queue for good; `at_once`: on the first look without it.

        Otherwise it must be missing for `GONE_SECONDS`. False while the controller does not answer.
        """
        now = time.monotonic()
        since = self._missing_since.setdefault(job, now)
        if now - self._asked_at >= ASK_SECONDS:
            self._present, self._asked_at = _squeue(), now
        if self._present is None or job in self._present:
            del self._missing_since[job]
            return False
        return self._asked_at > since and (at_once or now - since > GONE_SECONDS)


def _squeue() -> set[str] | None:
    """The numbers of the user's jobs that have not ended; None if there is no answer."""
    answer = _call("squeue", "--noheader", "--format=%A", f"--user={os.getuid()}")
    return set(answer.stdout.split()) if answer.returncode == 0 else None


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _sbatch_says(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "sbatch: error" in line]
    return " ".join(lines) or " ".join(str(error).split())
