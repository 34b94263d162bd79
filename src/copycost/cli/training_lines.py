"""Progress of a victim's training, line by line."""

from __future__ import annotations

import time

from copycost.cli.output import say
from copycost.report import wording

SECONDS = 5.0
"""Least time between two lines, as short epochs would fill the screen."""


class TrainingLines:
    """Prints that a victim's training begins, then its progress every few seconds."""

    def __init__(self, victim: str) -> None:
        """`victim` is what to call it."""
        self._victim, self._epochs, self._said = victim, 0, 0.0

    def begins(self, epochs: int) -> None:
        """Print that the training begins."""
        say(f"Training the victim {self._victim}: {wording.plural(epochs, 'epoch')} …")
        self._epochs, self._said = epochs, time.monotonic()

    def epoch(self, number: int, loss: float, seconds: float) -> None:
        """Print the progress if the last line is old enough, or the training has ended."""
        if time.monotonic() - self._said >= SECONDS or number == self._epochs:
            self._said = time.monotonic()
            say(f"  epoch {number}/{self._epochs}  loss {loss:.4f}  {seconds:.1f} s")
