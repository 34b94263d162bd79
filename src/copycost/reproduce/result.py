"""What became of a study: its runs, series by series, and what they say of its claims."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from copycost.attacks import ATTACKS
from copycost.claims.base import Course, Finding
from copycost.presets.kwon2023 import SCALES
from copycost.presets.study import Scale, Study, Values
from copycost.runner.config import RunConfig
from copycost.runner.record import Record
from copycost.settings import write_settings

_PUBLISHED_OF = ("victim", "student", "budget")
"""What a published number is about. A victim's name stands for its data and its network; a copy of
CIFAR-10's images as JPEG is CIFAR-10, and labelled so."""

SHARES = ("accuracy", "agreement")
"""Values that are shares in [0, 1]; 0 of a student that is lost."""


@dataclass(frozen=True)
class SeriesResult:
    """The runs of one series that came to an end."""

    label: str
    planned: tuple[RunConfig, ...]
    """One a seed."""
    records: tuple[Record, ...]
    """Of those that are finished, in the order of their seeds."""
    diverged: tuple[int, ...] = ()
    """Seeds whose run was lost to NaN or infinity, and is not finished."""

    @property
    def ended(self) -> int:
        """Runs that are finished or diverged."""
        return len(self.records) + len(self.diverged)

    @property
    def complete(self) -> bool:
        """Whether every planned run came to an end: nothing more is known of one that diverged."""
        return self.ended == len(self.planned)

    def lasts(self, value: str) -> list[float]:
        """The last students' `value`, where it was measured; one that diverged has shares of 0."""
        lost = [0.0] * len(self.diverged) if value in SHARES else []
        return [r.result[value] for r in self.records if value in r.result] + lost


@dataclass(frozen=True)
class StudyResult:
    """One figure or analysis at one scale, as far as its runs have come.

    Series are called by the paper's data sets; whatever shows them to people must print
    `stand_ins` beside them.
    """

    key: str
    """Its name in `STUDIES`."""
    study: Study
    scale: Scale
    series: tuple[SeriesResult, ...]
    findings: tuple[Finding, ...]
    """One a claim; none before every series has a run that is finished or diverged."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """By the paper's data set, what is in its place, as a label: {'SVHN': "synthetic house
    numbers in SVHN's place"}. Empty where the paper's own data is used."""

    @property
    def complete(self) -> bool:
        """Whether every planned run is finished or diverged."""
        return all(series.complete for series in self.series)

    @property
    def diverged(self) -> int:
        """Runs that were lost to NaN or infinity, in all series."""
        return sum(len(series.diverged) for series in self.series)

    @property
    def holds(self) -> bool | None:
        """Whether all that is claimed holds.

        None if nothing is claimed, nothing is known yet, or what is claimed holds as far as it is
        comparable, which is not all of it.
        """
        verdicts = [finding.holds for finding in self.findings if finding.holds is not None]
        if not verdicts or (all(verdicts) and not self.comparable):
            return None
        return all(verdicts)

    @property
    def comparable(self) -> bool:
        """Whether every published number among its claims is about such runs as these."""
        return all(finding.comparable for finding in self.findings)

    @property
    def measured(self) -> dict[str, float]:
        """The numbers of all findings by name, after their claim where they differ under one."""
        found = [(f.text, name, v) for f in self.findings for name, v in f.measured.items()]
        several = {name: {v for _, other, v in found if other == name} for _, name, _ in found}
        return {
            name if len(several[name]) == 1 else f"{text}: {name}": value
            for text, name, value in found
        }

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        """By series, how many runs are planned, and which are finished or diverged."""
        return {
            series.label: {
                "planned": len(series.planned),
                "finished": [record.id for record in series.records],
                "seeds": [record.seed for record in series.records],
                "diverged": list(series.diverged),
            }
            for series in self.series
        }


def result_of(
    key: str,
    study: Study,
    scale: Scale,
    planned: Mapping[str, Sequence[RunConfig]],
    records: Iterable[Record],
    stand_ins: Mapping[str, str] | None = None,
    diverged: Sequence[RunConfig] = (),
) -> StudyResult:
    """Match the `records` that are there with the runs `planned` for each series, and judge.

    `diverged`: those of the runs that were lost, and have no record.
    """
    found = [record for record in records if record.finished]
    series = tuple(
        SeriesResult(
            label,
            tuple(configs),
            tuple(_of(configs, found)),
            tuple(config.seed for config in configs if config in diverged),
        )
        for label, configs in planned.items()
    )
    return judged(key, study, scale, series, stand_ins)


def judged(
    key: str,
    study: Study,
    scale: Scale,
    series: tuple[SeriesResult, ...],
    stand_ins: Mapping[str, str] | None = None,
) -> StudyResult:
    """The study's claims beside its `series`, once every one of them has a run that ended."""
    if not all(one.ended for one in series):
        return StudyResult(key, study, scale, series, (), stand_ins or {})
    papers = {one.label: one.values for one in study.series(SCALES["full"])}
    courses = {one.label: _courses(one, papers.get(one.label)) for one in series}
    findings = tuple(claim.judge(courses) for claim in study.claims)
    return StudyResult(key, study, scale, series, findings, stand_ins or {})


def _courses(series: SeriesResult, paper: Values | None) -> list[Course]:
    """Of a series with a run that ended; those that diverged are lost, not left out."""
    found = [course(record, paper) for record in series.records]
    like = found[0] if found else _nothing_but(series.planned[0], paper)
    return found + [like.lost(seed) for seed in series.diverged]


def _nothing_but(run: RunConfig, paper: Values | None) -> Course:
    """What is known where every seed diverged: the plan.

    Of the victim no record tells. A student that is right on nothing is below any share of it, and
    below one answer to everything, whatever those are.
    """
    comparable = paper is not None and all(
        getattr(run, name) == paper[name] for name in _PUBLISHED_OF
    )
    values: dict[str, tuple[float, ...]] = dict.fromkeys(SHARES, ())
    return Course(run.seed, run.budget, (), values, math.nan, 1, 0.0, comparable)


def _of(configs: Sequence[RunConfig], records: Sequence[Record]) -> list[Record]:
    matches = ([r for r in records if is_run_of(r, config)] for config in configs)
    return [found[0] for found in matches if found]


def is_run_of(record: Record, config: RunConfig) -> bool:
    """Whether `record` is of a run of `config`, whatever weights its victim had.

    A setting that came into being after the record was written counts as at its default, so that
    a new setting does not make old records worthless as it changes every identity.
    """
    defaults = RunConfig(attack=config.attack).model_dump(mode="json")
    # The fields' own, which change nothing: what suits a budget may be newer than the record.
    settings = write_settings(ATTACKS[config.attack]()) | record.config["settings"]
    return {**defaults, **record.config, "settings": settings} == config.in_full()


def course(record: Record, paper: Values | None) -> Course:
    """A record's curve as claims see it; values that a point lacks are NaN.

    `paper` is the run that the paper's number is about, None for no such run.
    """
    names = dict.fromkeys(name for point in record.curve for name in point.values)
    return Course(
        seed=record.seed,
        budget=record.budget,
        queries=tuple(point.queries for point in record.curve),
        values={
            name: tuple(point.values.get(name, math.nan) for point in record.curve)
            for name in names
        },
        victim_accuracy=record.victim.accuracy,
        classes=record.victim.classes,
        one_answer=record.victim.one_answer,
        comparable=paper is not None and all(record.config[n] == paper[n] for n in _PUBLISHED_OF),
    )
