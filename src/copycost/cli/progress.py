"""The live display of a run: a progress bar on a terminal, elsewhere a line per evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from copycost.runner.config import RunConfig
from copycost.runner.record import Point
from copycost.runner.watchers import Watcher

REDRAW_SECONDS = 1.0
"""A redraw takes some milliseconds of CPU time: ten per second cost a fast run 3 % of its time."""

TRAINING = "training"
"""Shown in place of the rate while an attack trains on earlier answers and sends no queries."""


class LiveDisplay:
    """Shows queries spent of the budget, queries per second, agreement, losses and time left."""

    def __init__(self, console: Console) -> None:
        """`console` should write to standard error."""
        self._console = console

    @contextmanager
    def run(self, config: RunConfig, place: str) -> Iterator[Watcher]:
        """Show one run until the block ends."""
        title = f"{place} {config.attack} seed {config.seed}"
        if not self._console.is_terminal:
            yield Lines(self._console, title, config.budget)
            return
        with Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[values]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            console=self._console,
            refresh_per_second=1 / REDRAW_SECONDS,
        ) as bar:
            yield Bar(bar, bar.add_task(title, total=config.budget, rate="", values=""))


class TimeLeft(TimeRemainingColumn):
    """Time left; unknown while no query is sent, as it is estimated from the rate of queries."""

    def render(self, task: Task) -> Text:
        """Rich's estimate from the recent speed, or "?" during training."""
        return Text("?") if task.fields["rate"] == TRAINING else super().render(task)


class _Rate:
    """Queries per second since the first call; those of earlier sessions do not count."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, spent: int) -> float:
        now = time.monotonic()
        if self._first is None:
            self._first = (now, spent)
        began, at = self._first
        return (spent - at) / max(now - began, 1e-9)


class Bar:
    """A progress bar on a terminal."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        """`task` has the fields `rate` and `values`."""
        self._bar, self._task = bar, task
        self._rate, self._shown, self._spent = _Rate(), 0.0, -1

    def step(self, spent: int) -> None:
        """Move the bar, once a second at most."""
        rate = self._rate(spent)
        if time.monotonic() - self._shown > REDRAW_SECONDS:
            asks = spent > self._spent
            self._shown, self._spent = time.monotonic(), spent
            shown = f"{rate:,.0f}/s" if asks else TRAINING
            self._bar.update(self._task, completed=spent, rate=shown)

    def point(self, point: Point) -> None:
        """Show the new values."""
        self._bar.update(self._task, completed=point.queries, values=describe(point))


class Lines:
    """Prints one line per evaluation, for logs."""

    def __init__(self, console: Console, title: str, budget: int) -> None:
        """`title` begins every line."""
        self._console, self._title, self._budget = console, title, budget
        self._rate, self._spent = _Rate(), 0

    def step(self, spent: int) -> None:
        """Measure the rate from the first step on."""
        self._rate(spent)

    def point(self, point: Point) -> None:
        """Print the values."""
        rate = self._rate(point.queries)
        left = f"{(self._budget - point.queries) / rate:,.0f} s left" if rate else "starting"
        self._console.print(
            f"{self._title}  {point.queries:,}/{self._budget:,} queries  {rate:,.0f}/s  "
            f"{describe(point)}  {left}",
            soft_wrap=True,
        )


def describe(point: Point) -> str:
    """Agreement first, then the losses of the players."""
    shown = [f"agreement {point.values['agreement']:.3f}"]
    shown += [
        f"{name.partition('/')[0]} loss {value:.3g}"
        for name, value in point.values.items()
        if name.endswith("/gap")
    ]
    return "  ".join(shown)
