"""What is measured of which run, with what; nothing is asked and nothing learnt."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.bench import carry_out, work
from copycost.bench.adversarial import TransferRate
from copycost.bench.carry_out import Bench
from copycost.bench.fresh import FreshRecipe, Trained
from copycost.bench.plan import BenchConfig
from copycost.bench.work import FreshResult, Measure
from copycost.metrics.transferability import PGD
from copycost.nets.seeded import derive
from copycost.runner.config import RunConfig
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.sweep.results import Result, RunState
from copycost.sweep.work import Ended, Outcome
from tests.bench.made_up import made_up

RATE = TransferRate(
    tried=9, on_victim=0.4, on_student=0.5, by_chance=0.1, asked=18, auditor_spent=50
)


def fresh(budget: int, of: RunConfig) -> FreshResult:
    """Its seed and steps say which run's queries it learnt from."""
    return FreshResult(
        budget=budget, steps=of.budget, learnt=of.seed, kept_out=0, last={"accuracy": 0.4},
        chosen=None, chosen_at=None, seconds=1.0,
    )  # fmt: skip


def measure(folder: Path, seed: int = 5, **changes: Any) -> Measure:
    config = RunConfig(victim="digits-lenet", student="lenet", budget=240, seed=seed)
    settings: dict[str, Any] = {
        "pgd": PGD(),
        "recipe": FreshRecipe(),
        "budgets": (120, 240),
    } | changes
    home: Any = None
    return Measure(name="it", home=home, config=config, folder=folder, **settings)


@pytest.mark.parametrize("budget", [120, 240])
@pytest.mark.parametrize("seed", [5, 6])
def test_a_fresh_student_has_the_queries_and_steps_of_its_budget_and_the_chance_of_its_seed(
    monkeypatch, tmp_path, budget, seed
):
    asked: dict[str, Any] = {}

    def train(recipe, build, queries, steps, chance, device, keeper):
        asked.update(built=build(), queries=queries, steps=steps, chance=chance)
        return Trained(build(), None, None, learnt=1, kept_out=0, seconds=0.0)

    monkeypatch.setattr(work, "train_fresh", train)
    monkeypatch.setattr(work, "student_of", lambda *given: given)
    monkeypatch.setattr(work, "read_transfer_set", lambda folder: folder)
    monkeypatch.setattr(work, "first_queries", lambda *given: given)
    target: Any = SimpleNamespace(victim=SimpleNamespace(spec="spec", classes=4))
    judge: Any = SimpleNamespace(evaluate=lambda network: {"accuracy": 0.5})
    engine: Any = SimpleNamespace(device="cpu")
    keeper: Any = None
    found = measure(tmp_path, seed)._train(budget, target, judge, engine, keeper)
    assert asked == {
        "built": ("lenet", "spec", 4, derive(seed, "fresh student")),
        "queries": (tmp_path, budget),
        "steps": FreshRecipe().steps(budget),
        "chance": derive(seed, "fresh student's lessons"),
    }
    assert (found.budget, found.steps) == (budget, FreshRecipe().steps(budget))


def test_all_is_measured_once_the_rate_and_every_fresh_student_are(tmp_path):
    it, done = measure(tmp_path), []
    RATE.write_to(it._transfer_file)
    for budget in it.budgets:
        done.append(it.done)
        fresh(budget, it.config).write_to(it._fresh_file(budget))
    assert [*done, it.done] == [False, False, True]
    it._transfer_file.unlink()
    assert not it.done


def test_what_was_measured_with_other_settings_counts_for_nothing(tmp_path):
    it = measure(tmp_path)
    RATE.write_to(it._transfer_file)
    fresh(120, it.config).write_to(it._fresh_file(120))
    assert (it.transfer(), it.fresh(120)) == (RATE, fresh(120, it.config))
    assert it.fresh(240) is None
    assert measure(tmp_path, pgd=PGD(steps=3)).transfer() is None
    assert measure(tmp_path, recipe=FreshRecipe(passes=3)).fresh(120) is None


@pytest.fixture
def bench(values, tmp_path, monkeypatch) -> Bench:
    """Two attacks at two budgets with two seeds, all finished, and measured as `fresh` says."""
    bench = Bench(BenchConfig.read(values | {"seeds": 2}), tmp_path)
    monkeypatch.setattr(Measure, "transfer", lambda it: RATE)
    monkeypatch.setattr(Measure, "fresh", lambda it, budget: fresh(budget, it.config))
    bench.results = [finished(result, tmp_path / result.name) for result in bench.results]
    return bench


