"""After how many queries a detector notices attacks, from `results/detection`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

from copycost.report.groups import spread
from copycost.report.table import in_words
from copycost.report.wording import COUNT, attacker, count, listing, plain, plural
from copycost.runner.detecting import Detection, Watched
from tools.passages.markdown import NOT_RUN, measured_on, table


def detection_passage(results: Path) -> str:
    """For each file: who was watched, and when which attack raised an alarm."""
    paths = sorted((results / "detection").glob("*.json"))
    if not paths:
        return NOT_RUN
    found = [Detection.read_from(path, "is no detection") for path in paths]
    around = [detection.surroundings for detection in found]
    return "\n\n".join([*map(_of_one_victim, found), measured_on(around)])


def _of_one_victim(found: Detection) -> str:
    customers = plural(found.customers, "honest customer")
    note = (
        f"`{found.victim}`, {found.dataset}: `{found.detector}` raises an alarm at a suspicion "
        f"above {plain(found.threshold)}, the highest of {customers} who asked "
        f"{count(found.queries_each)} queries each."
    )
    runs = sorted(found.runs, key=_kind)
    rows = [_row(list(members)) for _, members in groupby(runs, key=_kind)]
    return f"{note}\n\n" + table(["attack", "queries", "agreement of the copy", "alarm"], rows)


def _kind(run: Watched) -> tuple[str, tuple[str, ...], str, int]:
    return run.attack, run.adaptations, run.access, -(-run.queries // 100) * 100


def _row(runs: Sequence[Watched]) -> list[str]:
    return [
        f"{attacker(runs[0].attack, runs[0].adaptations)}, {runs[0].access}",
        count(median(run.queries for run in runs)),
        in_words(spread(run.agreement for run in runs)),
        _alarms(runs),
    ]


def _alarms(runs: Sequence[Watched]) -> str:
    """When they came: of all seeds, of some, of none."""
    alarms = [run.alarm for run in runs if run.alarm is not None]
    if not alarms:
        return f"**none** in {listing(sorted({count(run.watched) for run in runs}))}"
    if len(alarms) < len(runs):
        return (
            f"in {len(alarms)} of {len(runs)} runs: after {listing([*map(count, sorted(alarms))])}"
        )
    return f"after {COUNT.spread(median(alarms), min(alarms), max(alarms), len(alarms))}"
