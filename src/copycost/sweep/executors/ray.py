"""Tasks of a Ray cluster, or of a private Ray instance on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from copycost.devices import cores
from copycost.errors import ConfigError
from copycost.runner.stopping import Stop
from copycost.settings import SETTINGS
from copycost.sweep.executors.base import Terms, WorkerPool, needs, threads_asked
from copycost.sweep.work import Ended, Outcome, Task, perform

HERE = "local"
"""Ray's address for a new instance on this machine."""
KNOCK_SECONDS = 10.0


@dataclass(frozen=True, config=SETTINGS)
class Ray:
    """Tasks of a Ray cluster."""

    address: str | None = None
    """`auto` or HOST:PORT of a running cluster; None starts an instance here for this sweep."""
    gpus: float | None = Field(default=None, ge=0)
    """GPUs of a run, 0.5 for two runs on one; None: one if the cluster has any."""

    @property
    def here(self) -> bool:
        """True without an address: Ray is started on this machine."""
        return self.address is None

    @contextmanager
    def open(self, terms: Terms) -> Iterator[WorkerPool]:
        """Connect to Ray or start it; at the end of the block Ray ends tasks still under way."""
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage statistics
            import ray  # noqa: PLC0415 -- optional
        except ImportError:
            raise needs("ray", "ray") from None
        threads = threads_asked(terms) or 1
        here = None if self.address else terms.workers or max(1, cores() // threads)
        _connect(ray, self.address, here and here * threads)
        try:
            # Ray prints messages about its workers, and standard output is for results.
            with redirect_stdout(sys.stderr):
                yield RayPool(ray, here or terms.workers, threads, self._gpus(ray, terms))
        finally:
            ray.shutdown()

    def _gpus(self, ray: Any, terms: Terms) -> float:
        if not terms.gpus:
            return 0
        return self.gpus if self.gpus is not None else float("GPU" in ray.cluster_resources())


def _connect(ray: Any, address: str | None, here: int | None) -> None:
    """Connect to `address`, or start Ray with `here` cores; `ConfigError` if that fails."""
    if ray.is_initialized():
        raise ConfigError("Ray is running in this process already; call ray.shutdown() first.")
    own = {"num_cpus": here, "include_dashboard": False} if here else {}
    try:
        _knock(address)
        ray.init(address=address or HERE, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(f"ray.address: no cluster answers at {address}: {text}") from None


def _knock(address: str | None) -> None:
    """Raise `OSError` if nothing listens at HOST:PORT: Ray itself would try for many minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()


@plain_dataclass(frozen=True)
class Place:
    """The part of this process's context that a worker on another machine cannot inherit."""

    folder: Path
    """Relative paths of victims and data start from it."""
    environment: dict[str, str]

    @classmethod
    def here(cls) -> Place:
        """The context of this process."""
        ours = {k: v for k, v in os.environ.items() if k.startswith("COPYCOST_")}
        return cls(Path.cwd(), ours)


class RayPool:
    """Tasks that Ray places where their cores and GPUs are free."""

    def __init__(self, ray: Any, workers: int | None, threads: int, gpus: float) -> None:
        """`threads` cores and `gpus` GPUs are reserved for each task."""
        self.workers = workers
        self._ray, self._threads = ray, threads
        # Ray must not retry by itself: the scheduler decides how often.
        self._remote = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(work)
        self._jobs: list[RayJob] = []

    def start(self, task: Task) -> RayJob:
        """Hand the task to Ray."""
        ref = self._remote.remote(task, Place.here(), self._threads)
        job = RayJob(self._ray, ref)
        self._jobs = [job for job in self._jobs if not job.ended] + [job]
        return job

    def wait(self, seconds: float) -> None:
        """Wait until Ray reports that a task has ended, or `seconds` have passed."""
        refs = [job.ref for job in self._jobs if not job.ended]
        if refs:
            self._ray.wait(refs, timeout=seconds)
        else:
            time.sleep(seconds)


class RayJob:
    """One task that was handed to Ray."""

    def __init__(self, ray: Any, ref: Any) -> None:
        """`ref` is Ray's reference to the future result."""
        self.ref, self.ended = ref, False
        self._ray = ray

    def outcome(self) -> Outcome | None:
        """The outcome that the worker returned, or `LOST` if Ray lost it; None while it runs."""
        if not self._ray.wait([self.ref], timeout=0)[0]:
            return None
        self.ended = True
        try:
            found: Outcome = self._ray.get(self.ref)
        except self._ray.exceptions.TaskCancelledError:
            return Outcome(Ended.STOPPED)
        except self._ray.exceptions.RayError as error:
            return Outcome(Ended.LOST, " ".join(str(error).split()))
        return found

    def stop(self, reason: str) -> None:
        """Let Ray interrupt the task as Ctrl-C would, which asks the run to stop."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(self.ref, force=False)


def work(task: Task, place: Place, threads: int) -> Outcome:
    """The main function of a task in a Ray worker."""
    os.environ.update(place.environment)
    stop = Stop()
    with chdir(place.folder), stop.on_signals():
        # Ray may interrupt more than once; a second interrupt must not cut the checkpoint short.
        signal.signal(signal.SIGINT, lambda number, frame: stop.ask("end of the sweep"))
        return perform(task, stop, threads)
