"""A study's results as numbers: every measurement as CSV, and what tables and claims say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from copycost.claims.base import Finding
from copycost.presets.kwon2023 import SCALES
from copycost.report import wording
from copycost.report.beside import as_csv
from copycost.report.groups import Spread, spread
from copycost.report.table import in_words
from copycost.reproduce.epochs import queries_of_epoch
from copycost.reproduce.result import SHARES, SeriesResult, StudyResult
from copycost.runner.record import Record

COLUMNS = ("study", "series", "seed", "queries", "epoch", "name", "value", "record")
MARKS = {0.881: "[S]", 0.952: "[S]", 0.8985: "[S]", 0.9134: "[S]", 0.8451: "[M]"}
"""How each published accuracy is known; see the methods' pages."""
NOT_KNOWN = "not known yet"
HOLDS, FAILS, MEASURED = "holds", "does not hold", "measured, nothing claimed"
NOT_COMPARABLE = "not comparable"
OVERLAP = " by the medians, which may be chance"
MAY_BE_CHANCE = "may be chance"

# Patterns of the names that claims give their numbers, without series: one for each format.
_SHARE = re.compile(r"accuracy|agreement|share|best|worst$")
_DIFFERENCE = re.compile(r"farthest|minus|^moved")
_COUNT = re.compile(r"queries|seeds|number")
_OF_SERIES = re.compile(r"(accuracy|agreement), (.*)|(?:best|worst): (.*)")


@dataclass(frozen=True)
class Row:
    """One series of a study, ready to print."""

    label: str
    seeds: str
    accuracy: str
    agreement: str
    queries: str
    minutes: str


@dataclass(frozen=True)
class Verdict:
    """One claim of a study, ready to print."""

    text: str
    verdict: str
    numbers: list[tuple[str, str]]
    """Name and value."""
    reported: str
    """The paper's number; '–' where it gives none."""
    gap: str
    """Measured minus reported, in percentage points."""
    holds: bool | None
    places: list[str]
    """What replaces the data and budgets that the claim names."""
    overlap: bool = False
    """Whether chance may have decided."""
    comparable: bool = True
    """Whether the paper's number is about comparable runs."""


def csv_of(result: StudyResult) -> str:
    """The values of its panels, accuracy and agreement as CSV, in long format, full precision."""
    names = dict.fromkeys([*(panel.value for panel in result.study.panels), *SHARES])
    lines = (
        line
        for series in result.series
        for record in series.records
        for line in _lines(result.key, series.label, record, list(names))
    )
    return as_csv(COLUMNS, lines)


def rows(result: StudyResult) -> list[Row]:
    """One row per series, of its runs that are finished or diverged."""
    return [_row(result, series) for series in result.series]


def verdicts(result: StudyResult) -> list[Verdict]:
    """Every claim beside what was measured, so far if the study is unfinished."""
    if not result.findings:
        return [
            Verdict(
                claim.text,
                NOT_KNOWN,
                [],
                wording.MISSING,
                wording.MISSING,
                None,
                places(result, claim.text),
            )
            for claim in result.study.claims
        ]
    return [_verdict(result, finding) for finding in result.findings]


def in_a_word(holds: bool | None, comparable: bool) -> str:
    """A verdict's first words; a failed claim decides, even if others are not comparable."""
    if holds is None and not comparable:
        return NOT_COMPARABLE
    return {None: MEASURED, True: HOLDS, False: FAILS}[holds]


def finals(series: SeriesResult, value: str) -> Spread | None:
    """The final `value` over the seeds of a series that are finished or diverged."""
    return spread(series.lasts(value))


def called(result: StudyResult, label: str) -> str:
    """A series' label for people, with what replaces the data and budgets that it names."""
    notes = [*_data(result, label), *_budgets(result, label)]
    return f"{label} ({'; '.join(notes)})" if notes else label


def and_diverged(said: str, lost: int) -> str:
    """Add to a sentence about runs how many diverged, if any did: '2 of 3, 1 diverged'."""
    return f"{said}, {lost} diverged" if lost else said


def places(result: StudyResult, text: str) -> list[str]:
    """What replaces the data and budgets that `text` names; all stand-ins if it names no data."""
    return [*(_data(result, text) or result.stand_ins.values()), *_budgets(result, text)]


def made_with(result: StudyResult) -> list[tuple[str, str]]:
    """What the runs were made with, as (name, all distinct values)."""
    records = [record for series in result.series for record in series.records]
    facts = {
        "Victims": [_victim(record) for record in records],
        "Hardware": [hardware(record) for record in records],
        "Arithmetic": [record.surroundings.arithmetic.get("training", "") for record in records],
        "Versions": [_versions(record) for record in records],
        "copycost commit": [record.surroundings.commit or "unknown" for record in records],
    }
    return [(name, "; ".join(dict.fromkeys(values))) for name, values in facts.items() if records]


