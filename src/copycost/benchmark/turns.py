"""Two loops that take turns within one process, so that both see the same machine.

The timed function is `copy_model`, which is behind `copycost audit`, with its loop, its oracle
and the account on disk, its losses, its checkpoints and a progress display. A watcher, which the
loop calls after every step, opens and closes the windows, and gives the rival its window in
between. The untrained student is evaluated before the first window; with one evaluation a run,
no other evaluation falls into a window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from copycost.benchmark.memory import PeakMemory
from copycost.benchmark.peak import synchronise
from copycost.benchmark.plan import Plan
from copycost.errors import ConfigError
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Point, Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.watchers import Display, Watcher
from copycost.types import Compile

WARM_STEPS = 3
"""Steps before the first window, to choose kernels, allocate memory and compile code."""
REASON = "end of the benchmark"


class Window(NamedTuple):
    """The measurements of one loop over one stretch of time."""

    rate: float
    """Queries a second."""
    peak: int
    """Peak memory in bytes."""


Rival = Callable[[], Window]
"""Another loop to time: each call runs it for one window."""


class Turns:
    """A watcher that times the run it watches and, after each window, a rival."""

    def __init__(
        self,
        plan: Plan,
        device: torch.device,
        show: Callable[[], AbstractContextManager[Watcher]],
        rival: Rival,
        repetitions: int,
    ) -> None:
        """`show` starts a progress display, which is on in the run's windows only."""
        self.stop = Stop()
        self.pairs: list[tuple[Window, Window]] = []
        self._plan, self._device, self._show, self._rival = plan, device, show, rival
        self._repetitions = repetitions
        self._memory = PeakMemory(device, graphs=plan.compile == Compile.GRAPHS)
        self._watcher: Watcher | None = None
        self.fresh()

    def fresh(self) -> None:
        """Prepare for another run."""
        self._left, self._display, self._watcher = WARM_STEPS, ExitStack(), None

    @property
    def done(self) -> bool:
        """Whether every repetition has been timed."""
        return len(self.pairs) >= self._repetitions

    def step(self, spent: int) -> None:
        """Called by the run after every step."""
        if self._watcher is None:
            self._left -= 1
            if self._left <= 0:
                self._open(spent)
            return
        self._watcher.step(spent)
        if time.perf_counter() - self._began >= self._plan.seconds:
            self.pairs.append((self._close(spent), self._rival()))
            self._left = 1  # a step to refill the caches after the rival
            if self.done:
                self.stop.ask(REASON)

    def point(self, point: Point) -> None:
        """Evaluations fall outside the windows."""

    def end(self) -> None:
        """Close the display when the run ends; a window that is still open does not count."""
        self._display.close()

    def _open(self, spent: int) -> None:
        self._watcher = self._display.enter_context(self._show())
        self._memory.start()
        synchronise(self._device)
        self._at, self._began = spent, time.perf_counter()

    def _close(self, spent: int) -> Window:
        synchronise(self._device)
        seconds = time.perf_counter() - self._began
        self._display.close()
        self._watcher = None
        return Window((spent - self._at) / seconds, self._memory.peak())


def take_turns(
    plan: Plan,
    target: Target,
    rival: Rival,
    display: Display,
    folder: Path,
    device: torch.device,
    config: RunConfig | None = None,
) -> tuple[list[tuple[Window, Window]], Record]:
    """Windows of the run and of `rival`, in turns, and the record of the last run.

    When a run has spent its budget, another like it follows. `folder` takes the files of all.
    Raises `ConfigError` if a run ends before one window does.
    """
    config = config or plan.config()
    turns = Turns(plan, device, partial(display.run, config, "timed"), rival, plan.repetitions)
    number = 0
    while not turns.done:
        before, number = len(turns.pairs), number + 1
        turns.fresh()
        try:
            place = folder / str(number)
            record = copy_model(config, target, place, stop=turns.stop, watcher=turns)
        finally:
            turns.end()
        if len(turns.pairs) == before:
            raise ConfigError(
                f"seconds: a window must end within {config.budget:,} queries. "
                "Choose a shorter one."
            )
    return turns.pairs, record
