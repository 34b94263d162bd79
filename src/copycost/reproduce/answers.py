"""The answers of an analysis: sentences computed from its findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from copycost.claims.base import Finding
from copycost.claims.measures import (
    ALIKE,
    APART,
    OTHERS,
    Grid,
    QueriesTo,
    Ranking,
    Spread,
)
from copycost.report import wording
from copycost.reproduce.result import SHARES, StudyResult
from copycost.reproduce.tables import NOT_COMPARABLE, and_diverged, places
from copycost.thresholds import SHARES_OF_VICTIM


def answer(result: StudyResult) -> list[str]:
    """One or two sentences per claim; until every run has ended, only the progress."""
    if not result.complete or not result.findings:
        done, planned = progress(result)
        found = f"Not known yet: {done} of {wording.plural(planned, 'run')} finished"
        return [f"{and_diverged(found, result.diverged)}."]
    pairs = zip(result.study.claims, result.findings, strict=True)
    return [
        _placed(places(result, finding.text), _SAID.get(type(claim), _claimed)(finding))
        for claim, finding in pairs
    ]


def progress(result: StudyResult) -> tuple[int, int]:
    """Runs finished, and runs planned."""
    done = sum(len(series.records) for series in result.series)
    return done, sum(len(series.planned) for series in result.series)


def _placed(found: Sequence[str], said: str) -> str:
    """Put the data and budgets used before a sentence, as it may be read alone."""
    return f"With {wording.listing(found)}: {said}" if found else wording.capital(said)


def _claimed(finding: Finding) -> str:
    """The answer for a claim that may hold or not."""
    if not finding.comparable:
        return f"{finding.text}: {NOT_COMPARABLE}."
    said = f"{finding.text}: {'yes' if finding.holds else 'no'}"
    return f"{said}, by the medians, which may be chance." if finding.overlap else f"{said}."


def _ranking(finding: Finding) -> str:
    (best, high), (worst, low), *_ = finding.measured.items()
    said = (
        f"best at the end is {_ending(finding, best, high)}; worst is "
        f"{_ending(finding, worst, low)}."
    )
    apart = finding.measured.get(APART)
    if apart is None:
        return f"{said} With one seed this may be chance."
    if apart <= 0:
        return f"{said} The ranges of their seeds overlap, so that this may be chance."
    return (
        f"{said} Their runs do not overlap: {100 * apart:.1f} points lie between them. "
        f"{_alike(int(finding.measured[ALIKE]), int(finding.measured[OTHERS]))}"
    )


def _ending(finding: Finding, key: str, accuracy: float) -> str:
    """A series with the medians it ends at; `key` is its name after a colon."""
    name = key.partition(": ")[2]
    said = f"{name}, with a median accuracy of {wording.percent(accuracy)}"
    agreement = finding.measured.get(f"agreement, {name}")
    return said if agreement is None else f"{said} and agreement of {wording.percent(agreement)}"


def _alike(count: int, others: int) -> str:
    if not count:
        return "Nor does any other overlap with the best."
    return f"But seeds do not tell {count} of the {others} others from the best."


def _grid(finding: Finding) -> str:
    found = finding.measured
    moved = {n.removeprefix(_MOVED): v for n, v in found.items() if n.startswith(_MOVED)}
    (more, most), (less, least) = sorted(moved.items(), key=lambda one: -one[1])
    edges = [name for name in moved if found[f"{name} that ends highest"] in _tried(found, name)]
    said = (
        f"{more} matters more: with the other fixed it moves the median accuracy by "
        f"{100 * most:.1f} points, {less} by {100 * least:.1f}{_agreeing(found, more, less)} "
        "(medians over the other's values)."
    )
    if not edges:
        return f"{said} The best lies inside of the grid."
    where = wording.listing([f"{n}, {found[f'{n} that ends highest']:g}," for n in edges])
    return f"{said} The best lies at the edge of the grid by {where} so that better may lie beyond."


def _agreeing(found: Mapping[str, float], more: str, less: str) -> str:
    """What both move agreement by, where it was measured."""
    most, least = (found.get(f"moved in agreement by {name}") for name in (more, less))
    if most is None or least is None:
        return ""
    return f", and agreement by {100 * most:.1f} and {100 * least:.1f}"


def _tried(found: Mapping[str, float], name: str) -> tuple[float, float]:
    return found[f"{name}, least tried"], found[f"{name}, most tried"]


def _spread(finding: Finding) -> str:
    found = finding.measured
    ends = (_between(found, name) for name in SHARES if f"median {name}" in found)
    return (
        f"{finding.text}: over {wording.plural(int(found['seeds']), 'seed')}, "
        f"{', and '.join(ends)}; {found['share collapsed']:.0%} of the runs learnt nothing."
    )


def _between(found: Mapping[str, float], name: str) -> str:
    low, middle, high = (wording.percent(found[f"{w} {name}"]) for w in _LOW_TO_HIGH)
    return f"{name} ends between {low} and {high} (median {middle})"


def _queries_to(finding: Finding) -> str:
    said = (_reaching(finding.measured, f"{share:.0%}") for share in SHARES_OF_VICTIM)
    return f"least budget tried that reaches a share of the victim's accuracy: {'; '.join(said)}."


def _reaching(found: Mapping[str, float], share: str) -> str:
    """The budget for one share: the median's, and the single seeds' where they differ."""
    name = f"queries to {share}"
    middle = found.get(name)
    said = f"{share}: " + ("no budget tried" if middle is None else f"{_count(middle)} queries")
    first, last = found.get(f"{name}, first seed"), found.get(f"{name}, last seed to reach it")
    if first is None or last is None:
        return said
    never = int(found[f"seeds that never reach {share}"])
    if first == last == middle and not never:
        return said
    alone = _count(first) if first == last else f"{_count(first)} to {_count(last)}"
    none = f", {wording.plural(never, 'seed')} at none" if never else ""
    return f"{said} (seeds alone: {alone}{none})"


_count = wording.count
_MOVED = "moved by "
_LOW_TO_HIGH = ("lowest", "median", "highest")
_SAID: Mapping[type[Any], Callable[[Finding], str]] = {
    Grid: _grid,
    Ranking: _ranking,
    Spread: _spread,
    QueriesTo: _queries_to,
}
