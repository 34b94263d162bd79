"""The policy of the scheduler, against workers that follow a script."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.runner.stopping import Stop
from copycost.sweep import scheduler
from copycost.sweep.executors.base import Full
from copycost.sweep.scheduler import Scheduler
from copycost.sweep.work import Ended, Outcome, Task

FINISHED, STOPPED = Outcome(Ended.FINISHED), Outcome(Ended.STOPPED)
FAILED, BUSY = Outcome(Ended.FAILED, "no"), Outcome(Ended.BUSY)
LOST = Outcome(Ended.LOST, "killed")


@dataclass(frozen=True)
class Scripted(Task):
    folder: Path = Path("nowhere")

    def run(self, stop: Stop) -> Outcome:
        raise AssertionError("the pool knows the outcome")

    @property
    def error_file(self) -> Path:
        return self.folder / f"{self.name}.txt"


class ScriptedPool:
    """Each start of a task takes the next outcome from its script; an empty one runs for ever."""

    def __init__(self, scripts: dict[str, list[Outcome]], workers: int | None = 2) -> None:
        self.workers = workers
        self.scripts, self.started, self.most = scripts, list[str](), 0
        self.running: set[str] = set()

    def start(self, task: Task) -> ScriptedJob:
        assert task.name not in self.running, "a task was started twice"
        self.started.append(task.name)
        self.running.add(task.name)
        self.most = max(self.most, len(self.running))
        return ScriptedJob(self, task.name)

    def wait(self, seconds: float) -> None:
        pass


class ScriptedJob:
    def __init__(self, pool: ScriptedPool, name: str) -> None:
        self.pool, self.name, self.asked = pool, name, ""

    def outcome(self) -> Outcome | None:
        script = self.pool.scripts[self.name]
        if not script and not self.asked:
            return None
        self.pool.running.discard(self.name)
        return script.pop(0) if script else STOPPED

    def stop(self, reason: str) -> None:
        self.asked = reason


def run(
    pool: ScriptedPool, stop: Stop | None = None, folder: Path = Path("nowhere"), **more: Any
) -> list[str]:
    home: Any = None
    tasks = [Scripted(name, home, folder) for name in pool.scripts]
    found = Scheduler(pool, stop or Stop(), **more).run(tasks)
    return [str(outcome.ended) for outcome in found]


class FullPool(ScriptedPool):
    """Takes no more than one at a time, and says so."""

    def start(self, task: Task) -> ScriptedJob:
        if self.running:
            raise Full("limit")
        return super().start(task)


def test_a_job_that_is_not_taken_is_offered_again(monkeypatch):
    monkeypatch.setattr(scheduler, "FULL_SECONDS", 0.0)
    pool = FullPool({name: [FINISHED] for name in "abc"}, workers=None)
    assert run(pool) == ["finished"] * 3
    assert pool.started == ["a", "b", "c"]


def test_results_come_in_the_order_of_the_tasks_and_workers_are_not_exceeded():
    pool = ScriptedPool({name: [FINISHED] for name in "abcde"})
    assert run(pool) == ["finished"] * 5
    assert pool.most == 2


def test_one_failure_does_not_stop_the_others_and_is_not_repeated():
    pool = ScriptedPool({"a": [FINISHED], "b": [FAILED], "c": [FINISHED]})
    assert run(pool) == ["finished", "failed", "finished"]
    assert pool.started == ["a", "b", "c"]


def test_a_lost_worker_is_replaced_so_often_and_then_it_is_a_failure(tmp_path):
    pool = ScriptedPool({"a": [LOST, LOST, FINISHED], "b": [LOST, LOST, LOST, FINISHED]})
    assert run(pool, folder=tmp_path) == ["finished", "failed"]
    assert pool.started.count("b") == 3
    assert (tmp_path / "b.txt").read_text() == "killed; tried 3 times\n"
    assert not (tmp_path / "a.txt").exists()


def test_no_retries_means_one_try(tmp_path):
    pool = ScriptedPool({"a": [LOST, FINISHED]})
    assert run(pool, folder=tmp_path, retries=0) == ["failed"]
    assert (tmp_path / "a.txt").read_text() == "killed; tried once\n"


def test_a_clean_stop_that_nobody_here_asked_for_is_no_fault_however_often():
    pool = ScriptedPool({"a": [STOPPED] * 20 + [FINISHED]})
    assert run(pool, retries=0) == ["finished"]


def test_a_busy_run_is_tried_later_and_others_go_first(monkeypatch):
    monkeypatch.setattr(scheduler, "BUSY_SECONDS", 0.05)
    pool = ScriptedPool({"a": [BUSY, BUSY, FINISHED], "b": [FINISHED]}, workers=1)
    assert run(pool) == ["finished", "finished"]
    assert pool.started == ["a", "b", "a", "a"]


def test_a_busy_run_is_left_alone_for_longer_each_time(monkeypatch):
    now, starts = 0.0, list[float]()

    class Clocked(ScriptedPool):
        def start(self, task):
            starts.append(now)
            return super().start(task)

        def wait(self, seconds):
            nonlocal now
            now += seconds

    monkeypatch.setattr(scheduler, "time", SimpleNamespace(monotonic=lambda: now))
    assert run(Clocked({"a": [BUSY] * 8 + [FINISHED]})) == ["finished"]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses == [6, 11, 21, 41, 81, 161, 301, 301]  # with the second that a look takes


@pytest.mark.parametrize("last", [[STOPPED], [LOST], [BUSY], []])
def test_a_stop_reaches_the_workers_and_nothing_more_is_started(last):
    stop = Stop()

    class Watcher(scheduler.Unwatched):
        def started(self, task: Task) -> None:
            stop.ask("SIGTERM")

    pool = ScriptedPool({"a": last, "b": [FINISHED], "c": [FINISHED]}, workers=1)
    assert run(pool, stop, watcher=Watcher()) == ["stopped"] * 3
    assert pool.started == ["a"]


def test_what_was_finished_before_a_stop_stays_finished():
    stop = Stop()

    class Watcher(scheduler.Unwatched):
        def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
            stop.ask("time limit")

    pool = ScriptedPool({"a": [FINISHED], "b": [FINISHED]}, workers=1)
    assert run(pool, stop, watcher=Watcher()) == ["finished", "stopped"]


def test_no_bound_on_workers_queues_everything():
    pool = ScriptedPool({name: [FINISHED] for name in "abcde"}, workers=None)
    assert run(pool) == ["finished"] * 5
    assert pool.most == 5
