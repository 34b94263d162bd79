"""An audit's result for the terminal and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from copycost.report.cost import queries_to_agreement
from copycost.report.doubts import doubts
from copycost.report.groups import group_records
from copycost.report.table import rows
from copycost.runner.record import Record


class Failure(NamedTuple):
    """A run of an audit that diverged, could not resume, or whose attack raised an error."""

    attack: str
    seed: int
    error: str
    error_file: str | None = None
    """The file with the traceback of an attack's error."""

    @property
    def run(self) -> str:
        """The run's name in what is printed."""
        return f"{self.attack} seed {self.seed}"

    @property
    def told(self) -> str:
        """What is printed of it, in one line."""
        trace = f" Its traceback is in {self.error_file}." if self.error_file else ""
        return f"{self.run}: {self.error}{trace}"


def audit_table(records: Sequence[Record]) -> Table:
    """One line for each attack, with the spread over its seeds."""
    victim = records[0].victim
    title = f"Victim {victim.name} on {victim.dataset}: accuracy {victim.accuracy:.2%}"
    if victim.defences:
        title += f", {victim.defended_accuracy:.2%} behind {' + '.join(victim.defences)}"
    table = Table(title=title, title_justify="left")
    for name in ("attack", "seeds"):
        table.add_column(name, no_wrap=True)
    for name in ("agreement", "accuracy", "queries spent", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    groups = group_records(records)
    for row in rows(groups):
        table.add_row(row.label, row.seeds, row.agreement, row.accuracy, row.spent, row.seconds)
    names = dict.fromkeys(doubt.flag.name for doubt in doubts(groups))
    if names:
        table.caption = f"Doubts, explained in the report: {', '.join(names)}"
        table.caption_justify = "left"
    return table


def audit_json(
    records: Sequence[Record], report: Path | None, failed: Sequence[Failure] = ()
) -> dict[str, Any]:
    """The contract of `copycost audit --json`; accuracies and agreements are shares in [0, 1].

    Without records, `victim` and `report` are null.
    """
    found = doubts(group_records(records))
    return {
        "victim": records[0].victim.model_dump(mode="json") if records else None,
        "runs": [_run(record, report) for record in records] if report else [],
        "failed": [failure._asdict() for failure in failed],
        "flags": [
            {"name": doubt.flag.name, "detail": doubt.flag.detail, "where": doubt.where}
            for doubt in found
        ],
        "report": str(report) if report else None,
    }


def _run(record: Record, report: Path) -> dict[str, Any]:
    return {
        "attack": record.attack,
        "seed": record.seed,
        "access": str(record.access),
        "defences": list(record.victim.defences),
        "adaptations": list(record.adaptations),
        "student": record.student,
        "budget": record.budget,
        "spent": record.spent,
        "auditor_spent": record.accounts["auditor"].spent,
        "accuracy": record.result["accuracy"],
        "agreement": record.result["agreement"],
        "kl": record.result.get("kl"),
        "queries_to_agreement": queries_to_agreement(record),
        "seconds": record.seconds,
        "ended": record.ended,
        "flags": [flag.name for flag in record.flags],
        "id": record.id,
        "report": str(report),
    }
