"""After how many queries a detector notices attacks, from `results/detection`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

from copycost.report.groups import spread
from copycost.report.table import in_words
from copycost.report.wording import COUNT, MISSING, attacker, count, listing, plain, plural
from copycost.runner.detecting import Detection, Watched
from tools.passages.markdown import NOT_RUN, measured_on, table


def detection_passage(results: Path) -> str:
    """For each victim: who was watched by which detectors, and when which attack was noticed."""
    paths = sorted((results / "detection").glob("*.json"))
    if not paths:
        return NOT_RUN
    found = [Detection.read_from(path, "is no detection") for path in paths]
    around = [detection.surroundings for detection in found]
    victims = groupby(sorted(found, key=_victim), key=_victim)
    parts = [_of_one_victim(list(detections)) for _, detections in victims]
    return "\n\n".join([*parts, measured_on(around)])


def _victim(found: Detection) -> tuple[str, str, str]:
    return found.victim, found.dataset, found.victim_hash


def _of_one_victim(found: Sequence[Detection]) -> str:
    first = found[0]
    limits = listing([f"`{one.detector}` above {plain(one.threshold)}" for one in found])
    asked = listing([*dict.fromkeys(count(one.queries_each) for one in found)])
    note = (
        f"`{first.victim}`, {first.dataset}. An alarm is raised by {limits}, the highest of "
        f"{plural(first.customers, 'honest customer')} who asked {asked} queries each."
    )
    by_run = {run.id: run for one in found for run in one.runs}
    runs = sorted(by_run.values(), key=_kind)
    seen = [{run.id: run for run in one.runs} for one in found]
    rows = [_row(list(members), seen) for _, members in groupby(runs, key=_kind)]
    head = ["attack", "queries", "agreement of the copy"]
    return f"{note}\n\n" + table([*head, *(f"`{one.detector}`" for one in found)], rows)


def _kind(run: Watched) -> tuple[str, tuple[str, ...], str, int]:
    return run.attack, run.adaptations, run.access, -(-run.queries // 100) * 100


def _row(runs: Sequence[Watched], seen: Sequence[Mapping[str, Watched]]) -> list[str]:
    return [
        f"{attacker(runs[0].attack, runs[0].adaptations)}, {runs[0].access}",
        count(median(run.queries for run in runs)),
        in_words(spread(run.agreement for run in runs)),
        *(_alarms([by_id[run.id] for run in runs if run.id in by_id]) for by_id in seen),
    ]


def _alarms(runs: Sequence[Watched]) -> str:
    """When they came: of all seeds, of some, of none; a dash if the detector saw no such run."""
    alarms = [run.alarm for run in runs if run.alarm is not None]
    if not runs:
        return MISSING
    if not alarms:
        return f"**none** in {listing(sorted({count(run.watched) for run in runs}))}"
    if len(alarms) < len(runs):
        return (
            f"in {len(alarms)} of {len(runs)} runs: after {listing([*map(count, sorted(alarms))])}"
        )
    return f"after {COUNT.spread(median(alarms), min(alarms), max(alarms), len(alarms))}"
