"""How the training of a victim goes, in lines."""

from __future__ import annotations

import time

from copycost.cli.output import say

SECONDS = 5.0
"""At least between two lines: short epochs would fill the screen."""


class TrainingLines:
    """Says that a victim is being trained, and then now and then how far it is."""

    def __init__(self, victim: str) -> None:
        """`victim` is what to call it."""
        self._victim, self._epochs, self._said = victim, 0, 0.0

    def begins(self, epochs: int) -> None:
        """Say so."""
        say(f"Training the victim {self._victim}: {epochs} epochs …")
        self._epochs, self._said = epochs, time.monotonic()

    def epoch(self, number: int, loss: float, seconds: float) -> None:
        """Say how far it is, if it has not just been said."""
        if time.monotonic() - self._said >= SECONDS or number == self._epochs:
            self._said = time.monotonic()
            say(f"  epoch {number}/{self._epochs}  loss {loss:.4f}  {seconds:.1f} s")
