"""What shows progress: of one run, of several runs one after another, of a victim's training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from copycost.runner.config import RunConfig
from copycost.runner.record import Point


class Watcher(Protocol):
    """Shows the progress of a run."""

    def step(self, spent: int) -> None:
        """Called after every step of an attack; must be cheap."""

    def point(self, point: Point) -> None:
        """Called at every evaluation."""


class Silent:
    """Shows nothing."""

    def step(self, spent: int) -> None:
        """Nothing."""

    def point(self, point: Point) -> None:
        """Nothing."""


class Display(Protocol):
    """Shows the progress of several runs."""

    def run(self, config: RunConfig, place: str) -> AbstractContextManager[Watcher]:
        """Show one run; `place` says which of how many."""
        ...


class NoDisplay:
    """Shows nothing."""

    @contextmanager
    def run(self, config: RunConfig, place: str) -> Iterator[Watcher]:
        """A watcher that shows nothing."""
        yield Silent()


class TrainingWatcher(Protocol):
    """Shows the progress of a victim's training."""

    def begins(self, epochs: int) -> None:
        """Called before the first step of each session; `epochs` is the total number."""

    def epoch(self, number: int, loss: float, seconds: float) -> None:
        """Called after each epoch, numbered from 1, with its mean loss and duration."""
