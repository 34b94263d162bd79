"""Carries out `copycost sweep` once its options are read. Imports PyTorch: import it late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from copycost.cli.notice import remind
from copycost.cli.output import FAILED, STOPPED, console, print_json, say
from copycost.cli.stopping import stop_at
from copycost.errors import ConfigError
from copycost.report import wording
from copycost.report.groups import group_records
from copycost.report.page import write_report
from copycost.report.table import rows
from copycost.runner.stopping import Stop
from copycost.settings import read_settings
from copycost.sweep.executors import EXECUTORS
from copycost.sweep.executors.base import Executor, Terms
from copycost.sweep.grid import Grid
from copycost.sweep.results import Result, RunState, counts, sweep_json
from copycost.sweep.sweep import Sweep, finished_folders
from copycost.sweep.work import Ended, Outcome, Task

T = TypeVar("T")


@dataclass(frozen=True)
class Command:
    """A sweep, to be run or only shown."""

    sweep: Sweep
    executor: Executor
    terms: Terms

    @classmethod
    def prepare(
        cls,
        values: dict[str, Any],
        executor: str,
        own: dict[str, Any],
        workers: int | None,
        out: Path,
    ) -> Command:
        """Check everything; `ConfigError` lists all faults of the grid and of the executor."""
        problems: list[str] = []
        grid = _collect(problems, lambda: Grid.read(values))
        chosen = _collect(problems, lambda: _read_executor(executor, own))
        asked = {"folder": out, "workers": workers, "threads": grid.threads if grid else None}
        terms: Terms | None = _collect(problems, lambda: read_settings(Terms, asked))
        sweep = _collect(problems, lambda: _sweep(grid, out)) if grid else None
        if not (sweep and chosen and terms):
            raise ConfigError(*problems)
        return cls(sweep, chosen, replace(terms, folder=sweep.folder, gpus=sweep.gpus))

    def show_plan(self, as_json: bool) -> None:
        """Print what would be done."""
        results = self.sweep.look()
        console.print(_plan_table(results))
        for home in self.sweep.untrained:
            say(f"The victim {home.name} will be trained first.")
        left = sum(result.queries_left for result in results if not result.finished)
        say(f"{_count(results)}; {left:,} queries to spend.")
        if as_json:
            print_json(sweep_json(results, None))

    def run(self, deadline: float | None, retries: int, as_json: bool) -> int:
        """Run the sweep, write the report, print the results and return the exit status."""
        if self.sweep.repeated:
            repeated = wording.plural(self.sweep.repeated, "run is", "runs are")
            say(f"{repeated} named more than once; each is done once.")
        remind(run.victim for run in self.sweep.runs)
        stop = stop_at(deadline)
        with stop.on_signals():
            results = self.sweep.run(
                self.executor, self.terms, stop=stop, watcher=Log(), retries=retries
            )
        report = self._report(results)
        _tell(results, report)
        if as_json:
            print_json(sweep_json(results, report))
        return exit_status(results, stop)

    def _report(self, results: Sequence[Result]) -> Path | None:
        folders = finished_folders(results)
        if not folders:
            return None
        failed = [result.name for result in results if result.state is RunState.FAILED]
        return write_report(folders, self.sweep.folder / "report.html", failed=failed)


class Log:
    """Prints a line whenever a task starts or ends."""

    def started(self, task: Task) -> None:
        """Print that it started."""
        say(f"started   {task.name}")

    def ended(self, task: Task, outcome: Outcome, *, again: bool) -> None:
        """Print how it ended, and whether it will go on."""
        if outcome.ended is Ended.BUSY:
            say(f"waiting   {task.name}: another process is working on it")
            return
        detail = f": {outcome.error}" if outcome.error else ""
        say(f"{outcome.ended:<9} {task.name}{detail}{'; it will be resumed' if again else ''}")


def exit_status(results: Sequence[Result], stop: Stop) -> int:
    """The exit status of the worst outcome; if a run was stopped, print how to go on."""
    states = {result.state for result in results}
    if RunState.STOPPED in states:
        say(f"Stopped by {stop.reason}. Run the same command again to go on.")
    return FAILED if RunState.FAILED in states else STOPPED if RunState.STOPPED in states else 0


def tell_failures(results: Sequence[Result]) -> None:
    """Print a line for each run that failed, with the path of its traceback."""
    for result in results:
        if result.state is RunState.FAILED:
            trace = f" Traceback: {result.error_file}" if result.error_file else ""
            say(f"FAILED    {result.name}: {result.error}{trace}")


def _sweep(grid: Grid, out: Path) -> Sweep:
    sweep = Sweep(grid.runs(), out)
    sweep.check()
    return sweep


def _read_executor(name: str, own: dict[str, Any]) -> Executor:
    executor: Executor = read_settings(EXECUTORS[name], own, f"{name}.")
    return executor


def _collect(problems: list[str], attempt: Callable[[], T]) -> T | None:
    """The result of `attempt`, or None with its problems added to the list."""
    try:
        return attempt()
    except ConfigError as error:
        problems += error.problems
        return None


def _tell(results: Sequence[Result], report: Path | None) -> None:
    """Print the results, the failures, and the number of runs in each state."""
    records = [result.record for result in results if result.finished and result.record]
    if records:
        console.print(_result_table(rows(group_records(records))))
    tell_failures(results)
    say(_count(results) + ".")
    if report:
        say(f"Report: {report}")


def _result_table(found: Sequence[Any]) -> Table:
    """One line for each group of seeds; settings in which all lines agree are left out."""
    table = Table(title="Finished runs", title_justify="left")
    settings = {
        "victim": "victim", "data": "data", "budget": "budget", "access": "access",
        "defences": "defences", "student": "student",
    }  # fmt: skip
    shown = [name for name in settings if len({getattr(row, name) for row in found}) > 1]
    for name in ("attack", *shown, "seeds"):
        table.add_column(name)
    for name in ("agreement", "accuracy", "queries spent", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        settings_of_row = [getattr(row, name) for name in shown]
        values = (row.seeds, row.agreement, row.accuracy, row.spent, row.seconds)
        table.add_row(row.label, *settings_of_row, *values)
    return table


def _plan_table(results: Sequence[Result]) -> Table:
    table = Table(title="Runs", title_justify="left")
    for name in ("run", "state", "queries left", "folder"):
        table.add_column(name, justify="right" if name == "queries left" else "left")
    for result in results:
        begun = result.record is not None and not result.finished
        state = "stopped" if begun else "finished" if result.finished else "new"
        folder = result.folder.name if result.folder else "known once the victim is trained"
        table.add_row(result.name, state, f"{result.queries_left:,}", folder)
    return table


def _count(results: Sequence[Result]) -> str:
    parts = ", ".join(f"{number} {state}" for state, number in counts(results).items())
    return f"{wording.plural(len(results), 'run')}: {parts}"
