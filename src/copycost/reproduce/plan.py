"""The runs of a reproduction: those of the studies asked for, at one scale."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from copycost.errors import ConfigError
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.study import Scale, Study, varied
from copycost.reproduce.sources import idle, sourced, stand_ins
from copycost.runner.config import RunConfig
from copycost.sweep.grid import unique

PAPER = "kwon2023"
ALL = "all"
"""The value of `--analysis` that selects all analyses."""
_DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Plan:
    """Studies at one scale, and their runs."""

    scale: Scale
    studies: Mapping[str, Study]
    """By their names in `STUDIES`."""
    seeds: int | None = None
    """Runs of each series; None: as many as each study wants."""

    @cached_property
    def series(self) -> dict[str, dict[str, list[RunConfig]]]:
        """The runs by study and series, one per seed. Raises `ConfigError` for an invalid one."""
        return {
            key: {one.label: self._runs(study, one.values) for one in study.series(self.scale)}
            for key, study in self.studies.items()
        }

    @cached_property
    def runs(self) -> list[RunConfig]:
        """Every run once, seed by seed, so that an interrupted plan has compared some seeds."""
        return unique(sorted(self._all(), key=lambda run: run.seed))

    @property
    def named(self) -> int:
        """Number of runs of all studies together; a shared run counts once for each study."""
        return len(self._all())

    def of(self, key: str) -> list[RunConfig]:
        """Every run of one study once."""
        return unique([run for runs in self.series[key].values() for run in runs])

    def stand_ins(self, key: str) -> dict[str, str]:
        """What one study uses in place of the paper's data; see `StudyResult`."""
        return stand_ins(self.scale, self.of(key))

    def _all(self) -> list[RunConfig]:
        return [run for key in self.series for runs in self.series[key].values() for run in runs]

    def _runs(self, study: Study, values: Mapping[str, Any]) -> list[RunConfig]:
        seeds = self.seeds or study.seeds
        return [RunConfig.read({**values, "seed": seed}) for seed in range(seeds)]


def make_plan(
    paper: str = PAPER,
    *,
    figures: Sequence[int] = (),
    analyses: Sequence[str] = (),
    scale: str = "quick",
    seeds: int | None = None,
    data: Path | None = None,
    house_numbers: bool = False,
    precision: str | None = None,
    compile: str | None = None,
    device: str | None = None,
) -> Plan:
    """The plan for what a user asked for; without figures and analyses, the paper's figures.

    Raises `ConfigError` that lists every unknown, invalid or useless option.
    """
    known = [] if paper == PAPER else [f"There is no paper {paper!r} to reproduce. Known: {PAPER}."]
    problems = known + _strange(figures, analyses)
    if device is not None and device not in _DEVICES:
        problems.append(f"device: expected {', '.join(_DEVICES)}, got {device!r}.")
    settings = {"precision": precision, "compile": compile, "device": device}
    given = {name: value for name, value in settings.items() if value is not None}
    try:
        base = _with(SCALES[scale], given)
        problems += idle(base, data, house_numbers=house_numbers)
        chosen = sourced(base, data, house_numbers=house_numbers)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return Plan(
        chosen, {key: STUDIES[key] for key in _keys(figures, analyses, chosen.besides)}, seeds
    )


def figures_of_paper() -> dict[int, str]:
    """The studies that are figures, by number."""
    return {study.figure: key for key, study in STUDIES.items() if study.figure is not None}


def analyses_of_paper() -> list[str]:
    """The studies that are not figures."""
    return [key for key, study in STUDIES.items() if study.figure is None]


def _with(scale: Scale, given: Mapping[str, Any]) -> Scale:
    """`scale` with the settings `given` applied to both of its base runs."""
    cifar10, svhn = (varied(base, **given) for base in (scale.cifar10, scale.svhn))
    for base in (cifar10, svhn):
        RunConfig.read(dict(base))
    return replace(scale, cifar10=cifar10, svhn=svhn)


def _keys(figures: Sequence[int], analyses: Sequence[str], besides: Sequence[str]) -> list[str]:
    """Names of the studies asked for, in the registry's order."""
    of_paper = figures_of_paper()
    if not figures and not analyses:
        return [*of_paper.values(), *besides]
    chosen = {of_paper[number] for number in figures} | set(analyses)
    if ALL in analyses:
        chosen |= set(analyses_of_paper())
    return [key for key in STUDIES if key in chosen]


def _strange(figures: Sequence[int], analyses: Sequence[str]) -> list[str]:
    of_paper, others = figures_of_paper(), analyses_of_paper()
    problems = []
    for number in figures:
        if number not in of_paper:
            why = "is a diagram: there is nothing to run" if number == 1 else "does not exist"
            known = ", ".join(map(str, of_paper))
            problems.append(f"Figure {number} {why}. Figures: {known}.")
    for name in analyses:
        if name not in (*others, ALL):
            near = difflib.get_close_matches(name, others, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            problems.append(f"There is no analysis {name!r}. Known: {', '.join(others)}.{hint}")
    return problems
