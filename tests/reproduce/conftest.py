"""One tiny reproduction, shared: victims of one epoch, runs done in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from copycost.engine import Engine
from copycost.presets.victims import VICTIMS
from copycost.reproduce.carry_out import Reproduction
from copycost.reproduce.plan import PAPER, Plan, make_plan
from copycost.runner.stopping import Stop
from copycost.runner.targets import train_victim, victim_folder
from copycost.sweep.executors.base import Terms, WorkerPool
from copycost.sweep.work import Task, perform
from tests.stops import Soon
from tests.sweep.conftest import InlineJob

FIGURES = (2, 3, 8)
"""Three different runs, of six that the figures name."""


class Inline:
    """Does each task in this process at once, and keeps the tasks' names.

    The last of `tasks` breaks off in its middle, and `stop` is asked to stop.
    """

    here = True

    def __init__(self, stop: Stop | None = None, tasks: int | None = None) -> None:
        self.done: list[str] = []
        self._stop, self._tasks = stop, tasks

    @contextmanager
    def open(self, terms: Terms) -> Iterator[WorkerPool]:
        yield _Pool(self)

    def do(self, task: Task) -> InlineJob:
        self.done.append(task.name)
        own = Stop()
        if self._stop is not None and len(self.done) == self._tasks:
            self._stop.ask("time limit")
            own = Soon(looks=5)
        return InlineJob(perform(task, own, 1))


class _Pool:
    workers: int | None = 1

    def __init__(self, executor: Inline) -> None:
        self._executor = executor

    def start(self, task: Task) -> InlineJob:
        return self._executor.do(task)

    def wait(self, seconds: float) -> None:
        pass


@dataclass(frozen=True)
class Done:
    """A reproduction that was carried out."""

    plan: Plan
    work: Path
    out: Path
    tasks: list[str]

    @property
    def folder(self) -> Path:
        """Of the results."""
        return self.out / PAPER / "tiny"

    def again(self) -> Reproduction:
        """The same, looked at afresh."""
        return Reproduction(self.plan, self.work, self.folder)

    def do(self, executor: Inline, stop: Stop | None = None) -> Reproduction:
        reproduction = self.again()
        terms = Terms(folder=self.work, workers=1, gpus=False)
        reproduction.run(executor, terms, stop or Stop())
        return reproduction


@pytest.fixture(scope="session")
def victims(tmp_path_factory) -> Path:
    """A folder for runs in which the tiny scale's victims lie, hardly trained."""
    work: Path = tmp_path_factory.mktemp("victims") / "work"
    for name in ("digits-cnn", "digits-lenet"):
        recipe = replace(VICTIMS[name].recipe, epochs=1)
        train_victim(
            recipe, "digits", victim_folder(work / "victims", name, "digits", 0), Engine("cpu")
        )
    return work


def tiny_plan(**asked: Any) -> Plan:
    usual: dict[str, Any] = {"figures": FIGURES, "scale": "tiny", "seeds": 1, "device": "cpu"}
    return make_plan(**usual | asked)


@pytest.fixture(scope="session")
def reproduced(victims, tmp_path_factory) -> Done:
    """Figures 2, 3 and 8. Not to be changed: see `copied`."""
    place = tmp_path_factory.mktemp("reproduced")
    shutil.copytree(victims, place / "work")
    executor = Inline()
    done = Done(tiny_plan(), place / "work", place / "out", executor.done)
    done.do(executor)
    return done


@pytest.fixture
def copied(reproduced: Done, tmp_path: Path) -> Done:
    """The same in folders of the test's own."""
    shutil.copytree(reproduced.work, tmp_path / "work")
    shutil.copytree(reproduced.out, tmp_path / "out")
    return replace(reproduced, work=tmp_path / "work", out=tmp_path / "out")


@pytest.fixture
def begun(victims, tmp_path) -> Callable[..., Done]:
    """A reproduction that is not begun, its victims trained."""
    shutil.copytree(victims, tmp_path / "work")

    def make(**asked) -> Done:
        return Done(tiny_plan(**asked), tmp_path / "work", tmp_path / "out", [])

    return make


def turn_round(path: Path, value: str) -> None:
    """Let a record's curve of `value` run backwards, the fresh student left where it is."""
    data = json.loads(path.read_text())
    points = [point["values"] for point in data["curve"] if point["queries"]]
    backwards = [point[value] for point in reversed(points)]
    for point, number in zip(points, backwards, strict=True):
        point[value] = number
    path.write_text(json.dumps(data))
