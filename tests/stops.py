"""Reasons to stop that come after so many looks or queries, and not after so much time."""

from __future__ import annotations

from copycost.runner.record import Point
from copycost.runner.stopping import Stop


class Soon(Stop):
    """Asks to stop when it has been looked at so often: some steps into a run."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def reason(self) -> str:
        self._looks -= 1
        if self._looks <= 0:
            self.ask("time limit")
        return super().reason


class StopAt:
    """A watcher that asks to stop once so many queries are spent."""

    def __init__(self, stop: Stop, queries: int) -> None:
        self.stop, self.queries = stop, queries

    def step(self, spent: int) -> None:
        if spent >= self.queries:
            self.stop.ask("SIGTERM")

    def point(self, point: Point) -> None:
        pass
