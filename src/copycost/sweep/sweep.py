"""A sweep: the victims first, then every run that is not finished, then what became of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from copycost.errors import ConfigError, RunError
from copycost.files import AnyPath, ensure_writable
from copycost.runner.audit import run_folder
from copycost.runner.config import RunConfig
from copycost.runner.making import check_devices, check_runs
from copycost.runner.pools import check_pools
from copycost.runner.record import Record, read_record
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Executor, Pool, Terms
from copycost.sweep.grid import names, unique
from copycost.sweep.results import Result, State
from copycost.sweep.schedule import RETRIES, Schedule, Watcher
from copycost.sweep.victims import Home, homes_of
from copycost.sweep.work import CopyVictim, Ended, Outcome, TrainVictim


class Sweep:
    """Runs that belong together, and where they stand."""

    def __init__(self, runs: Sequence[RunConfig], root: AnyPath) -> None:
        """Runs that are the same are taken once. Their folders go under `root`.

        Raises `ConfigError`, with every fault, for victims and data that there cannot be.
        """
        if not runs:
            raise ConfigError(["There are no runs in this sweep. Name an attack and a budget."])
        self.root = Path(root).resolve()
        self.runs = unique(runs)
        self.repeated = len(runs) - len(self.runs)
        self._homes = homes_of(self.runs, self.root)
        self._names = names(self.runs)

    @property
    def folder(self) -> Path:
        """Where the report and the executor's own files go: the same for the same runs."""
        text = "".join(run.identity("") for run in self.runs)
        return self.root / f"sweep-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def untrained(self) -> list[Home]:
        """The victims that must be trained first, each once."""
        return list({home.folder: home for home in self._homes if not home.trained}.values())

    @property
    def gpus(self) -> bool:
        """Whether any run may compute on a GPU."""
        return any(run.device != "cpu" for run in self.runs)

    def look(self) -> list[Result]:
        """Where each run stands, from what is on the disk."""
        return [
            self._look(run, home, name)
            for run, home, name in zip(self.runs, self._homes, self._names, strict=True)
        ]

    def check(self) -> None:
        """Raise for runs, of those not finished, that cannot begin: known before there is a victim.

        `ConfigError`, with every fault, for budgets that pay for no step; for a pool that cannot
        be read what `load_pool` raises.
        """
        _check(self._left())

    def run(
        self,
        executor: Executor,
        terms: Terms,
        *,
        stop: Stop | None = None,
        watcher: Watcher | None = None,
        retries: int = RETRIES,
    ) -> list[Result]:
        """Train the victims and do all runs that are not finished; one result a run, in order.

        A run that fails does not keep the others from theirs. Two sweeps may work side by
        side: a run that another process has in hand is waited for, not repeated.

        Raises, before anything starts, what `check` does, and `ConfigError` for a folder that
        cannot be written in and for devices that are missing where the executor is to find them:
        on this machine.
        """
        left = self._left()
        if not left:
            return self.look()
        _check(left)
        if executor.here:
            check_devices(left)
        ensure_writable(self.folder)
        stop = stop or Stop()
        with executor.open(terms) as pool:
            failed = self._train_victims(pool, stop, watcher, retries)
            plan = self.look()
            tasks = {
                number: self._task(number, result)
                for number, result in enumerate(plan)
                if result.state is State.PLANNED and result.folder
            }
            outcomes = Schedule(pool, stop, watcher, retries).run(list(tasks.values()))
        ended = dict(zip(tasks, outcomes, strict=True))
        return [
            self._result(number, result, ended.get(number) or failed.get(home.folder))
            for number, (result, home) in enumerate(zip(plan, self._homes, strict=True))
        ]

    def _left(self) -> list[RunConfig]:
        return [result.config for result in self.look() if not result.finished]

    def _train_victims(
        self, pool: Pool, stop: Stop, watcher: Watcher | None, retries: int
    ) -> dict[Path, Outcome]:
        """Train what is missing; the outcomes of those that could not be, by their folders."""
        tasks = [TrainVictim(f"victim {home.name}", home) for home in self.untrained]
        outcomes = Schedule(pool, stop, watcher, retries).run(tasks)
        return {
            task.home.folder: replace(outcome, error=f"{task.name}: {outcome.error}")
            for task, outcome in zip(tasks, map(_seen, tasks, outcomes), strict=True)
            if outcome.ended is Ended.FAILED
        }

    def _task(self, number: int, result: Result) -> CopyVictim:
        assert result.folder is not None
        return CopyVictim(result.name, self._homes[number], result.config, result.folder)

    def _look(self, run: RunConfig, home: Home, name: str) -> Result:
        content_hash = home.content_hash
        if content_hash is None:
            return Result(name, run, State.PLANNED)
        folder = run_folder(self.root, run, content_hash)
        record = _record(folder)
        state = State.SKIPPED if record and record.finished else State.PLANNED
        return Result(name, run, state, run.identity(content_hash), folder, record)

    def _result(self, number: int, before: Result, outcome: Outcome | None) -> Result:
        """What became of a run that stood as `before`, by its outcome or its victim's."""
        if before.state is State.SKIPPED:
            return before
        if outcome is None:
            return replace(before, state=State.STOPPED)
        now = self._look(self.runs[number], self._homes[number], before.name)
        if outcome.ended is Ended.FINISHED and now.state is not State.SKIPPED:
            error = f"its worker finished it, but there is no record in {now.folder}"
            return replace(now, state=State.FAILED, error=f"{error}: do all machines see it?")
        if outcome.ended is not Ended.FAILED:
            return replace(now, state=State(outcome.ended))
        home = self._homes[number]
        task = self._task(number, now) if now.folder else TrainVictim(now.name, home)
        return replace(
            now, state=State.FAILED, error=outcome.error, error_file=_existing(task.error_file)
        )


def _check(runs: Sequence[RunConfig]) -> None:
    check_runs(runs, processes=1)
    check_pools(runs)


def _seen(task: TrainVictim, outcome: Outcome) -> Outcome:
    """`outcome`, unless it is of a victim that is not here."""
    if outcome.ended is not Ended.FINISHED or task.home.content_hash is not None:
        return outcome
    error = f"its worker finished it, but it is not in {task.home.folder}: do all machines see it?"
    return Outcome(Ended.FAILED, error)


def finished_folders(results: Iterable[Result]) -> list[Path]:
    """The folders that a report may be written on."""
    return [result.folder for result in results if result.finished and result.folder]


def _record(folder: Path) -> Record | None:
    try:
        return read_record(folder)
    except RunError:
        return None  # not begun; or damaged, which the run itself will say


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
