"""Possible causes of a difference from what the paper says: rules over records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from copycost.claims.base import Finding
from copycost.presets.kwon2023 import SCALES
from copycost.presets.study import Values
from copycost.presets.victims import VICTIMS
from copycost.report import wording
from copycost.reproduce.result import SeriesResult, StudyResult
from copycost.reproduce.tables import finals
from copycost.runner.record import Record

PUBLISHED_VICTIMS = {"CIFAR-10": 0.955, "SVHN": 0.962}
"""Accuracy of DFME's victims; both from memory, [M] in docs/methods/dfme.md."""
SEEDS = 3
"""Fewer seeds do not show the spread."""
NOTABLE = 0.001
"""Shares that differ by less look equal in print, in percent with one decimal."""


def causes(result: StudyResult) -> list[str]:
    """What may explain a gap, a claim that does not hold, or one that cannot be compared."""
    unlike = [f for f in result.findings if f.holds is False or not f.comparable or _apart(f)]
    if not unlike:
        return []
    concerned = [s for s in result.series if any(_names(f.text, s.label) for f in unlike)]
    short = [f for f in unlike if f.holds is False or (f.gap or 0) < 0]
    found = [
        *_scale(result, concerned),
        *_victims(concerned),
        *(line for finding in unlike for line in _spread(result, finding)),
        *_seeds(result),
        *(line for finding in short for line in _last(result, finding)),
        *(result.study.causes if short else ()),
    ]
    return list(dict.fromkeys(found))


def _names(text: str, label: str) -> bool:
    """Whether `text` has `label` as words of its own: 'mean' is in 'meant', and not named there."""
    return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text) is not None


def _apart(finding: Finding) -> bool:
    return finding.gap is not None and abs(finding.gap) >= NOTABLE


def _scale(result: StudyResult, concerned: Sequence[SeriesResult]) -> Iterator[str]:
    """A sentence for each series whose nets, data or budget are not the paper's."""
    papers = {one.label: one.values for one in result.study.series(SCALES["full"])}
    for series in concerned:
        values = papers.get(series.label)
        if values is not None and series.records:
            differing = list(_differing(series.records[0], values))
            if differing:
                yield f"Another scale than the paper's: {'; '.join(differing)}."


def _differing(record: Record, paper: Values) -> Iterator[str]:
    preset = VICTIMS[paper["victim"]]
    data = {"cifar10": "CIFAR-10", "svhn": "SVHN"}[preset.dataset]
    here, there = record.victim.architecture, preset.recipe.architecture
    if record.victim.dataset != data:
        yield f"{record.victim.dataset} in place of {data}"
    if (here, record.student) != (there, paper["student"]):
        yield f"{here} copied into {record.student} in place of {there} into {paper['student']}"
    if record.budget != paper["budget"]:
        yield f"{record.budget:,} queries in place of {paper['budget']:,}"
    used = record.surroundings.arithmetic
    if used.get("training", "float32") != "float32":
        step = used.get("epsilon")
        how = f", with a step of {step} for finite differences," if step else ""
        yield f"{used['training']}{how} in place of float32"
    batch, batch_there = record.config["settings"]["batch_size"], paper["settings"]["batch_size"]
    if batch != batch_there:
        yield f"batches of {batch} in place of {batch_there}"


def _victims(concerned: Sequence[SeriesResult]) -> Iterator[str]:
    """A sentence for each victim whose accuracy is not the published one on the same data."""
    for record in (series.records[0] for series in concerned if series.records):
        victim = record.victim
        for data, published in PUBLISHED_VICTIMS.items():
            if victim.dataset.startswith(data) and abs(victim.accuracy - published) >= NOTABLE:
                yield (
                    f"The victim has {wording.percent(victim.accuracy)} on {victim.dataset}; the "
                    f"published one has {wording.percent(published)} [M]."
                )


def _spread(result: StudyResult, finding: Finding) -> Iterator[str]:
    """A sentence for each series whose seeds differ by more than the difference to explain."""
    compared = _compared(result, finding)
    distance = _distance(finding, compared)
    for series in compared:
        found = finals(series, "accuracy")
        if distance is not None and found and found.high - found.low > distance:
            yield (
                f"Seeds of {series.label} end {100 * (found.high - found.low):.1f} points apart, "
                f"more than the {100 * distance:.1f} points to be explained."
            )


def _distance(finding: Finding, compared: Sequence[SeriesResult]) -> float | None:
    """The difference to explain: from a published number, or else between two series compared."""
    if finding.gap is not None:
        return abs(finding.gap)
    if len(compared) != 2:
        return None
    first, second = (finding.measured[f"accuracy, {series.label}"] for series in compared)
    return abs(first - second)


def _compared(result: StudyResult, finding: Finding) -> list[SeriesResult]:
    """The series whose final accuracies decided the claim."""
    return [s for s in result.series if f"accuracy, {s.label}" in finding.measured]


def _seeds(result: StudyResult) -> Iterator[str]:
    fewest = min(len({*s.diverged, *(r.seed for r in s.records)}) for s in result.series)
    if fewest < SEEDS:
        yield f"Only {wording.plural(fewest, 'seed')}: one run can be the lucky or the unlucky one."


def _last(result: StudyResult, finding: Finding) -> Iterator[str]:
    """A sentence on how much choosing each run's best moment on test data would add."""
    compared = _compared(result, finding) if finding.reported is not None else ()
    for series in (one for one in compared if one.records):
        gained = median(_best(record) - record.result["accuracy"] for record in series.records)
        if gained >= NOTABLE:
            yield (
                f"The last student counts here. The best moment of each run, chosen on test data, "
                f"is {100 * gained:.1f} points better ({series.label}, median)."
            )


def _best(record: Record) -> float:
    return max(p.values["accuracy"] for p in record.curve if "accuracy" in p.values)
