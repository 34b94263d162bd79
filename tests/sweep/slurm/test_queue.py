"""When a job is gone from Slurm's queue; no Slurm is needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from copycost.sweep.executors import slurm
from copycost.sweep.executors.slurm import Queue


@pytest.fixture
def controller(monkeypatch) -> SimpleNamespace:
    """A clock, the jobs that squeue names, and how often it was asked."""
    held = SimpleNamespace(now=100.0, jobs={"1"}, asked=0)

    def squeue():
        held.asked += 1
        return held.jobs

    monkeypatch.setattr(slurm, "time", SimpleNamespace(monotonic=lambda: held.now))
    monkeypatch.setattr(slurm, "_squeue", squeue)
    return held


def test_a_job_that_was_queued_after_the_last_look_is_not_gone(controller):
    queue = Queue()
    assert not queue.lacks("1")
    controller.now += 1
    controller.jobs = {"1", "2"}
    assert not queue.lacks("2", at_once=True)
    controller.now += slurm.ASK_SECONDS
    assert not queue.lacks("2", at_once=True)
    assert controller.asked == 2


def test_a_job_is_gone_when_it_was_away_for_long_or_at_once_where_it_was_stopped(controller):
    queue, stopped = Queue(), Queue()
    controller.jobs = set()
    found = []
    for _ in range(4):
        found.append((queue.lacks("1"), stopped.lacks("1", at_once=True)))
        controller.now += slurm.ASK_SECONDS
    assert found == [(False, False), (False, True), (False, True), (True, True)]


def test_no_answer_says_nothing(controller):
    queue = Queue()
    controller.jobs = None
    for _ in range(9):
        assert not queue.lacks("1", at_once=True)
        controller.now += slurm.ASK_SECONDS
