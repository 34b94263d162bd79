"""Whole sweeps in this process: real runs, real files."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.errors import ConfigError
from copycost.ranks import launched
from copycost.runner.config import RunConfig
from copycost.runner.folder import exclusive
from copycost.runner.record import read_record
from copycost.runner.stopping import Stop
from copycost.sweep import scheduler
from copycost.sweep.executors.base import Terms
from copycost.sweep.results import Result, RunState, counts, sweep_json
from copycost.sweep.sweep import Sweep, finished_folders
from copycost.sweep.victims import SavedHome
from copycost.sweep.work import CopyVictim, Ended, Outcome, TrainVictim, perform
from tests.stops import Soon
from tests.sweep.conftest import Inline, sweep_of


def do(sweep: Sweep, executor: Inline | None = None, stop: Stop | None = None) -> list[Result]:
    return sweep.run(executor or Inline(), Terms(sweep.folder, gpus=False), stop=stop)


def test_all_runs_are_done_and_only_once(values, tmp_path):
    first, second = Inline(), Inline()
    results = do(sweep_of(values, tmp_path), first)
    assert [result.state for result in results] == [RunState.FINISHED] * 2
    assert first.done == ["dfme seed 0", "random-noise seed 0"]
    for result in results:
        assert result.folder is not None
        record = read_record(result.folder)
        assert record == result.record
        assert record.id == result.identity
        assert record.finished
    more = do(sweep_of(values | {"seeds": 2}, tmp_path), second)
    assert [result.state for result in more] == [
        RunState.SKIPPED, RunState.SKIPPED, RunState.FINISHED, RunState.FINISHED,
    ]  # fmt: skip
    assert second.done == ["dfme seed 1", "random-noise seed 1"]
    assert len(finished_folders(more)) == 4


def test_a_sweep_that_is_finished_opens_no_executor(values, tmp_path):
    do(sweep_of(values, tmp_path))

    class Closed(Inline):
        def open(self, terms: Terms):
            raise AssertionError("nothing is to be done")

    results = do(sweep_of(values, tmp_path), Closed())
    assert counts(results) == {"skipped": 2}


def test_duplicates_are_done_once(values, tmp_path):
    executor = Inline()
    sweep = sweep_of(values | {"axes": {"budget": [600, 600]}}, tmp_path)
    assert sweep.repeated == 2
    assert len(do(sweep, executor)) == 2
    assert len(executor.done) == 2


def test_a_run_that_fails_is_loud_keeps_its_traceback_and_lets_the_others_be(values, tmp_path):
    sweep = sweep_of(values, tmp_path)
    broken = sweep.look()[0].folder
    assert broken is not None
    (broken / "run.json").mkdir(parents=True)
    failed, other = do(sweep)
    assert (failed.state, other.state) == (RunState.FAILED, RunState.FINISHED)
    assert failed.error is not None
    assert failed.error.startswith("IsADirectoryError: ")
    assert failed.error_file == broken / "error.txt"
    assert "Traceback (most recent call last)" in failed.error_file.read_text()
    assert json.loads(json.dumps(failed.as_json()))["result"] is None

    (broken / "run.json").rmdir()
    mended, _ = do(sweep_of(values, tmp_path))
    assert mended.state is RunState.FINISHED
    assert not (broken / "error.txt").exists()


def test_a_users_error_is_one_line(values, tmp_path, monkeypatch):
    def refused(config: RunConfig, *_: object, **__: object) -> None:
        raise ConfigError(f"{config.attack} cannot.", "Take another.")

    monkeypatch.setattr("copycost.sweep.work.copy_model", refused)
    results = do(sweep_of(values, tmp_path))
    assert [(result.state, result.error) for result in results] == [
        (RunState.FAILED, f"{attack} cannot. Take another.") for attack in ("dfme", "random-noise")
    ]


def test_budgets_that_pay_for_no_step_are_refused_before_anything_is_done(values, tmp_path):
    sweep, executor = sweep_of(values | {"axes": {"budget": [600, 3]}}, tmp_path), Inline()
    with pytest.raises(ConfigError, match="do not pay for one step"):
        do(sweep, executor)
    assert executor.done == []


def test_devices_of_other_machines_are_not_looked_for_here(values, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    sweep = sweep_of(values | {"shared": values["shared"] | {"device": "cuda"}}, tmp_path)
    far = Inline()
    far.here = False
    results = do(sweep, far)
    assert [result.error for result in results] == [
        "device: there is no cuda; PyTorch finds no CUDA devices here. Use cpu."
    ] * 2
    near = Inline()
    with pytest.raises(ConfigError, match="there is no cuda") as caught:
        do(sweep, near)
    assert len(caught.value.problems) == 1
    assert near.done == []


def test_a_victim_is_trained_once_before_its_runs(values, tmp_path):
    values["shared"] |= {"victim": "digits-lenet", "data": None}
    executor = Inline()
    sweep = sweep_of(values | {"seeds": 2}, tmp_path)
    assert [result.identity for result in sweep.look()] == [None] * 4
    results = do(sweep, executor)
    assert executor.done[0] == "victim digits-lenet"
    assert len(executor.done) == 5
    assert {result.state for result in results} == {RunState.FINISHED}
    # The very folders and names that `copycost audit` would give them.
    for result in results:
        assert result.record is not None
        assert result.record.victim.name == "digits-lenet"
        assert result.folder is not None
        name = f"{result.config.attack}-seed{result.config.seed}-{result.record.id[:12]}"
        assert result.folder.name == name
    assert [p.name for p in (tmp_path / "victims").iterdir() if not p.name.startswith(".")] == [
        "digits-lenet-digits-seed0"
    ]


def test_a_victim_that_only_its_worker_sees_is_a_failure_that_says_so(
    values, tmp_path, monkeypatch
):
    values["shared"] |= {"victim": "digits-lenet", "data": None}
    monkeypatch.setattr(TrainVictim, "run", lambda self, stop: Outcome(Ended.FINISHED))
    results = do(sweep_of(values, tmp_path))
    assert {result.state for result in results} == {RunState.FAILED}
    assert all("do all machines see it?" in (result.error or "") for result in results)


def test_a_run_that_only_its_worker_sees_is_a_failure_that_says_so(values, tmp_path, monkeypatch):
    monkeypatch.setattr(CopyVictim, "run", lambda self, stop: Outcome(Ended.FINISHED))
    sweep = sweep_of(values, tmp_path)
    results = sweep.run(Inline(), Terms(sweep.folder, gpus=False))
    assert [result.state for result in results] == [RunState.FAILED] * 2
    assert all("there is no record in" in (result.error or "") for result in results)


def test_a_worker_is_alone_in_whatever_world_its_sweep_was_started(values, tmp_path, monkeypatch):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    worlds = []
    monkeypatch.setattr(SavedHome, "train", lambda self, stop: worlds.append(launched()))
    home = SavedHome("victim", "digits", tmp_path)
    outcome = perform(TrainVictim("victim", home), Stop())
    assert worlds == [(1, 1)], outcome.error


def test_impossible_threads_are_an_outcome(values, tmp_path):
    task = sweep_of(values, tmp_path)._task(0, sweep_of(values, tmp_path).look()[0])
    outcome = perform(task, Stop(), 100_000)
    assert outcome.ended is Ended.FAILED
    assert "expected 1 to 1024" in (outcome.error or "")


def test_a_victim_that_cannot_be_had_fails_its_runs_and_no_others(values, tmp_path):
    broken = {**values["shared"], "victim": "digits-lenet", "data": "npz:/nowhere.npz"}
    good = sweep_of(values, tmp_path).runs
    bad = sweep_of(values | {"shared": broken}, tmp_path).runs
    results = do(Sweep([*bad, *good], tmp_path))
    assert [str(result.state) for result in results] == ["failed"] * 2 + ["finished"] * 2
    assert results[0].error is not None
    assert results[0].error.startswith("victim digits-lenet: ")
    assert "nowhere.npz" in results[0].error
    assert results[0].error_file is not None
    assert "DataError" in results[0].error_file.read_text()


def test_a_run_in_other_hands_is_waited_for(values, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "BUSY_SECONDS", 0.05)
    sweep = sweep_of(values, tmp_path)
    folder = sweep.look()[0].folder
    assert folder is not None
    executor, found = Inline(), list[Result]()
    with exclusive(folder):
        thread = threading.Thread(target=lambda: found.extend(do(sweep, executor)))
        thread.start()
        while executor.done.count("dfme seed 0") < 3:
            assert thread.is_alive()
    thread.join(timeout=60)
    assert [result.state for result in found] == [RunState.FINISHED] * 2
    assert executor.done[:2] == ["dfme seed 0", "random-noise seed 0"]
    assert all(result.record and not result.record.resumed for result in found)


def test_whoever_finds_a_run_in_other_hands_loads_no_victim(values, tmp_path, monkeypatch):
    sweep = sweep_of(values, tmp_path)
    task = sweep._task(0, sweep.look()[0])
    monkeypatch.setattr(SavedHome, "load", lambda self: pytest.fail("the victim was loaded"))
    with exclusive(task.folder):
        assert perform(task, Stop()).ended is Ended.BUSY


def test_what_a_stopped_run_has_spent_is_not_left(values, tmp_path):
    result = sweep_of(values, tmp_path).look()[0]
    assert result.queries_left == result.config.budget
    record: Any = SimpleNamespace(spent=250)
    stopped = replace(result, record=record)
    assert stopped.queries_left == result.config.budget - 250


def test_a_run_that_was_stopped_in_its_middle_is_not_finished(values, tmp_path):
    sweep = sweep_of(values, tmp_path)
    task = sweep._task(0, sweep.look()[0])
    assert perform(task, Soon(looks=3)).ended is Ended.STOPPED
    assert sweep.look()[0].record is not None
    assert perform(task, Stop()).ended is Ended.FINISHED


def test_a_sweep_stopped_before_it_began_says_so(values, tmp_path):
    results = do(sweep_of(values, tmp_path), stop=Stop(max_minutes=0))
    assert counts(results) == {"stopped": 2}
    assert sweep_json(results, None)["counts"] == {"stopped": 2}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"victim": ""}, "name a preset"),
        ({"victim": "nobody"}, "no victim preset 'nobody'"),
        ({"victim": "/"}, "not a saved model"),
        ({"data": None}, "which data to judge"),
        ({"data": "digit"}, "Did you mean 'digits'"),
    ],
)
def test_victims_that_cannot_be_are_found_before_anything_starts(values, tmp_path, more, expected):
    with pytest.raises(ConfigError, match=expected):
        sweep_of(values | {"shared": values["shared"] | more}, tmp_path)


def test_no_runs_is_one_clear_line():
    with pytest.raises(ConfigError, match="no runs in this sweep") as caught:
        Sweep([], Path("nowhere"))
    assert len(caught.value.problems) == 1
