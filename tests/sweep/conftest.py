from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copycost.engine import Engine
from copycost.presets.victims import VICTIMS
from copycost.runner.stopping import Stop
from copycost.runner.targets import train_victim
from copycost.sweep.executors.base import Terms, WorkerPool
from copycost.sweep.grid import Grid
from copycost.sweep.sweep import Sweep
from copycost.sweep.work import Outcome, Task, perform

SMALL: dict[str, Any] = {"batch_size": 32, "width": 8, "latent": 8}


@pytest.fixture(scope="session")
def victim(tmp_path_factory) -> Path:
    """A saved victim, hardly trained."""
    folder: Path = tmp_path_factory.mktemp("victims") / "lenet"
    recipe = replace(VICTIMS["digits-lenet"].recipe, epochs=1)
    train_victim(recipe, "digits", folder, Engine("cpu"))
    return folder


@pytest.fixture
def values(victim) -> dict[str, Any]:
    """A grid of two runs of about a second each."""
    return {
        "attacks": ("dfme", "random-noise"),
        "threads": 1,
        "settings": {"dfme": SMALL, "random-noise": {"batch_size": 32, "student_steps": 1}},
        "shared": {
            "victim": str(victim), "data": "digits", "student": "lenet", "budget": 600,
            "evaluations": 2, "device": "cpu",
        },
    }  # fmt: skip


class Inline:
    """An executor that does each task in this process, at once."""

    here = True

    def __init__(self) -> None:
        self.done: list[str] = []
        self.stop_of: Callable[[Task], Stop] = lambda task: Stop()
        """What may stop a task."""

    @contextmanager
    def open(self, terms: Terms) -> Iterator[WorkerPool]:
        yield InlinePool(self)


class InlinePool:
    workers: int | None = 1

    def __init__(self, executor: Inline) -> None:
        self._executor = executor

    def start(self, task: Task) -> InlineJob:
        self._executor.done.append(task.name)
        return InlineJob(perform(task, self._executor.stop_of(task), 1))

    def wait(self, seconds: float) -> None:
        pass


class InlineJob:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def outcome(self) -> Outcome:
        return self._outcome

    def stop(self, reason: str) -> None:
        raise AssertionError("it is done")


def sweep_of(values: dict[str, Any], root: Path) -> Sweep:
    return Sweep(Grid.read(values).runs(), root)