def hardware(record: Record) -> str:
    """The machine in words; on a CPU, with the number of threads."""
    around = record.surroundings
    if around.device.startswith("cpu"):
        return f"{around.hardware}, {wording.plural(around.threads, 'thread')}"
    return around.hardware


def minutes(records: list[Record]) -> str:
    """Median minutes of a run, as text."""
    if not records:
        return wording.MISSING
    return f"{median(record.seconds for record in records) / 60:.1f}"


def points(difference: float) -> str:
    """A difference of shares in percentage points: '+1.2 points'."""
    return f"{100 * difference:+.1f}{wording.NBSP}points".replace("-", "−")


def points_range(low: float, high: float) -> str:
    """Two such differences as one range: '+1.2 to +3.4 points'."""
    return f"{points(low).partition(wording.NBSP)[0]} to {points(high)}"


def reported(share: float) -> str:
    """A published accuracy with all its decimals, and the mark of how it is known."""
    return f"{100 * share:.4g}{wording.NBSP}% {MARKS.get(share, '')}".rstrip()


def _data(result: StudyResult, text: str) -> list[str]:
    return [words for name, words in result.stand_ins.items() if name in text]


def _budgets(result: StudyResult, text: str) -> list[str]:
    """What this scale has for the budgets that `text` names in the paper's words."""
    here, there = result.scale.headline, SCALES["full"].headline
    changed = [name for name in here if name in text and here[name] != there[name]]
    return [f"{wording.count(here[name])} queries in place of {name}" for name in changed]


def _lines(
    key: str, label: str, record: Record, names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    epoch = queries_of_epoch(record)
    for point in record.curve:
        at = (key, label, record.seed, point.queries, repr(point.queries / epoch))
        for name in names:
            if name in point.values:
                yield (*at, name, repr(point.values[name]), record.id)


def _row(result: StudyResult, series: SeriesResult) -> Row:
    found = list(series.records)
    budgets = spread(record.spent for record in found)
    seeds = wording.listing([str(record.seed) for record in found]) or "none"
    lost = len(series.diverged)
    left = len(series.planned) - len(found) - lost
    notes = [f"{n} {what}" for n, what in ((lost, "diverged"), (left, "to come")) if n]
    return Row(
        label=called(result, series.label),
        seeds=f"{seeds} ({', '.join(notes)})" if notes else seeds,
        accuracy=in_words(finals(series, "accuracy")),
        agreement=in_words(finals(series, "agreement")),
        queries=wording.count(budgets.median if budgets else None),
        minutes=minutes(found),
    )


def _verdict(result: StudyResult, finding: Finding) -> Verdict:
    said = in_a_word(finding.holds, finding.comparable)
    said += OVERLAP if finding.overlap else ""
    return Verdict(
        text=finding.text,
        verdict=said if result.complete else f"{said}, so far",
        numbers=[(name, _number(result, finding, name)) for name in finding.measured],
        reported=wording.MISSING if finding.reported is None else reported(finding.reported),
        gap=wording.MISSING if finding.gap is None else points(finding.gap),
        holds=finding.holds,
        places=places(result, finding.text),
        overlap=finding.overlap,
        comparable=finding.comparable,
    )


def _number(result: StudyResult, finding: Finding, name: str) -> str:
    """A claim's number in its own unit, with the range over seeds if it is their median."""
    share, *labels = found.groups() if (found := _OF_SERIES.fullmatch(name)) else ("",)
    for series in result.series:
        if series.label in labels:
            return in_words(finals(series, share or "accuracy"))
    unit, middle = _unit(re.split("[,:] ", name)[0]), finding.measured[name]
    if name not in finding.ranges:
        return unit.one(middle)
    return unit.spread(middle, *finding.ranges[name], n=2)


def _unit(kind: str) -> wording.Unit:
    """How a number of this kind is written."""
    if _DIFFERENCE.search(kind):
        return wording.Unit(points, points_range)
    if _COUNT.search(kind):
        return wording.COUNT
    return wording.PERCENT if _SHARE.search(kind) else wording.PLAIN


def _victim(record: Record) -> str:
    victim = record.victim
    accuracy = wording.percent(victim.accuracy)
    return f"{victim.name} ({victim.architecture} on {victim.dataset}, accuracy {accuracy})"


def _versions(record: Record) -> str:
    named = record.surroundings.versions
    shown = {"python": "Python", "torch": "PyTorch", "copycost": "copycost"}
    return ", ".join(f"{title} {named[key]}" for key, title in shown.items() if key in named)
