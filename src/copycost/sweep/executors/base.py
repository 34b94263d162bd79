"""The interface of an executor: somewhere to start tasks, watch them and stop them.

An executor decides nothing. `copycost.sweep.scheduler` decides, alike for all executors, which
task is next, which is retried and which has failed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from pydantic import Field
from pydantic.dataclasses import dataclass

from copycost.engine import omp_threads
from copycost.errors import ConfigError
from copycost.settings import SETTINGS
from copycost.sweep.work import Outcome, Task


@dataclass(frozen=True, config=SETTINGS)
class Terms:
    """What a sweep asks of any executor."""

    folder: Path
    """For the executor's own files; if there are several machines, all must see it."""
    workers: int | None = Field(default=None, ge=1)
    """Tasks under way at a time; None: the executor chooses."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of one operation of a task; None: the executor chooses."""
    gpus: bool = True
    """Whether the runs may use GPUs."""


class Full(Exception):
    """The pool takes no more jobs for now."""


class Job(Protocol):
    """A task that was started."""

    def outcome(self) -> Outcome | None:
        """How it ended; None while it has not. Never raises for a task that went wrong."""
        ...

    def stop(self, reason: str) -> None:
        """Ask the task to stop cleanly, or take it out of the queue. May be called repeatedly."""
        ...


class WorkerPool(Protocol):
    """Workers that are ready."""

    workers: int | None
    """Jobs under way at a time; None: no limit, as the cluster queues those that must wait."""

    def start(self, task: Task) -> Job:
        """Start a task, or queue it where the executor queues."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when a job may have ended, or after `seconds` at the latest."""
        ...


class Executor(Protocol):
    """The settings of one kind of worker: a frozen pydantic dataclass, so that they are checked."""

    @property
    def here(self) -> bool:
        """Whether tasks run on this machine, with its devices."""
        ...

    def open(self, terms: Terms) -> AbstractContextManager[WorkerPool]:
        """Prepare the workers for the block; `ConfigError` if something that they need is missing.

        The end of the block stops tasks that are still under way, cleanly where possible.
        """
        ...


def needs(package: str, extra: str) -> ConfigError:
    """The error for an optional package that is not installed."""
    return ConfigError(
        f"The executor {extra} needs the package {package}: pip install 'copycost[{extra}]'"
    )


def threads_asked(terms: Terms) -> int | None:
    """The threads that the user asked for, by the sweep's settings or else by OMP_NUM_THREADS."""
    return terms.threads or omp_threads()
