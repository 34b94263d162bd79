"""Decides which task is next, is retried or has failed, alike for all executors."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from copycost.runner.failing import note_failure
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Full, Job, WorkerPool
from copycost.sweep.work import Ended, Outcome, Task

RETRIES = 2
"""Times a task is restarted after its worker was lost."""
POLL_SECONDS = 1.0
FULL_SECONDS = 30.0
"""Pause before a task is offered again to a pool that was full."""
BUSY_SECONDS = 5.0
"""Pause before a second try at a run that another process holds. Each later pause is twice as
long, because a try may be a job in a cluster's queue, and the run may take days."""
BUSY_MOST = 300.0
"""The longest such pause."""


class TaskWatcher(Protocol):
    """Something that shows tasks as they start and end."""

    def started(self, task: Task) -> None:
        """A task was started, or queued where the executor queues."""

    def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
        """A task ended; `again`: it will be restarted."""


class Unwatched:
    """Shows nothing."""

    def started(self, task: Task) -> None:
        """Nothing."""

    def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
        """Nothing."""


@dataclass
class _Item:
    """A task with its history."""

    number: int
    task: Task
    lost: int = 0
    """Times its worker was lost."""
    pause: float = 0.0
    """Seconds of the last pause because another process held the run."""
    not_before: float = 0.0


class Scheduler:
    """Runs tasks until each has a final outcome, or `stop` is asked."""

    def __init__(
        self,
        pool: WorkerPool,
        stop: Stop,
        watcher: TaskWatcher | None = None,
        retries: int = RETRIES,
    ) -> None:
        """`retries`: times a task is restarted after its worker was lost."""
        self._pool, self._stop, self._retries = pool, stop, retries
        self._watcher = watcher or Unwatched()
        self._waiting: deque[_Item] = deque()
        self._running: list[tuple[_Item, Job]] = []
        self._outcomes: dict[int, Outcome] = {}

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """The outcome of each of `tasks`: finished, failed or stopped."""
        self._waiting.extend(_Item(number, task) for number, task in enumerate(tasks))
        while self._running or (self._waiting and not self._stop.reason):
            if self._stop.reason:
                self._ask_to_stop()
            else:
                self._start_what_can_be()
            self._pool.wait(POLL_SECONDS)
            self._collect()
        for item in self._waiting:
            self._outcomes[item.number] = Outcome(Ended.STOPPED)
        return [self._outcomes[number] for number in range(len(tasks))]

    def _start_what_can_be(self) -> None:
        room = self._pool.workers
        for item in list(self._waiting):
            if self._stop.reason or (room is not None and len(self._running) >= room):
                return
            if item.not_before <= time.monotonic():
                try:
                    job = self._pool.start(item.task)
                except Full:
                    item.not_before = time.monotonic() + FULL_SECONDS
                    return
                self._waiting.remove(item)
                self._watcher.started(item.task)
                self._running.append((item, job))

    def _ask_to_stop(self) -> None:
        for _, job in self._running:
            job.stop(self._stop.reason)

    def _collect(self) -> None:
        running, self._running = self._running, []
        for item, job in running:
            outcome = job.outcome()
            if outcome is None:
                self._running.append((item, job))
            else:
                self._judge(item, outcome)

    def _judge(self, item: _Item, outcome: Outcome) -> None:
        """Take the outcome as final, or put the task back in the queue."""
        if outcome.ended is Ended.LOST:
            item.lost += 1
        again = not self._stop.reason and self._deserves_another_try(item, outcome)
        self._watcher.ended(item.task, outcome, again=again)
        if again:
            if outcome.ended is Ended.BUSY:
                item.pause = min(2 * item.pause or BUSY_SECONDS, BUSY_MOST)
                item.not_before = time.monotonic() + item.pause
            self._waiting.append(item)
        else:
            self._outcomes[item.number] = self._final(item, outcome)

    def _deserves_another_try(self, item: _Item, outcome: Outcome) -> bool:
        """Whether to try again: a lost worker's task `retries` times, a stopped or busy one always.

        A clean stop that this scheduler did not ask for is no fault of the task.
        """
        if outcome.ended is Ended.LOST:
            return item.lost <= self._retries
        return outcome.ended in (Ended.BUSY, Ended.STOPPED)

    def _final(self, item: _Item, outcome: Outcome) -> Outcome:
        if outcome.ended is Ended.LOST and item.lost > self._retries:
            times = "once" if item.lost == 1 else f"{item.lost} times"
            text = f"{outcome.error}; tried {times}"
            note_failure(item.task.error_file, text + "\n")
            return Outcome(Ended.FAILED, text, item.task.error_file)
        if outcome.ended in (Ended.BUSY, Ended.LOST):
            return Outcome(Ended.STOPPED)  # the sweep was stopped; the next one retries it
        return outcome
