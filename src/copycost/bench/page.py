"""The page of a comparison and the files beside it, which depend on its record alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from copycost.bench import figures, tables
from copycost.bench.result import BenchRecord
from copycost.files import write_atomically
from copycost.report import runs, wording
from copycost.report.beside import write_beside
from copycost.report.doubts import Doubt, by_flag
from copycost.report.page import templates

PAGE = "index.html"


def write_bench(record: BenchRecord, folder: Path) -> Path:
    """Write record, CSV, figures and page into `folder`; return the page."""
    text = json.dumps(record.as_json(), indent=1, ensure_ascii=False) + "\n"
    contents = {"json": text.encode(), "csv": tables.csv_of(record).encode()}
    files = write_beside(folder, "bench", {**contents, **figures.files(record)})
    write_atomically(folder / PAGE, render(record, files).encode())
    return folder / PAGE


def render(record: BenchRecord, files: Sequence[str]) -> str:
    """The page; the same record gives the same page."""
    page: str = (
        templates(Path(__file__).parent)
        .get_template("bench.html.j2")
        .render(
            record=record,
            title=_title(record),
            victim_facts=runs.victim_facts([record.victim]) if record.victim else [],
            drawings=figures.drawings(record),
            rows=tables.rows(record),
            terms=tables.terms(record),
            beside=tables.beside(record),
            missing=tables.missing(record),
            doubts=by_flag(_doubts(record)),
            measures=_measures(record),
            files=files,
        )
    )
    return page


def _title(record: BenchRecord) -> str:
    named = record.victim.name if record.victim else str(record.config["shared"].get("victim", ""))
    return f"Attacks on {named} at equal queries, {record.access} access"


def _doubts(record: BenchRecord) -> list[Doubt]:
    return [
        Doubt(flag, f"{wording.attack_name(a.attack)}, {b.budget:,} queries, seed {run.seed}")
        for a in record.attacks
        for b in a.budgets
        for run in b.runs
        for flag in run.flags
    ]


def _measures(record: BenchRecord) -> list[tuple[str, str]]:
    """The settings of both measures, as they are in the record."""
    return [
        (wording.capital(title), ", ".join(f"{k} {v}" for k, v in record.config[key].items()))
        for title, key in (("adversarial examples", "pgd"), ("fresh students", "fresh"))
    ]