def finished(result: Result, folder: Path) -> Result:
    made: Record = made_up(result.config.seed, {"accuracy": 0.4, "agreement": 0.4})
    return replace(result, state=RunState.FINISHED, folder=folder, record=made)


def place_of(bench: Bench, attack: str, budget: int, seed: int) -> int:
    return bench._places[attack, budget, seed]


def test_fresh_students_learn_the_first_queries_of_their_seeds_run_at_the_largest_budget(bench):
    found = {
        (attack.attack, budget.budget, run.seed): (run.fresh.budget, run.fresh.steps)
        for attack in bench.record().attacks
        for budget in attack.budgets
        for run in budget.runs
        if run.fresh is not None and run.fresh.learnt == run.seed
    }
    assert found == {
        (attack, budget, seed): (budget, 240)
        for attack in ("dfme", "random-noise") for budget in (120, 240) for seed in (0, 1)
    }  # fmt: skip


def test_where_the_largest_run_is_not_finished_its_seed_has_no_fresh_student(bench):
    at = place_of(bench, "dfme", 240, 1)
    stopped = bench.results[at].record.model_copy(update={"ended": "SIGTERM"})
    bench.results[at] = replace(bench.results[at], state=RunState.STOPPED, record=stopped)
    runs = {(b.budget, r.seed): r for b in bench.record().attacks[0].budgets for r in b.runs}
    there = {place: run.fresh is not None for place, run in runs.items()}
    assert there == {(120, 0): True, (120, 1): False, (240, 0): True, (240, 1): False}
    assert {place: run.id is not None for place, run in runs.items()} == {
        (120, 0): True, (120, 1): True, (240, 0): True, (240, 1): False,
    }  # fmt: skip


def test_a_run_without_a_record_may_have_diverged_and_one_with_a_record_has_not(bench, monkeypatch):
    monkeypatch.setattr(carry_out, "has_diverged", lambda folder: True)
    at = place_of(bench, "dfme", 120, 1)
    bench.results[at] = replace(bench.results[at], state=RunState.FAILED, record=None)
    small, large = bench.record().attacks[0].budgets
    assert [run.diverged for run in (*small.runs, *large.runs)] == [False, True, False, False]


def test_what_an_attacker_held_is_what_its_runs_say(bench):
    """A pool may turn out to be the victim's own training data."""
    at = place_of(bench, "dfme", 120, 0)
    told = bench.results[at].record.model_copy(update={"knowledge": "in-distribution"})
    bench.results[at] = replace(bench.results[at], record=told)
    kinds = [attack.kind for attack in bench.record().attacks]
    assert kinds == ["in-distribution", "strictly data-free"]


def test_fresh_students_are_trained_for_the_largest_runs_alone(bench):
    asked = {r.config.budget: bench._measure(r).budgets for r in bench.results}
    assert asked == {120: (), 240: (120, 240)}


def test_only_finished_runs_that_are_not_measured_are_and_a_failure_is_told(bench, monkeypatch):
    """Of eight one is measured and one was stopped; of the others the first measurement fails."""
    measured, stopped = bench.results[0].folder, bench.results[1].folder
    bench.results[1] = replace(bench.results[1], state=RunState.STOPPED)
    monkeypatch.setattr(Measure, "done", property(lambda it: it.folder == measured))
    assert bench.unmeasured == 7
    waiting: list[Measure] = []

    class Made:
        def __init__(self, pool, stop, watcher):
            pass

        def run(self, tasks):
            waiting.extend(tasks)
            ends = [
                Outcome(Ended.FAILED, "no room", Path("error.txt")),
                *[Outcome(Ended.FINISHED)] * 5,
            ]
            return ends

    monkeypatch.setattr(carry_out, "Scheduler", Made)
    monkeypatch.setattr(bench.sweep, "run", lambda *_, **__: bench.results)
    executor: Any = SimpleNamespace(open=lambda terms: nullcontext())
    terms: Any = None
    bench.run(executor, terms, Stop())
    assert [it.folder for it in waiting] == [r.folder for r in bench.results[2:]]
    assert stopped not in [it.folder for it in waiting]
    errors = [result.error for result in bench.results]
    assert errors == [None, None, "no room", None, None, None, None, None]
    assert bench.results[2].state is RunState.FAILED
    assert bench.results[2].error_file == Path("error.txt")
