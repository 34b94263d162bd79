"""The passages of `docs/vanishing-gradients.md`, from the records under `results/kwon2023`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from copycost.report.vanishing import brackets, cosine_rows, norm_rows, title
from copycost.report.vanishing_seeds import Seeds
from copycost.report.vanishing_verdict import verdict
from copycost.studies.vanishing_record import DIAGNOSTIC_FILE, VanishingRecord, read_vanishing
from tools.passages.markdown import NOT_RUN, measured_on, table

FIGURE = (
    "![Norms of gradients, and cosines of the estimate with the true gradient, over queries]"
    "(figures/vanishing-gradients.svg)"
)


def diagnoses(results: Path) -> list[list[VanishingRecord]]:
    """The finished diagnoses of `results/kwon2023`, grouped where only the seed differs."""
    found: dict[str, list[VanishingRecord]] = {}
    for path in sorted((results / "kwon2023").glob(f"*/diagnoses/*/{DIAGNOSTIC_FILE}")):
        record = read_vanishing(path)
        if record.finished:
            found.setdefault(_kind(record), []).append(record)
    return [sorted(records, key=lambda record: record.config["seed"]) for records in found.values()]


def norms_passage(results: Path) -> str:
    """The figure, and for every diagnosis its table of norms."""
    found = [
        f"**{title(records)}**; `{records[0].config['student']}` as the student; "
        f"{brackets(records)}:\n\n{table(*norm_rows(records))}"
        for records in diagnoses(results)
    ]
    return "\n\n".join([FIGURE, *found, _made(results)]) if found else NOT_RUN


def cosines_passage(results: Path) -> str:
    """For every diagnosis its table of cosines."""
    return _one_each(results, lambda records: table(*cosine_rows(records)))


def verdict_passage(results: Path) -> str:
    """For every diagnosis what its numbers say."""
    return _one_each(results, lambda records: "\n".join(f"- {line}" for line in verdict(records)))


def _one_each(results: Path, write: Callable[[Seeds], str]) -> str:
    found = [f"**{title(records)}**\n\n{write(records)}" for records in diagnoses(results)]
    return "\n\n".join(found) or NOT_RUN


def _made(results: Path) -> str:
    return measured_on([one.surroundings for records in diagnoses(results) for one in records])


def _kind(record: VanishingRecord) -> str:
    """A key that is equal for diagnoses that differ only by the seed."""
    settings = {name: value for name, value in record.config.items() if name != "seed"}
    told = [settings, record.grid.model_dump(), record.victim.content_hash]
    return json.dumps(told, sort_keys=True)
