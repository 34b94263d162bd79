"""A sweep: trains the victims, does every unfinished run, and reports each run's outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from copycost.errors import ConfigError, RunError
from copycost.files import AnyPath, ensure_writable
from copycost.hashes import text_hash
from copycost.runner.audit import run_folder
from copycost.runner.config import RunConfig
from copycost.runner.making import check_devices, check_runs
from copycost.runner.pools import check_pools
from copycost.runner.record import Record, read_record
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Executor, Terms, WorkerPool
from copycost.sweep.grid import names, unique
from copycost.sweep.results import Result, RunState
from copycost.sweep.scheduler import RETRIES, Scheduler, TaskWatcher
from copycost.sweep.victims import Home, SavedHome, homes_of
from copycost.sweep.work import CopyVictim, Ended, Outcome, TrainVictim


class Sweep:
    """Runs that belong together, and their state."""

    def __init__(self, runs: Sequence[RunConfig], root: AnyPath) -> None:
        """Equal `runs` are done once. Their folders go under `root`.

        Raises `ConfigError`, with every fault, for unknown victims and unknown or missing data.
        """
        if not runs:
            raise ConfigError("There are no runs in this sweep. Name an attack and a budget.")
        self.root = Path(root).resolve()
        self.runs = unique(runs)
        self.repeated = len(runs) - len(self.runs)
        self._homes = homes_of(self.runs, self.root)
        self._names = names(self.runs)

    @property
    def folder(self) -> Path:
        """The folder of the report and the executor's own files: the same for the same runs."""
        text = "".join(run.identity("") for run in self.runs)
        return self.root / f"sweep-{text_hash(text)[:12]}"

    @property
    def untrained(self) -> list[SavedHome]:
        """The victims that must be trained first, each once."""
        saved = [home for home in self._homes if isinstance(home, SavedHome)]
        return list(dict.fromkeys(home for home in saved if not home.trained))

    @property
    def gpus(self) -> bool:
        """Whether any run may use a GPU."""
        return any(run.device != "cpu" for run in self.runs)

    def look(self) -> list[Result]:
        """The state of each run, from the files on disk."""
        return [
            self._look(run, home, name)
            for run, home, name in zip(self.runs, self._homes, self._names, strict=True)
        ]

    def check(self) -> None:
        """Raise for unfinished runs that cannot start, as far as this needs no victim.

        Raises `ConfigError`, with every fault, for budgets that pay for no step, and what
        `load_pool` raises for a pool that cannot be read.
        """
        _check(self._left())

    def run(
        self,
        executor: Executor,
        terms: Terms,
        *,
        stop: Stop | None = None,
        watcher: TaskWatcher | None = None,
        retries: int = RETRIES,
    ) -> list[Result]:
        """Train the victims and do all unfinished runs; return one result per run, in order.

        A run that fails does not stop the others. Two sweeps may work side by side: each waits
        for a run that another process holds, and does not repeat it.

        Raises, before anything starts, what `check` raises, and `ConfigError` for a folder that
        cannot be written to, and for missing devices if the executor uses this machine's.
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
                if result.state is RunState.PLANNED and result.folder
            }
            outcomes = Scheduler(pool, stop, watcher, retries).run(list(tasks.values()))
        ended = dict(zip(tasks, outcomes, strict=True))
        return [
            self._result(number, result, ended.get(number) or failed.get(home))
            for number, (result, home) in enumerate(zip(plan, self._homes, strict=True))
        ]

    def _left(self) -> list[RunConfig]:
        return [result.config for result in self.look() if not result.finished]

    def _train_victims(
        self, pool: WorkerPool, stop: Stop, watcher: TaskWatcher | None, retries: int
    ) -> dict[Home, Outcome]:
        """Train the missing victims; return the outcomes of those that failed."""
        tasks = [TrainVictim(f"victim {home.name}", home) for home in self.untrained]
        outcomes = Scheduler(pool, stop, watcher, retries).run(tasks)
        return {
            task.home: replace(outcome, error=f"{task.name}: {outcome.error}")
            for task, outcome in zip(tasks, map(_seen, tasks, outcomes), strict=True)
            if outcome.ended is Ended.FAILED
        }

    def _task(self, number: int, result: Result) -> CopyVictim:
        assert result.folder is not None
        return CopyVictim(result.name, self._homes[number], result.config, result.folder)

    def _look(self, run: RunConfig, home: Home, name: str) -> Result:
        content_hash = home.content_hash
        if content_hash is None:
            return Result(name, run, RunState.PLANNED)
        folder = run_folder(self.root, run, content_hash)
        record = _record(folder)
        state = RunState.SKIPPED if record and record.finished else RunState.PLANNED
        return Result(name, run, state, run.identity(content_hash), folder, record)

    def _result(self, number: int, before: Result, outcome: Outcome | None) -> Result:
        """The result of a run that stood as `before`, from its outcome or its victim's."""
        if before.state is RunState.SKIPPED:
            return before
        if outcome is None:
            return replace(before, state=RunState.STOPPED)
        now = self._look(self.runs[number], self._homes[number], before.name)
        if outcome.ended is Ended.FINISHED and now.state is not RunState.SKIPPED:
            error = f"its worker finished it, but there is no record in {now.folder}"
            return replace(now, state=RunState.FAILED, error=f"{error}: do all machines see it?")
        if outcome.ended is not Ended.FAILED:
            return replace(now, state=RunState(outcome.ended))
        return replace(
            now,
            state=RunState.FAILED,
            error=outcome.error,
            error_file=_existing(outcome.error_file),
        )


def _check(runs: Sequence[RunConfig]) -> None:
    check_runs(runs, processes=1)
    check_pools(runs)


def _seen(task: TrainVictim, outcome: Outcome) -> Outcome:
    """`outcome`; a failure instead if the trained victim cannot be seen from here."""
    if outcome.ended is not Ended.FINISHED or task.home.content_hash is not None:
        return outcome
    error = f"its worker finished it, but it is not in {task.home.folder}: do all machines see it?"
    return Outcome(Ended.FAILED, error)


def finished_folders(results: Iterable[Result]) -> list[Path]:
    """The folders of finished runs, which a report may cover."""
    return [result.folder for result in results if result.finished and result.folder]


def _record(folder: Path) -> Record | None:
    try:
        return read_record(folder)
    except RunError:
        return None  # not started; or damaged, which the run itself will report


def _existing(path: Path | None) -> Path | None:
    return path if path and path.exists() else None
