"""What a dry run times, and how it adds up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.presets.victims import VICTIMS
from copycost.reproduce import estimate as module
from copycost.reproduce import timing, timing_looks
from copycost.reproduce.carry_out import Reproduction
from copycost.reproduce.diagnoses import Diagnosis
from copycost.reproduce.estimate import estimate, kind_of
from copycost.reproduce.timing import Cost, Kind, time_run, time_training
from copycost.runner.record import AccountFacts
from copycost.studies.vanishing_record import DiagnosisGrid
from copycost.sweep.executors.base import Terms
from copycost.sweep.results import Result, RunState
from copycost.sweep.victims import saved_home_of
from copycost.types import InputSpec
from tests.report.made_up import record as looked_into
from tests.reproduce.conftest import tiny_plan
from tests.reproduce.made_up import record_of

FAKE = Cost(
    begin_seconds=2.0,
    step_seconds=0.5,
    query_seconds=0.01,
    judge_seconds=0.001,
    kept_bytes=1000,
    passing_bytes=500,
    images=8,
)


@pytest.fixture
def timed(monkeypatch) -> list[str]:
    """Nothing is timed: every kind costs the same. The kinds asked for."""
    asked: list[str] = []

    def time_run(kind: Kind, seconds: float) -> Cost:
        asked.append(kind.key)
        return FAKE

    monkeypatch.setattr(module, "time_run", time_run)
    monkeypatch.setattr(module, "time_training", lambda *_: 0.001)
    return asked


def parameters(victim: str) -> int:
    network = ARCHITECTURES[VICTIMS[victim].recipe.architecture](InputSpec(shape=(1, 8, 8)), 10)
    return sum(weights.numel() for weights in network.parameters())


def terms(tmp_path, workers: int = 1) -> Terms:
    return Terms(folder=tmp_path, workers=workers, threads=1, gpus=False)


def left(runs) -> list[Result]:
    return [Result("", run, RunState.PLANNED) for run in runs]


def test_runs_that_cost_the_same_are_timed_once():
    plan = tiny_plan(figures=range(2, 10), seeds=3)
    # Two victims, with logits recovered or not; schedules, rates and seeds cost nothing.
    assert len({kind_of(run).key for run in plan.runs}) == 4
    plan = tiny_plan(figures=(), analyses=("learning-rates", "schedules", "budgets"), seeds=3)
    assert len({kind_of(run).key for run in plan.runs}) == 1


def test_the_sum_is_of_queries_evaluations_and_what_each_run_begins_with(timed, tmp_path):
    (run,) = tiny_plan(figures=(2,)).runs
    expected = estimate(left([run]), [], terms(tmp_path))
    # 3 to start, 2 to begin, 600 queries, 10 evaluations and 3 more of 445 images each.
    assert expected.seconds == pytest.approx(3 + 2 + 600 * 0.01 + 13 * 445 * 0.001)
    assert expected.disk_bytes == 1000 + 500
    assert len(timed) == 1


def test_what_a_stopped_run_has_spent_takes_no_time(timed, tmp_path):
    runs = left(tiny_plan(figures=(2,)).runs)
    whole = estimate(runs, [], terms(tmp_path)).seconds
    spent = {"attacker": AccountFacts(budget=600, spent=504)}
    halfway = [replace(one, record=record_of(one.config, "", accounts=spent)) for one in runs]
    rest = estimate(halfway, [], terms(tmp_path)).seconds
    assert whole - rest == pytest.approx(504 * 0.01)


def test_victims_are_trained_first_and_workers_share_the_rest(timed, tmp_path):
    runs = tiny_plan(figures=(2,), seeds=3).runs
    homes = list(dict.fromkeys(saved_home_of(run, tmp_path) for run in runs))
    one = estimate(left(runs), [], terms(tmp_path)).seconds / 3
    recipe = VICTIMS["digits-cnn"].recipe
    training = recipe.epochs * 1_352 * 0.001
    expected = estimate(left(runs), homes, terms(tmp_path, workers=2))
    assert expected.seconds == pytest.approx(training + 2 * one)
    victim = 4 * parameters("digits-cnn")
    assert expected.disk_bytes == pytest.approx(3 * 1000 + 2 * 500 + victim, rel=0.02)
    assert expected.timed[0].startswith("training digits-cnn: 1,000.0 images a second")
    assert "estimate" in expected.how


def test_timing_ends_and_says_what_it_did_not_time(timed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.0)
    expected = estimate(left(tiny_plan(figures=(2, 3, 8)).runs), [], terms(tmp_path))
    assert len(timed) == 1
    assert sum("not timed" in line for line in expected.timed) == 2


def diagnosis(tmp_path, **changes) -> Diagnosis:
    reproduction = Reproduction(
        tiny_plan(figures=(), analyses=("gradients",)), tmp_path / "work", tmp_path
    )
    (one,) = reproduction.undiagnosed
    return replace(one, **changes)


def test_a_diagnosis_is_played_and_looked_at_after_the_runs(timed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "time_look", lambda *_: 7.0)
    runs = left(tiny_plan(figures=(2,)).runs)
    alone = estimate(runs, [], terms(tmp_path))
    expected = estimate(runs, [], terms(tmp_path, workers=2), [diagnosis(tmp_path)] * 2)
    # 2 to begin, 600 queries, 2 looks, each with 445 images judged.
    one = 2 + 600 * 0.01 + 2 * (7 + 445 * 0.001)
    assert alone.diagnoses_seconds == 0
    assert expected.diagnoses_seconds == pytest.approx(2 * one)
    assert expected.seconds == pytest.approx(alone.seconds + 2 * one)
    assert expected.timed[-1] == "a look of a diagnosis: 7.0 s"


def test_what_a_stopped_diagnosis_has_done_takes_no_time(timed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "time_look", lambda *_: 7.0)
    stopped = looked_into().model_copy(update={"spent": 500})
    one = replace(diagnosis(tmp_path), record=stopped, grid=DiagnosisGrid(moments=4))
    expected = estimate([], [], terms(tmp_path), [one])
    assert expected.seconds == pytest.approx(2 + 100 * 0.01 + 7 + 445 * 0.001)


def test_looks_are_left_out_aloud_where_there_is_no_time(timed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.0)
    expected = estimate([], [], terms(tmp_path), [diagnosis(tmp_path)])
    assert expected.timed[-1] == "a look of a diagnosis: left out for want of time"


def test_a_look_is_timed_by_few_directions_and_where_time_is_short_few_images(monkeypatch):
    asked = []

    def seconds(kind: Kind, grid: DiagnosisGrid, directions: int, device: torch.device) -> float:
        asked.append((grid.images, grid.coarse_images, directions))
        return grid.images * (1 + directions)

    monkeypatch.setattr(timing_looks, "_seconds", seconds)
    kind = kind_of(tiny_plan(figures=(2,)).runs[0])
    whole = 128 * (1 + 100)
    assert timing_looks.time_look(kind, DiagnosisGrid(), 1e9) == whole
    assert asked[-2:] == [(128, 32, 1), (128, 32, 5)]
    assert timing_looks.time_look(kind, DiagnosisGrid(), 1.0) == whole
    assert asked[-2:] == [(8, 2, 1), (8, 2, 5)]


def test_a_look_is_timed_for_real():
    plan = tiny_plan(figures=(2,))
    kind, grid = kind_of(plan.runs[0]), DiagnosisGrid(**plan.scale.looks)
    assert 0 < timing_looks.time_look(kind, grid, 60) < 10


def test_nothing_left_takes_no_time(tmp_path):
    expected = estimate([], [], terms(tmp_path))
    assert (expected.seconds, expected.disk_bytes, expected.timed) == (0, 0, ())


def test_a_run_is_timed_for_real_with_whole_batches_if_there_is_time():
    kind = kind_of(tiny_plan(figures=(2,)).runs[0])
    whole = time_run(kind, seconds=60)
    assert whole.images == kind.batch_size == 8
    assert 0 < whole.query_seconds < whole.step_seconds
    assert whole.passing_bytes > 100_000  # two networks of some 25 k weights and their moments
    assert time_run(kind, seconds=0).images == 2


def test_a_step_and_a_query_are_timed_without_the_warming_up(monkeypatch):
    now = 100.0
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now))
    clock = timing._Clock(torch.device("cpu"), warm=2, window=3.0)
    for spent, took in ((10, 50.0), (20, 50.0), (30, 1.0), (40, 1.0), (50, 1.0)):
        now += took
        assert not clock.stop.reason
        clock.step(spent)
    assert clock.stop.reason
    assert [clock.step_seconds, clock.query_seconds] == pytest.approx([1.0, 0.1])


def test_training_is_timed_by_the_image_and_leaves_nothing():
    recipe = VICTIMS["digits-lenet"].recipe
    image = time_training(recipe, (1, 8, 8), torch.device("cpu"), seconds=10)
    assert 0 < image < 0.1


def test_an_epoch_is_timed_after_one_to_warm_up(monkeypatch):
    def train(recipe, dataset, device, seed, on_epoch):
        on_epoch(1, 0.0, 50.0)
        on_epoch(2, 0.0, 4.0)

    monkeypatch.setattr(timing, "train", train)
    recipe = VICTIMS["digits-lenet"].recipe
    seconds = time_training(recipe, (1, 8, 8), torch.device("cpu"), seconds=1000)
    assert seconds == 4.0 / recipe.batch_size


def test_the_device_is_named(timed, tmp_path):
    expected = estimate(left(tiny_plan(figures=(2,)).runs), [], terms(tmp_path))
    assert (expected.device, Engine("cpu").device.type) == ("CPU", "cpu")
