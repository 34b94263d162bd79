"""What an executor is: somewhere to start tasks, watch them and stop them.

An executor decides nothing. Which task is next, which is tried again and which has failed is
the business of `copycost.sweep.schedule`, the same for all executors.
"""

from __future__ import annotations

import os
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
    """For the executor's own files; where there are several machines, all of them see it."""
    workers: int | None = Field(default=None, ge=1)
    """Tasks under way at a time; None: as many as the executor thinks right."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of one operation of a task; None: as the executor thinks right."""
    gpus: bool = True
    """Whether the runs may compute on GPUs."""


class Full(Exception):
    """No more jobs are taken just now."""


class Job(Protocol):
    """A task that was started."""

    def outcome(self) -> Outcome | None:
        """How it ended; None while it has not. Never raises for a task that went wrong."""
        ...

    def stop(self, reason: str) -> None:
        """Ask for a clean stop, or take it out of the queue. May be called repeatedly."""
        ...


class Pool(Protocol):
    """Workers that are ready."""

    workers: int | None
    """Jobs under way at a time; None: the more the better, what waits is queued elsewhere."""

    def start(self, task: Task) -> Job:
        """Start a task, or queue it where the executor queues."""
        ...

    def wait(self, seconds: float) -> None:
        """Return when a job may have ended, after so many seconds at the latest."""
        ...


class Executor(Protocol):
    """Settings of a kind of workers; a frozen pydantic dataclass, so that they are checked."""

    @property
    def here(self) -> bool:
        """Whether tasks are done on this machine, with its devices."""
        ...

    def open(self, terms: Terms) -> AbstractContextManager[Pool]:
        """Make the workers ready for the block; `ConfigError` if something for that is missing.

        At the end of the block what is still under way is stopped, cleanly where possible.
        """
        ...


def needs(package: str, extra: str) -> ConfigError:
    """The error for an optional package that is not installed."""
    return ConfigError(
        [f"The executor {extra} needs the package {package}: pip install 'copycost[{extra}]'"]
    )


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_asked(terms: Terms) -> int | None:
    """Threads as the user wants them, by the sweep's settings or else by OMP_NUM_THREADS."""
    return terms.threads or omp_threads()
