"""Carries out `copycost reproduce` once its options are read. Imports PyTorch: import it late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from copycost.claims.base import Finding
from copycost.cli.output import FAILED, STOPPED, console, print_json, say
from copycost.cli.stopping import stop_at
from copycost.cli.sweep_run import Log, tell_failures
from copycost.errors import CopycostError, DataError
from copycost.files import ensure_writable
from copycost.presets.study import Study
from copycost.report import wording
from copycost.reproduce.answers import progress
from copycost.reproduce.carry_out import Reproduction
from copycost.reproduce.estimate import Estimate, estimate
from copycost.reproduce.page import write_pages
from copycost.reproduce.plan import PAPER, Plan
from copycost.reproduce.result import StudyResult
from copycost.reproduce.sources import check_data
from copycost.reproduce.tables import MAY_BE_CHANCE, and_diverged, in_a_word
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local
from copycost.sweep.results import Result, RunState


@dataclass(frozen=True)
class Command:
    """A reproduction, to be run or only shown."""

    reproduction: Reproduction
    terms: Terms

    @classmethod
    def prepare(
        cls, plan: Plan, work: Path, folder: Path, workers: int | None, threads: int | None
    ) -> Command:
        """Find what is already done; `RunError` names records that cannot be read."""
        gpus = any(run.device != "cpu" for run in plan.runs)
        terms = Terms(folder=work, workers=workers, threads=threads, gpus=gpus)
        return cls(Reproduction(plan, work, folder), terms)

    def show_plan(self, as_json: bool) -> None:
        """Print what would be done and what it would take."""
        reproduction = self.reproduction
        expected = estimate(
            reproduction.unfinished,
            reproduction.untrained,
            self.terms,
            reproduction.undiagnosed,
        )
        outlook = _outlook(reproduction)
        console.print(_plan_table(outlook["studies"]))
        runs = outlook["runs"]
        say(
            f"{wording.plural(runs['named'], 'run')}, {runs['different']:,} of them different: "
            f"{runs['finished']} finished, {runs['left']} to do with "
            f"{outlook['queries_left']:,} queries."
        )
        for name in outlook["victims_to_train"]:
            say(f"The victim {name} will be trained first.")
        if outlook["diagnoses"]["named"]:
            _tell_diagnoses(outlook["diagnoses"], expected)
        _tell_estimate(expected)
        self._tell_lost()
        for line in outlook["missing"]:
            say(f"MISSING   {line}")
        if as_json:
            print_json(outlook | {"estimate": expected.as_json()})

    def run(self, deadline: float | None, as_json: bool) -> int:
        """Run the reproduction, write the pages, print the results, return the exit status."""
        reproduction = self.reproduction
        check_data(reproduction.left)
        ensure_writable(reproduction.folder)
        if reproduction.left or reproduction.undiagnosed:
            ensure_writable(reproduction.work)
        stop = stop_at(deadline)
        with stop.on_signals():
            ended = reproduction.run(Local(), self.terms, stop, Log())
            lost = self._diagnose(stop)
        results = reproduction.results()
        looked = reproduction.diagnosed()
        page = write_pages(reproduction.everything(), reproduction.folder, looked)
        _tell(results, ended, page)
        if as_json:
            print_json(result_json(reproduction.plan, results, page))
        self._tell_lost()
        failed = [one.config for one in ended if one.state is RunState.FAILED]
        return self._status(failed, lost, stop)

    def _status(self, failed: Sequence[RunConfig], lost: Sequence[RunConfig], stop: Stop) -> int:
        """The exit status: `STOPPED` if work is left besides runs `failed` and diagnoses `lost`."""
        runs = [run for run in self.reproduction.left if run not in failed]
        looks = [one for one in self.reproduction.undiagnosed if one.config not in lost]
        if runs or looks:
            reason = f"Stopped by {stop.reason}" if stop.reason else "Some runs are left"
            say(f"{reason}. Run the same command again to go on.")
            return STOPPED
        return FAILED if failed or lost or self.reproduction.lost else 0

    def _tell_lost(self) -> None:
        """Name the diverged runs, which are not retried: each try would spend more of a budget."""
        for folder, run in self.reproduction.lost.items():
            say(f"DIVERGED  seed {run.seed} diverged; delete its folder {folder} to try again.")

    def _diagnose(self, stop: Stop) -> list[RunConfig]:
        """Make the diagnoses; return the runs of those that failed. Pages are written anyway."""
        lost = []
        for one in self.reproduction.undiagnosed:
            try:
                self.reproduction.diagnose(one, stop, say)
            except (CopycostError, OSError, RuntimeError) as error:
                known = isinstance(error, CopycostError)
                said = str(error) if known else f"{type(error).__name__}: {error}"
                say(f"FAILED    the diagnosis of seed {one.config.seed}: {said}")
                lost.append(one.config)
        return lost


def result_json(plan: Plan, results: Sequence[StudyResult], page: Path) -> dict[str, Any]:
    """The contract of `copycost reproduce --json`."""
    figures = [{"figure": one.study.figure, **_found(one)} for one in results if one.study.figure]
    analyses = [{"analysis": one.key, **_found(one)} for one in results if not one.study.figure]
    return {
        "paper": PAPER,
        "scale": plan.scale.name,
        "figures": figures,
        "analyses": analyses,
        "page": str(page.resolve()),
    }


def _found(one: StudyResult) -> dict[str, Any]:
    return {
        "title": one.study.title,
        "statement": one.study.statement,
        "holds": one.holds,
        "measured": one.measured,
        "claims": [
            {
                "claim": finding.text,
                "holds": finding.holds,
                "measured": finding.measured,
                "reported": finding.reported,
                "gap": finding.gap,
                "overlap": finding.overlap,
                "comparable": finding.comparable,
            }
            for finding in one.findings
        ],
        "complete": one.complete,
        "runs": one.runs,
        "stand_ins": dict(one.stand_ins),
    }


def _outlook(reproduction: Reproduction) -> dict[str, Any]:
    """The contract of `copycost reproduce --dry-run --json`, without the estimate."""
    plan, left = reproduction.plan, reproduction.left
    uses = Counter(run.identity("") for key in plan.studies for run in plan.of(key))
    return {
        "paper": PAPER,
        "scale": plan.scale.name,
        "studies": [_plan_row(reproduction, key, uses) for key in plan.studies],
        "runs": {
            "named": plan.named,
            "different": len(plan.runs),
            "finished": len(plan.runs) - len(left) - len(reproduction.lost),
            "diverged": len(reproduction.lost),
            "left": len(left),
        },
        "queries_left": sum(run.queries_left for run in reproduction.unfinished),
        "victims_to_train": [home.name for home in reproduction.untrained],
        "diagnoses": _diagnoses(reproduction),
        "missing": _missing(reproduction),
    }


def _diagnoses(reproduction: Reproduction) -> dict[str, Any]:
    """Counts of the diagnoses: runs with full access to the victim, charged to nobody."""
    named, left = reproduction.diagnoses, reproduction.undiagnosed
    return {
        "named": len(named),
        "finished": len(named) - len(left),
        "left": len(left),
        "queries_left": sum(one.queries_left for one in left),
        "victim": named[0].home.name if named else None,
    }


def _missing(reproduction: Reproduction) -> list[str]:
    """The missing data without which the command would refuse to start."""
    try:
        check_data(reproduction.left)
    except DataError as error:
        return str(error).split("\n")
    return []


def _named(key: str, study: Study) -> str:
    return f"figure {study.figure}" if study.figure else key


def _plan_row(reproduction: Reproduction, key: str, uses: Counter[str]) -> dict[str, Any]:
    """One study; `uses` counts the studies that need a run, by its identity."""
    plan = reproduction.plan
    runs = plan.of(key)
    return {
        "study": key,
        "title": plan.studies[key].title,
        "runs": len(runs),
        "shared": sum(uses[run.identity("")] > 1 for run in runs),
        "finished": sum(reproduction.record_of(run) is not None for run in runs),
        "queries": sum(run.budget for run in runs),
        "stand_ins": plan.stand_ins(key),
    }


def _plan_table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="Studies", title_justify="left")
    for name in ("study", "title"):
        table.add_column(name)
    numbers = ("runs", "shared", "finished", "queries")
    for name in numbers:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row["study"], row["title"], *(f"{row[name]:,}" for name in numbers))
    return table


def _tell_diagnoses(found: Mapping[str, Any], expected: Estimate) -> None:
    say(
        f"Also {wording.plural(found['named'], 'diagnosis', 'diagnoses')} of gradients, one a "
        f"seed, for which copycost looks into {found['victim']}: {found['finished']} finished, "
        f"{found['left']} to do with {found['queries_left']:,} queries that are charged to "
        f"nobody, in about {wording.duration(expected.diagnoses_seconds)} of the time below."
    )


def _tell_estimate(expected: Estimate) -> None:
    for line in expected.timed:
        say(f"timed     {line}")
    say(
        f"About {wording.duration(expected.seconds)} on this device ({expected.device}), "
        f"{wording.plural(expected.workers, 'run')} at a time, and "
        f"{expected.disk_bytes / 1e6:,.0f} MB of disk. {expected.how}"
    )


def _verdict(finding: Finding) -> str:
    said = in_a_word(finding.holds, finding.comparable)
    return f"{said}, {MAY_BE_CHANCE}" if finding.overlap else said


def _tell(results: Sequence[StudyResult], ended: Sequence[Result], page: Path) -> None:
    table = Table(title="What the paper says, and what was found", title_justify="left")
    for name in ("study", "claim", "found", "runs"):
        table.add_column(name)
    for one in results:
        finished, planned = progress(one)
        runs = and_diverged(f"{finished} of {planned}", one.diverged)
        runs += "" if one.complete else ", INCOMPLETE"
        findings = [(finding.text, _verdict(finding)) for finding in one.findings]
        for text, verdict in findings or [(one.study.statement, "not judged yet")]:
            table.add_row(_named(one.key, one.study), text, verdict, runs)
    console.print(table)
    for label in dict.fromkeys(label for one in results for label in one.stand_ins.values()):
        say(f"Note: {label}.")
    tell_failures(ended)
    say(f"Page: {page.resolve()}")
