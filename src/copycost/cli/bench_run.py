"""Carries out `copycost bench` once its options are read. Imports PyTorch: import it late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from copycost.bench import tables
from copycost.bench.carry_out import Bench
from copycost.bench.page import write_bench
from copycost.bench.plan import BenchConfig, Skipped
from copycost.bench.result import BenchRecord
from copycost.cli.notice import remind
from copycost.cli.output import console, print_json, say
from copycost.cli.stopping import stop_at
from copycost.cli.sweep_run import Log, exit_status, tell_failures
from copycost.files import ensure_writable
from copycost.report import wording
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local


@dataclass(frozen=True)
class Command:
    """A comparison, to be run or only shown."""

    bench: Bench
    terms: Terms
    folder: Path
    """For the record, the figures and the page."""

    @classmethod
    def prepare(cls, values: dict[str, Any], work: Path, out: Path, workers: int | None) -> Command:
        """Check everything; `ConfigError` lists all faults."""
        config = BenchConfig.read(values)
        bench = Bench(config, work)
        bench.sweep.check()
        terms = Terms(folder=work, workers=workers, threads=config.threads, gpus=bench.sweep.gpus)
        return cls(bench, terms, out / f"bench-{config.identity()[:12]}")

    def show_plan(self, as_json: bool) -> None:
        """Print what would be done."""
        found = _outlook(self.bench)
        table = Table(title="Runs", title_justify="left")
        for name in ("attack", "budget", "runs", "finished"):
            table.add_column(name, justify="left" if name == "attack" else "right")
        for row in found["plan"]:
            table.add_row(*(f"{v:,}" if isinstance(v, int) else v for v in row.values()))
        console.print(table)
        _tell_skipped(self.bench.config.skipped)
        for name in found["victims_to_train"]:
            say(f"The victim {name} will be trained first.")
        say(
            f"{wording.plural(found['runs'], 'run')}, {found['queries_left']:,} queries to spend; "
            f"{wording.plural(found['unmeasured'], 'run')} to be measured."
        )
        if as_json:
            print_json(found)

    def run(self, deadline: float | None, as_json: bool) -> int:
        """Run the comparison, write the page, print the results and return the exit status."""
        ensure_writable(self.folder)
        remind(run.victim for run in self.bench.sweep.runs)
        stop = stop_at(deadline)
        with stop.on_signals():
            self.bench.run(Local(), self.terms, stop, Log())
        record = self.bench.record()
        page = write_bench(record, self.folder)
        _tell(record)
        tell_failures(self.bench.results)
        say(f"Page: {page.resolve()}")
        if as_json:
            print_json(bench_json(record, page))
        return exit_status(self.bench.results, stop)


def bench_json(record: BenchRecord, page: Path) -> dict[str, Any]:
    """The contract of `copycost bench --json`."""
    found = record.as_json()
    names = ("victim", "access", "attacks", "skipped")
    return {name: found[name] for name in names} | {"page": str(page.resolve())}


def _outlook(bench: Bench) -> dict[str, Any]:
    """The contract of `copycost bench --dry-run --json`."""
    return {
        "plan": [
            {
                "attack": attack,
                "budget": budget,
                "runs": len(runs),
                "finished": sum(r.finished for r in bench.results if r.config in runs),
            }
            for attack, budgets in bench.plan.items()
            for budget, runs in budgets.items()
        ],
        "skipped": [one.model_dump(mode="json") for one in bench.config.skipped],
        "runs": len(bench.results),
        "queries_left": bench.queries_left,
        "unmeasured": bench.unmeasured,
        "victims_to_train": [home.name for home in bench.sweep.untrained],
    }


def _tell(record: BenchRecord) -> None:
    console.print(_results(record))
    console.print(_terms(record))
    _tell_skipped(record.skipped)


def _tell_skipped(skipped: Sequence[Skipped]) -> None:
    for one in skipped:
        at = "" if one.budget is None else f" at {one.budget:,} queries"
        say(f"SKIPPED   {one.attack}{at}: {one.reason}")


def _results(record: BenchRecord) -> Table:
    """One line for each attack and budget: its own student and the last fresh one."""
    table = Table(title=f"At equal queries, {record.access} access", title_justify="left")
    table.add_column("attack")
    for name in ("budget", "agreement", "accuracy", "transfer", "fresh: agreement"):
        table.add_column(name, justify="right", no_wrap=name == "budget")
    for row in tables.rows(record):
        table.add_row(
            row.attack,
            row.budget,
            row.agreement,
            row.accuracy,
            row.transfer_rate,
            row.fresh_agreement,
        )
    return table


def _terms(record: BenchRecord) -> Table:
    """One line for each attack: what it assumes and costs, and the budgets it needs."""
    title = "Least budget whose median reaches a share of the victim's accuracy (own student)"
    table = Table(title=title, title_justify="left")
    found = tables.terms(record)
    for name in ("attack", "class", "access", "cost"):
        table.add_column(name)
    for share in found[0].queries_to["own"]:
        table.add_column(share, justify="right")
    table.add_column("collapsed", justify="right")
    for one in found:
        table.add_row(
            one.attack, one.kind, one.access, one.cost,
            *one.queries_to["own"].values(), one.collapsed.replace(wording.NBSP, " "),
        )  # fmt: skip
    return table
