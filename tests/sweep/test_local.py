"""Processes on this machine, for real: killed, hung up on, and side by side."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from copycost.runner.stopping import Stop
from copycost.sweep.executors import local
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local, LocalJob, LocalPool, visible_gpus
from copycost.sweep.results import Result, RunState
from copycost.sweep.scheduler import Unwatched
from copycost.sweep.sweep import Sweep
from copycost.sweep.work import CopyVictim, Ended, Outcome, Task
from tests.sweep.conftest import sweep_of
from tests.sweep.killing import kill_in_the_middle, wait_for_save

SERVER: Any = forkserver._forkserver
LONG = {"budget": 16_000, "evaluations": 80}
"""Some seconds, with a checkpoint in every fraction of one."""


class Killer(Unwatched):
    """Kills the worker of the first attack once it has saved a checkpoint, `times` times."""

    def __init__(self, sweep: Sweep, times: int) -> None:
        folder = sweep.look()[0].folder
        assert folder is not None
        self.folder, self.times, self.errors = folder, times, list[str]()

    def started(self, task: Task) -> None:
        if isinstance(task, CopyVictim) and task.folder == self.folder and self.times:
            self.times -= 1
            threading.Thread(target=self._kill).start()

    def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
        self.errors += [outcome.error] if outcome.ended is Ended.LOST else []

    def _kill(self) -> None:
        kill_in_the_middle(self.folder)


def do(sweep: Sweep, workers: int = 2, **more: object) -> list[Result]:
    terms = Terms(sweep.folder, workers=workers, threads=1, gpus=False)
    return sweep.run(Local(), terms, **more)  # type: ignore[arg-type]


def test_runs_are_done_by_processes_of_their_own(values, tmp_path):
    results = do(sweep_of(values, tmp_path))
    assert [result.state for result in results] == [RunState.FINISHED] * 2
    assert {result.record.surroundings.threads for result in results if result.record} == {1}


def test_gpus_are_given_to_the_slots_in_turn():
    pool = LocalPool(workers=5, threads=1, gpus=["3", "MIG-7"])
    assert pool._gpus == ["3", "MIG-7", "3", "MIG-7", "3"]
    assert LocalPool(workers=2, threads=1, gpus=[])._gpus == [None, None]


@pytest.mark.parametrize(
    ("present", "variable", "expected"),
    [(2, None, ["0", "1"]), (1, "5", ["5"]), (0, "5", []), (2, "3, 4", ["3", "4"]), (0, "", [])],
)
def test_gpus_are_named_as_this_process_sees_them(monkeypatch, present, variable, expected):
    monkeypatch.setattr("torch.cuda.device_count", lambda: present)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == expected


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_goes_on_in_another(values, tmp_path):
    sweep = sweep_of(values | {"axes": {k: [v] for k, v in LONG.items()}}, tmp_path)
    killer = Killer(sweep, times=2)
    killed, other = do(sweep, watcher=killer)
    assert killer.errors == ["the worker was killed by SIGKILL"] * 2
    assert (killed.state, other.state) == (RunState.FINISHED, RunState.FINISHED)
    assert killed.record is not None
    assert len(killed.record.resumed) == 2
    assert killed.record.accounts["attacker"].lost > 0
    assert killed.record.spent <= killed.record.budget
    assert other.record is not None
    assert other.record.resumed == []


@pytest.mark.slow
def test_a_worker_killed_too_often_is_a_failure_and_the_next_sweep_goes_on(values, tmp_path):
    sweep = sweep_of(values | {"axes": {k: [v] for k, v in LONG.items()}}, tmp_path)
    killed, other = do(sweep, watcher=Killer(sweep, times=2), retries=1)
    assert (killed.state, other.state) == (RunState.FAILED, RunState.FINISHED)
    assert killed.error == "the worker was killed by SIGKILL; tried 2 times"
    assert killed.error_file is not None
    assert killed.error_file.read_text() == killed.error + "\n"
    killed, other = do(sweep)
    assert (killed.state, other.state) == (RunState.FINISHED, RunState.SKIPPED)
    assert not (killed.folder / "error.txt").exists()  # type: ignore[operator]


@pytest.mark.slow
def test_a_stop_leaves_checkpoints_that_lose_nothing(values, tmp_path):
    sweep = sweep_of(values | {"axes": {k: [v] for k, v in LONG.items()}}, tmp_path)
    stop = Stop()

    class Stopper(Killer):
        def _kill(self) -> None:
            wait_for_save(self.folder)
            stop.ask("time limit")

    stopped = do(sweep, stop=stop, watcher=Stopper(sweep, times=1))[0]
    assert stopped.state is RunState.STOPPED
    assert stopped.record is not None
    assert stopped.record.ended == "time limit"
    assert 0 < stopped.record.spent < LONG["budget"]
    finished = do(sweep)
    assert {result.state for result in finished} <= {RunState.FINISHED, RunState.SKIPPED}
    for result in finished:
        assert result.record is not None
        assert result.record.accounts["attacker"].lost == 0
    assert len(finished[0].record.resumed) == 1  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_worker_whose_sweep_is_gone_stops_cleanly(values, tmp_path):
    sweep = sweep_of(values | {"axes": {k: [v] for k, v in LONG.items()}}, tmp_path)
    task = sweep._task(0, sweep.look()[0])
    with Local().open(Terms(sweep.folder, workers=1, threads=1, gpus=False)) as pool:
        job = pool.start(task)
        assert isinstance(job, LocalJob)
        wait_for_save(task.folder)
        job.pipe.close()  # all that a worker would notice of a sweep that was killed
        job.process.join(timeout=60)
        assert job.process.exitcode == 0
        job.ended = True
    record = sweep.look()[0].record
    assert record is not None
    assert record.ended == "end of the sweep"
    assert record.accounts["attacker"].lost == 0


@dataclass(frozen=True)
class Wait(Task):
    """Waits to be stopped, though not for ever."""

    def run(self, stop: Stop) -> Outcome:
        for _ in range(3000):
            if stop.reason:
                return Outcome(Ended.STOPPED, stop.reason)
            time.sleep(0.01)
        return Outcome(Ended.FINISHED)

    @property
    def error_file(self) -> Path:
        return Path(os.devnull)


def pool_of_one() -> LocalPool:
    return LocalPool(workers=1, threads=1, gpus=[])


class Deaf(Wait):
    """Hangs, for as long as it takes a test to fail."""

    def run(self, stop: Stop) -> Outcome:
        time.sleep(20)
        return Outcome(Ended.FINISHED)


def started(pool: LocalPool, kind: type[Task] = Wait) -> LocalJob:
    return pool.start(kind("wait", None))  # type: ignore[arg-type]


@pytest.fixture
def no_server() -> Iterator[None]:
    """No fork server is running; in the background SIGINT would be ignored, and so is not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    SERVER._stop()
    yield
    SERVER._stop()
    signal.signal(signal.SIGINT, before)


