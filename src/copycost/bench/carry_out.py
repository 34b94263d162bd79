"""Carries out a comparison: does its runs as a sweep, measures them and makes the record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from copycost.bench.plan import BenchConfig
from copycost.bench.result import (
    AttackResult,
    BenchRecord,
    BenchRun,
    BudgetResult,
    bench_run,
    budget_result,
    queries_to,
)
from copycost.bench.work import Measure
from copycost.errors import ConfigError
from copycost.report.knowledge import held
from copycost.runner.config import RunConfig
from copycost.runner.folder import has_diverged
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.settings import write_settings
from copycost.sweep.executors.base import Executor, Terms
from copycost.sweep.results import Result, RunState
from copycost.sweep.scheduler import Scheduler, TaskWatcher
from copycost.sweep.sweep import Sweep
from copycost.sweep.victims import home_of
from copycost.sweep.work import Ended


class Bench:
    """A comparison, and the folder of its runs."""

    def __init__(self, config: BenchConfig, work: Path) -> None:
        """Runs and victims go under `work`. Writes nothing.

        Raises `ConfigError` if no attack can run, with every reason, or for an unknown victim or
        unknown or missing data.
        """
        self.config, self.plan = config, config.plan()
        runs = config.runs()
        if not runs:
            reasons = [f"{one.attack}: {one.reason}" for one in config.skipped]
            raise ConfigError("No attack can run with these settings:", *dict.fromkeys(reasons))
        self.sweep = Sweep(runs, work)
        self.results = self.sweep.look()
        self._places = {_place(result.config): n for n, result in enumerate(self.results)}

    @property
    def queries_left(self) -> int:
        """Queries that the attackers have yet to spend."""
        return sum(result.queries_left for result in self.results if not result.finished)

    @property
    def unmeasured(self) -> int:
        """Number of runs, finished or not, that still lack a measurement."""
        return sum(not (r.finished and self._measure(r).done) for r in self.results)

    def run(
        self, executor: Executor, terms: Terms, stop: Stop, watcher: TaskWatcher | None = None
    ) -> None:
        """Do the unfinished runs, then take the missing measurements."""
        self.results = self.sweep.run(executor, terms, stop=stop, watcher=watcher)
        waiting = {
            number: task
            for number, result in enumerate(self.results)
            if result.finished and not (task := self._measure(result)).done
        }
        if not waiting:
            return
        with executor.open(terms) as pool:
            outcomes = Scheduler(pool, stop, watcher).run(list(waiting.values()))
        for number, outcome in zip(waiting, outcomes, strict=True):
            if outcome.ended is not Ended.FINISHED:
                self.results[number] = replace(
                    self.results[number],
                    state=RunState(outcome.ended),
                    error=outcome.error or None,
                    error_file=outcome.error_file,
                )

    def record(self) -> BenchRecord:
        """What has been found so far."""
        records = [result.record for result in self.results if result.record]
        around = {record.surroundings.model_dump_json(): record.surroundings for record in records}
        config = self.config
        return BenchRecord(
            id=config.identity(),
            config=config.model_dump(mode="json"),
            victim=records[0].victim if records else None,
            access=config.access,
            attacks=tuple(map(self._attack, self.plan)),
            skipped=tuple(config.skipped),
            surroundings=tuple(around.values()),
        )

    def _attack(self, name: str) -> AttackResult:
        attack = self.config.attack(name)
        budgets = [self._budget(name, budget) for budget in self.plan[name]]
        records = [r.record for r in self.results if r.config.attack == name and r.record]
        return AttackResult(
            attack=name,
            kind=held(records[0]) if records else attack.knowledge,
            access=self.config.access,
            queries_per_image=attack.queries_per_image,
            batch_size=attack.batch_size,
            settings=write_settings(attack),
            budgets=tuple(budgets),
            queries_to=queries_to(budgets, records[0].victim.accuracy if records else 0.0),
            collapse_rate=budgets[-1].collapse_rate,
        )

    def _budget(self, attack: str, budget: int) -> BudgetResult:
        """All fresh students of one seed learnt from that seed's run at the largest budget."""
        largest = {run.seed: self._result(run) for run in self.plan[attack][max(self.plan[attack])]}
        runs = [
            self._run(self._result(run), largest[run.seed]) for run in self.plan[attack][budget]
        ]
        return budget_result(budget, runs)

    def _run(self, result: Result, largest: Result) -> BenchRun:
        """One run with its fresh student, which learnt from the queries of `largest`."""
        record = _finished(result)
        return bench_run(
            result.config.seed,
            # The record does not say whether a run finished in this session or before.
            str(RunState.FINISHED if result.finished else result.state),
            record,
            self._measure(result).transfer() if record else None,
            self._measure(largest).fresh(result.config.budget) if _finished(largest) else None,
            result.error,
            diverged=record is None and has_diverged(result.folder),
        )

    def _result(self, run: RunConfig) -> Result:
        return self.results[self._places[_place(run)]]

    def _measure(self, result: Result) -> Measure:
        """The task that measures a finished run."""
        run = result.config
        assert result.folder is not None, "a finished run has a folder"
        budgets = tuple(self.plan[run.attack])
        return Measure(
            name=f"measures of {result.name}",
            home=home_of(run, self.sweep.root),
            config=run,
            folder=result.folder,
            pgd=self.config.pgd,
            recipe=self.config.fresh,
            budgets=budgets if run.budget == budgets[-1] else (),
        )


def _finished(result: Result) -> Record | None:
    """The record of a finished run, even if a measurement of it failed; else None."""
    return result.record if result.record is not None and result.record.finished else None


def _place(run: RunConfig) -> tuple[str, int, int]:
    """What identifies a run within a comparison."""
    return run.attack, run.budget, run.seed
