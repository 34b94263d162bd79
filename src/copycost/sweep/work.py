"""The work of one worker: one task, from its start to an outcome that is always reported."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from copycost.engine import use_threads
from copycost.errors import Busy, Interrupted
from copycost.ranks import leave
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.failing import ERROR_FILE, in_one_line, note_failure
from copycost.runner.folder import exclusive
from copycost.runner.stopping import Stop
from copycost.sweep.victims import Home, SavedHome


class Ended(StrEnum):
    """How a task ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    """Cleanly, because it was asked to; the task resumes when it is started again."""
    FAILED = "failed"
    """With an error of its own: it would fail again."""
    BUSY = "busy"
    """Not started: another process holds this run."""
    LOST = "lost"
    """The worker ended without a report: killed, out of memory, its machine down."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended, small enough to send between machines."""

    ended: Ended
    error: str = ""
    """One line, if it failed or was lost."""
    error_file: Path | None = None
    """The file with the traceback, if it failed; it is missing if the disk did not allow it."""


@dataclass(frozen=True)
class Task(ABC):
    """Work that can be sent to any worker: it is pickled with its fields."""

    name: str
    """Shown to people."""
    home: Home
    """The victim."""

    @abstractmethod
    def run(self, stop: Stop) -> Outcome:
        """Start or resume it, until it is finished or `stop` is asked.

        May raise anything; `perform` makes an outcome of it.
        """

    @property
    @abstractmethod
    def error_file(self) -> Path:
        """The file for the traceback of a failure."""


@dataclass(frozen=True)
class TrainVictim(Task):
    """Train a victim that several runs need."""

    home: SavedHome

    def run(self, stop: Stop) -> Outcome:
        """Start or resume the training, unless the trained victim exists."""
        self.home.train(stop)
        return Outcome(Ended.FINISHED)

    @property
    def error_file(self) -> Path:
        """Beside the victim's folder, which holds a saved model and nothing else."""
        return self.home.folder.with_name(f"{self.home.folder.name}.{ERROR_FILE}")


@dataclass(frozen=True)
class CopyVictim(Task):
    """One run."""

    config: RunConfig
    folder: Path

    def run(self, stop: Stop) -> Outcome:
        """Start or resume the run, or find that it is finished."""
        with exclusive(self.folder):
            pass  # if another process holds the run, there is no need to load the victim
        record = copy_model(self.config, self.home.load(), self.folder, stop=stop)
        return Outcome(Ended.FINISHED if record.finished else Ended.STOPPED)

    @property
    def error_file(self) -> Path:
        """In the run's folder."""
        return self.folder / ERROR_FILE


def perform(task: Task, stop: Stop, threads: int | None = None) -> Outcome:
    """Do `task` in this process. Any error becomes an outcome, with its traceback on disk."""
    leave()  # a task has one process, even if torchrun started the sweep
    try:
        use_threads(threads)
        outcome = task.run(stop)
    except Interrupted:
        return Outcome(Ended.STOPPED)
    except Busy:
        return Outcome(Ended.BUSY)
    except Exception as error:
        note_failure(task.error_file, traceback.format_exc())
        return Outcome(Ended.FAILED, in_one_line(error), task.error_file)
    if outcome.ended is Ended.FINISHED:
        task.error_file.unlink(missing_ok=True)  # from an earlier try
    return outcome
