"""The result of a study: its runs, series by series, and the findings on its claims."""

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
"""Settings that a run shares with a published number if the two are comparable. A victim's name
stands for its data and network; the JPEG copy of CIFAR-10 counts as CIFAR-10, with a label."""

SHARES = ("accuracy", "agreement")
"""Values that are shares in [0, 1]; those of a diverged run are 0."""


@dataclass(frozen=True)
class SeriesResult:
    """The runs of one series that have ended."""

    label: str
    planned: tuple[RunConfig, ...]
    """One per seed."""
    records: tuple[Record, ...]
    """Of the finished runs, in order of seeds."""
    diverged: tuple[int, ...] = ()
    """Seeds whose run was lost to NaN or infinity, and is not finished."""

    @property
    def ended(self) -> int:
        """Runs that are finished or diverged."""
        return len(self.records) + len(self.diverged)

    @property
    def complete(self) -> bool:
        """Whether every planned run is finished or diverged."""
        return self.ended == len(self.planned)

    def lasts(self, value: str) -> list[float]:
        """The final `value` of each run that measured it; shares of a diverged run are 0."""
        lost = [0.0] * len(self.diverged) if value in SHARES else []
        return [r.result[value] for r in self.records if value in r.result] + lost


@dataclass(frozen=True)
class StudyResult:
    """One figure or analysis at one scale, as far as its runs have come.

    Series are named after the paper's data sets, so whatever shows them to people must print
    `stand_ins` beside them.
    """

    key: str
    """Its name in `STUDIES`."""
    study: Study
    scale: Scale
    series: tuple[SeriesResult, ...]
    findings: tuple[Finding, ...]
    """One per claim; none before every series has a run that is finished or diverged."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """By the paper's data set, a label for the data in its place: {'SVHN': "synthetic house
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
        """Whether all claims hold.

        None if nothing is claimed, nothing is known yet, or the comparable claims hold but others
        are not comparable.
        """
        verdicts = [finding.holds for finding in self.findings if finding.holds is not None]
        if not verdicts or (all(verdicts) and not self.comparable):
            return None
        return all(verdicts)

    @property
    def chance(self) -> bool:
        """Whether chance may have decided `holds`: any claim if all hold, else all that fail."""
        told = [finding.overlap for finding in self.findings if finding.holds is self.holds]
        return bool(told) and (any(told) if self.holds else all(told))

    @property
    def comparable(self) -> bool:
        """Whether every published number among its claims is about comparable runs."""
        return all(finding.comparable for finding in self.findings)

    @property
    def measured(self) -> dict[str, float]:
        """The numbers of all findings by name; one that is ambiguous follows its claim's text."""
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
    """Match `records` with the runs `planned` for each series, and judge the study's claims.

    `diverged` holds the planned runs that diverged and have no record.
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
    """Judge the study's claims by its `series`, once each of them has a run that ended."""
    if not all(one.ended for one in series):
        return StudyResult(key, study, scale, series, (), stand_ins or {})
    papers = {one.label: one.values for one in study.series(SCALES["full"])}
    courses = {one.label: _courses(one, papers.get(one.label)) for one in series}
    findings = tuple(claim.judge(courses) for claim in study.claims)
    return StudyResult(key, study, scale, series, findings, stand_ins or {})


def _courses(series: SeriesResult, paper: Values | None) -> list[Course]:
    """The courses of a series with a run that ended; diverged runs count by `Course.lost`."""
    found = [course(record, paper) for record in series.records]
    like = found[0] if found else _nothing_but(series.planned[0], paper)
    return found + [like.lost(seed) for seed in series.diverged]


def _nothing_but(run: RunConfig, paper: Values | None) -> Course:
    """A course from the plan alone, for a series in which every seed diverged.

    No record describes the victim. Its values do not matter here, as a student that is never right
    reaches no share of its accuracy, and does no better than one answer to everything.
    """
    comparable = _comparable(run.model_dump(), paper)
    values: dict[str, tuple[float, ...]] = dict.fromkeys(SHARES, ())
    return Course(run.seed, run.budget, (), values, math.nan, 1, 0.0, comparable)


def _comparable(config: Values, paper: Values | None) -> bool:
    """Whether a run of `config` is such a one as the paper's number is about."""
    return paper is not None and all(config[name] == paper[name] for name in _PUBLISHED_OF)


def _of(configs: Sequence[RunConfig], records: Sequence[Record]) -> list[Record]:
    matches = ([r for r in records if is_run_of(r, config)] for config in configs)
    return [found[0] for found in matches if found]


def is_run_of(record: Record, config: RunConfig) -> bool:
    """Whether `record` is of a run of `config`, whatever its victim's weights.

    A setting newer than the record counts as at its default. A new setting changes the identity of
    every run, and must not make old records worthless.
    """
    defaults = RunConfig(attack=config.attack).in_full()
    # The fields' own defaults: those that suit a budget may be newer than the record.
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
        comparable=_comparable(record.config, paper),
    )
