"""Carries out `copycost audit` once its options are read. Imports PyTorch: import it late."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copycost.cli.notice import remind
from copycost.cli.output import FAILED, STOPPED, complain, console, print_json, say
from copycost.cli.progress import LiveDisplay
from copycost.cli.stopping import stop_at
from copycost.cli.summary import Failure, audit_json, audit_table
from copycost.cli.training_lines import TrainingLines
from copycost.engine import Engine, use_threads
from copycost.errors import ConfigError, Interrupted
from copycost.files import ensure_writable
from copycost.flags import AT_THE_END
from copycost.oracle.ledger import spent_in
from copycost.ranks import launched
from copycost.report import wording
from copycost.report.page import write_report
from copycost.report.tariff import Tariff
from copycost.runner.audit import AuditConfig, audit, audit_folder, run_folder
from copycost.runner.config import RunConfig
from copycost.runner.failing import ERROR_FILE, in_one_line, unexpected
from copycost.runner.fitting import Interface, faults
from copycost.runner.folder import LEDGER_FILE
from copycost.runner.making import check_devices, check_runs
from copycost.runner.pools import check_pools
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import load_target
from copycost.types import InputSpec

WORTH_COMPILING = 500_000
"""Budget from which a run on a GPU takes longer than compiling its networks."""


def carry_out(
    values: dict[str, Any],
    chosen: bool,
    deadline: float | None,
    out: Path,
    tariff: Tariff,
    as_json: bool,
) -> int:
    """Run the audit, print its results and return the exit status.

    `chosen`: whether the user named the attacks. If not, attacks that cannot run are left out.
    """
    config = AuditConfig.read(values)
    use_threads(config.threads)
    runs = config.runs()
    check_runs(runs, launched()[1])
    check_devices(runs)
    check_pools(runs)
    stop = stop_at(deadline)
    with stop.on_signals():
        engine = Engine(runs[0].device, runs[0].precision, runs[0].compile)
        job = Job(runs, chosen, out, engine, stop)
        job.run()
    if engine.ranks.leads:
        job.report(tariff, as_json)
    status = job.end()
    if status:
        engine.ranks.wait()  # torchrun kills all processes when one exits with a failure
    return status


@dataclass
class Job:
    """The runs of an audit and their outcomes."""

    runs: list[RunConfig]
    chosen: bool
    out: Path
    engine: Engine
    stop: Stop
    target: Target | None = None
    """None if the audit was stopped before the victim was loaded."""
    done: list[tuple[Record, Path]] = field(default_factory=list)
    """The records that exist, with their folders."""
    failed: list[Failure] = field(default_factory=list)

    def run(self) -> None:
        """Load the victim, and do the runs that are not finished."""
        with suppress(Interrupted):
            remind(run.victim for run in self.runs)
            self.target = self._target()
            self._leave_out(Interface.of(self.target.victim))
            ensure_writable(self.out)  # or every run would fail by itself
            say(plan(self.runs))
            if not self.target.victim.free:
                say(auditors_share(len(self.target.held_out)))
            self.done = audit(
                self.runs,
                self.target,
                self.out,
                stop=self.stop,
                display=LiveDisplay(console),
                ranks=self.engine.ranks,
                failed=self._fail,
            )
        self.stop.agree(self.engine.ranks)

    def report(self, tariff: Tariff, as_json: bool) -> None:
        """Print the table and write the page, over all records; print JSON if `as_json`."""
        records, page = [record for record, _ in self.done], None
        if records:
            assert self.target is not None, "a run has a victim"
            page = audit_folder(self.out, self.runs, self.target) / "report.html"
            folders = [folder for _, folder in self.done]
            failed = [one.run for one in self.failed]
            page = write_report(folders, page, tariff.price, tariff.rate, failed).resolve()
            console.print(audit_table(records))
            say(f"Report: {page}")
        if as_json:
            print_json(audit_json(records, page, self.failed))

    def end(self) -> int:
        """Print what failed or was stopped; return the exit status of the worst outcome."""
        finished = sum(record.finished for record, _ in self.done)
        stopped = finished + len(self.failed) < len(self.runs)
        if self.failed:
            total = wording.plural(len(self.runs), "run")
            say(f"{len(self.failed)} of {total} failed: see above.")
        if stopped and not self._begun():
            say(f"Stopped by {self.stop.reason} before the attacker's first query. "
                "Run the same command again to go on.")  # fmt: skip
        elif stopped:
            say(f"Stopped by {self.stop.reason}. Run the same command again to go on.")
        return FAILED if self.failed else STOPPED if stopped else 0

    def _begun(self) -> bool:
        """Whether an attacker has sent a query, in this session or an earlier one."""
        if self.target is None or self.done:
            return bool(self.done)
        victim = self.target.content_hash
        ledgers = [run_folder(self.out, run, victim) / LEDGER_FILE for run in self.runs]
        return any(spent_in(ledger, "attacker") for ledger in ledgers if ledger.exists())

    def _target(self) -> Target:
        """The victim that all runs copy."""
        first = self.runs[0]
        if hint := slower_than_need_be(first, self.engine.device.type):
            say(hint)
        with self.engine.ranks.leader_first():
            return load_target(
                first.victim,
                first.data,
                self.out / "victims",
                self.engine,
                watcher=TrainingLines(first.victim),
                stop=self.stop,
                suits=self._check_suits,
            )

    def _check_suits(self, spec: InputSpec, classes: int) -> None:
        self._able(Interface(spec, classes))

    def _able(self, victim: Interface) -> tuple[list[RunConfig], dict[str, str]]:
        """The runs that can copy `victim`, and for each attack that cannot, why.

        Raises `ConfigError` with all faults if no run can, or if the user named the attacks.
        """
        found = list(zip(self.runs, faults(self.runs, victim), strict=True))
        able = [run for run, why in found if not why]
        if len(able) < len(found) and (self.chosen or not able):
            raise ConfigError(*dict.fromkeys(text for _, why in found for text in why))
        return able, {run.attack: "; ".join(why) for run, why in found if why}

    def _leave_out(self, victim: Interface) -> None:
        """Leave out runs that cannot copy `victim`, unless the user named the attacks."""
        self.runs, unable = self._able(victim)
        if unable:
            say(f"Left out, because they cannot run on this victim: {'; '.join(unable.values())}.")

    def _fail(self, run: RunConfig, error: Exception) -> None:
        assert self.target is not None, "a run has a victim"
        file = run_folder(self.out, run, self.target.content_hash).resolve() / ERROR_FILE
        noted = str(file) if unexpected(error) and file.exists() else None
        self.failed.append(Failure(run.attack, run.seed, in_one_line(error), noted))
        complain(self.failed[-1].told)


def slower_than_need_be(first: RunConfig, device: str) -> str:
    """A hint at options that make a long run on a GPU several times faster; '' if none apply."""
    if device != "cuda" or first.compile != "off" or first.budget < WORTH_COMPILING:
        return ""
    return (
        "On a GPU, --precision bfloat16 --compile graphs is several times faster than "
        f"{first.precision} without compiling: see docs/performance.md."
    )


def plan(runs: Sequence[RunConfig]) -> str:
    """What will be done, in one line."""
    first = runs[0]
    attacks = ", ".join(dict.fromkeys(run.attack for run in runs))
    defences = f" behind {' + '.join(first.defences)}" if first.defences else ""
    if first.adaptations:
        defences += f", adapting by {' + '.join(first.adaptations)},"
    return (
        f"Copying {first.victim}{defences} into {first.student} at {first.access} access: "
        f"{wording.plural(len(runs), 'run')} ({attacks}) of {first.budget:,} queries each."
    )


def auditors_share(held_out: int) -> str:
    """What judging the copies costs on top, where asking costs money."""
    # A sample at the end, and one before if a run nearby has answers, which may turn out stale.
    most = 2 * held_out + 2 * min(held_out, AT_THE_END)
    return (
        f"On top come the auditor's queries about {held_out:,} held-out inputs: at most {most:,} a "
        "run, and fewer for runs that take over an earlier one's answers."
    )
