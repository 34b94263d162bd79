"""What a detector found, as a table."""

from __future__ import annotations

from rich.table import Table

from copycost.cli.output import console
from copycost.report import wording
from copycost.runner.detecting import Detection, Watched


def show(found: Detection) -> None:
    """Print one line for each run."""
    table = Table(title=_title(found), title_justify="left")
    for name in ("attack", "defences", "seed"):
        table.add_column(name, no_wrap=True)
    for name in ("agreement", "queries", "alarm", "suspicion"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in found.runs:
        table.add_row(
            wording.attacker(run.attack, run.adaptations),
            " → ".join(run.defences) or "none",
            str(run.seed),
            wording.percent(run.agreement),
            wording.count(run.queries),
            alarm(run),
            wording.plain(run.suspicion),
        )
    console.print(table)


def alarm(run: Watched) -> str:
    """When it was raised: 'after 130', or 'none in 6,000'."""
    if run.alarm is None:
        return f"none in {wording.count(run.watched)}"
    return f"after {wording.count(run.alarm)}"


def _title(found: Detection) -> str:
    customers = wording.plural(found.customers, "honest customer")
    return (
        f"{found.detector} before {found.victim}: alarm at a suspicion above "
        f"{wording.plain(found.threshold)}; {found.false_alarms} of {customers} of "
        f"{wording.count(found.queries_each)} queries raised it"
    )