def test_workers_hear_what_their_fork_server_does_not(no_server):
    job = started(pool_of_one())
    assert job.process.pid is not None
    os.kill(job.process.pid, signal.SIGTERM)  # before it is ready for it, most likely
    job.pipe.poll(60)
    assert job.outcome() == Outcome(Ended.STOPPED, "SIGTERM")


def interrupted_after_a_stop(jobs: list[LocalJob]) -> None:
    with Local().open(Terms(Path(), workers=1, threads=1, gpus=False)) as pool:
        assert isinstance(pool, LocalPool)
        jobs.append(started(pool, Deaf))
        jobs[0].stop("Ctrl-C")
        raise KeyboardInterrupt


def test_a_second_ctrl_c_kills_workers_that_hang():
    jobs: list[LocalJob] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_after_a_stop(jobs)
    assert jobs[0].process.exitcode == -signal.SIGKILL


def test_ctrl_c_while_workers_are_waited_for_kills_them(monkeypatch):
    def interrupted(job: LocalJob) -> None:
        raise KeyboardInterrupt

    pool = pool_of_one()
    job = started(pool, Deaf)
    monkeypatch.setattr(LocalJob, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.close()
    job.process.join()
    assert job.process.exitcode == -signal.SIGKILL


def test_a_worker_that_cannot_be_started_is_lost(monkeypatch):
    def refuse(process: object) -> None:
        raise EOFError  # what comes of a fork server that died

    pool = pool_of_one()
    monkeypatch.setattr(ForkServerProcess, "start", refuse)
    job = started(pool)
    assert job.outcome() == Outcome(Ended.LOST, "the worker could not be started")
    pool.close()


@pytest.mark.parametrize(
    ("number", "pause"), [("SIGINT", 0.0), ("SIGINT", 0.3), ("SIGTERM", 0.3), ("SIGHUP", 0.0)]
)
def test_what_stops_a_sweep_does_not_kill_its_fork_server(no_server, monkeypatch, number, pause):
    monkeypatch.setattr(local, "PRELOADED", ["tests.sweep.slow_import"])
    context = pool_of_one()._context
    local._ensure_server()
    server = SERVER._forkserver_pid
    time.sleep(pause)  # Python itself starts, or it imports
    os.kill(server, signal.Signals[number])
    process = context.Process(target=int)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert SERVER._forkserver_pid == server


class Pipe:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, reason: str) -> None:
        self.sent.append(reason)


def test_a_worker_is_told_once_to_stop():
    """What nobody reads would fill the line to it, and then the sweep would wait for ever."""
    job = object.__new__(LocalJob)
    job.pipe, job.told = Pipe(), False  # type: ignore[assignment]
    for _ in range(300):
        job.stop("SIGTERM")
    assert job.pipe.sent == ["SIGTERM"]  # type: ignore[attr-defined]
