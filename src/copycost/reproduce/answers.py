"""What an analysis found, in sentences that are computed from its findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from copycost.claims.base import Finding
from copycost.claims.measures import APART, SHARES_OF_VICTIM, QueriesTo, Ranking, Spread
from copycost.report import wording
from copycost.reproduce.result import StudyResult
from copycost.reproduce.tables import NOT_COMPARABLE, places


def answer(result: StudyResult) -> list[str]:
    """One sentence or two a claim; what is still to come, before every run is finished."""
    if not result.complete or not result.findings:
        done, planned = progress(result)
        return [f"Not known yet: {done} of {wording.plural(planned, 'run')} finished."]
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
    """A sentence that may be read alone says what it is about."""
    return f"With {wording.listing(found)}: {said}" if found else wording.capital(said)


def _claimed(finding: Finding) -> str:
    """For a claim that may hold or not."""
    if not finding.comparable:
        return f"{finding.text}: {NOT_COMPARABLE}."
    said = f"{finding.text}: {'yes' if finding.holds else 'no'}"
    return f"{said}, by the medians, which may be chance." if finding.overlap else f"{said}."


def _ranking(finding: Finding) -> str:
    (best, high), (worst, low), *_ = finding.measured.items()
    apart = finding.measured.get(APART)
    said = (
        f"best at the end is {_after_colon(best)}, with a median accuracy of "
        f"{wording.percent(high)}; worst is {_after_colon(worst)}, with {wording.percent(low)}. "
    )
    if apart is None:
        return said + "With one seed this may be chance."
    if apart > 0:
        return said + f"Their runs do not overlap: {100 * apart:.1f} points lie between them."
    return said + "The ranges of their seeds overlap, so that this may be chance."


def _spread(finding: Finding) -> str:
    found = finding.measured
    return (
        f"{finding.text}: over {wording.plural(int(found['seeds']), 'seed')}, accuracy ends "
        f"between {wording.percent(found['lowest accuracy'])} and "
        f"{wording.percent(found['highest accuracy'])} (median "
        f"{wording.percent(found['median accuracy'])}); {found['share collapsed']:.0%} of the runs "
        "learnt nothing."
    )


def _queries_to(finding: Finding) -> str:
    said = []
    for share in SHARES_OF_VICTIM:
        queries = finding.measured.get(f"queries to {share:.0%}")
        reached = "no budget tried" if queries is None else f"{wording.count(queries)} queries"
        said.append(f"{share:.0%}: {reached}")
    return f"least budget tried that reaches a share of the victim's accuracy: {'; '.join(said)}."


def _after_colon(name: str) -> str:
    return name.partition(": ")[2]


_SAID: Mapping[type[Any], Callable[[Finding], str]] = {
    Ranking: _ranking,
    Spread: _spread,
    QueriesTo: _queries_to,
}
