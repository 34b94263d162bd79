"""Carry out a plan: do what is not finished, keep the records, and judge the studies by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from copycost.errors import RunError
from copycost.presets.kwon2023 import STUDIES
from copycost.presets.study import Scale
from copycost.reproduce.diagnosing import DIAGNOSES, Diagnosis, diagnoses, seeds_of
from copycost.reproduce.plan import Plan
from copycost.reproduce.result import StudyResult, result_of
from copycost.reproduce.ways import ways
from copycost.runner.audit import run_folder
from copycost.runner.config import RunConfig
from copycost.runner.folder import has_diverged
from copycost.runner.record import AGAIN, RECORD_FILE, Record, read_record
from copycost.runner.stopping import Stop
from copycost.studies.vanishing_record import DIAGNOSTIC_FILE, VanishingRecord, read_vanishing
from copycost.sweep.executors.base import Executor, Terms
from copycost.sweep.results import Result
from copycost.sweep.schedule import Watcher
from copycost.sweep.sweep import Sweep
from copycost.sweep.victims import Home, homes_of

T = TypeVar("T")

RECORDS = "records"
"""Folder of the finished runs' records, among the results."""


class Reproduction:
    """A plan, the folder its runs are done in, and the folder that keeps what they found."""

    def __init__(self, plan: Plan, work: Path, folder: Path) -> None:
        """Runs and victims go under `work`, records and pages under `folder`. Writes nothing.

        Raises `RunError` naming every record in either that this copycost cannot read, of
        diagnoses too.
        """
        self.plan, self.work, self.folder = plan, work, folder
        looked, problems = Sweep(plan.runs, work).look(), list[str]()
        places = [*_places(looked), *folder.glob(f"{RECORDS}/*/{RECORD_FILE}")]
        records = _read(read_record, places, problems)
        places = sorted(folder.glob(f"{DIAGNOSES}/*/{DIAGNOSTIC_FILE}"))
        self._looked = [*_read(read_vanishing, places, problems).values()]
        self._records = {record.id: record for record in records.values() if record.finished}
        self._keep_from(looked)
        problems += self._altered(records)
        if problems:
            raise RunError("\n".join([*problems, "Nothing was begun, and nothing was changed."]))

    @property
    def left(self) -> list[RunConfig]:
        """The runs that came to no end: neither finished nor diverged."""
        return [run for run in self.plan.runs if not self._ended(run)]

    @property
    def lost(self) -> dict[Path, RunConfig]:
        """The runs that diverged, by their folders: tried again, they would cost what they cost."""
        found = ((self._lost_in(run), run) for run in self.plan.runs)
        return {folder: run for folder, run in found if folder is not None}

    @property
    def unfinished(self) -> list[Result]:
        """How far they have come."""
        return Sweep(self.left, self.work).look() if self.left else []

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """What studies of the plan want looked into, one a seed; empty if none asks."""
        return self._diagnoses(self.plan.scale, seeds_of(self.plan))

    @property
    def undiagnosed(self) -> list[Diagnosis]:
        """Those of them that are not finished."""
        return [one for one in self.diagnoses if not one.finished]

    @property
    def untrained(self) -> list[Home]:
        """The victims that runs and diagnoses still to be done need trained."""
        left = [*self.left, *(one.config for one in self.undiagnosed)]
        return Sweep(left, self.work).untrained if left else []

    def record_of(self, run: RunConfig) -> Record | None:
        """The record of a run that is finished, against the victim that is there."""
        return self._records.get(run.identity(self._victim_of(run)))

    def diverged(self, run: RunConfig) -> bool:
        """Whether a run was lost to NaN and not finished since, where its folder is still there."""
        return self._lost_in(run) is not None

    def run(
        self, executor: Executor, terms: Terms, stop: Stop, watcher: Watcher | None = None
    ) -> list[Result]:
        """Do what is left, and keep every finished run's record; what became of each of those.

        A victim that is trained anew on another machine may come out as another: records of
        the first one no longer count then, and what they were of is left as well.
        """
        self.keep()
        ended: list[Result] = []
        before: list[RunConfig] = []
        while (left := self.left) and left != before and all(one.finished for one in ended):
            before = left
            results = Sweep(left, self.work).run(executor, terms, stop=stop, watcher=watcher)
            self._keep_from(results)
            self.keep()
            ended += results
        return ended

    def diagnose(self, one: Diagnosis, stop: Stop, say: Callable[[str], None]) -> None:
        """Make a diagnosis, unless `stop` is asked; see `reproduce.diagnosing`."""
        record = None if stop.reason else one.make(self.folder, stop, say)
        if record is not None:
            self._looked.append(record)

    def diagnosed(self) -> list[VanishingRecord]:
        """The finished diagnoses to be shown, seed by seed.

        The plan's, if it asks for any; else those by whichever options there are most.
        """
        found = [self.diagnoses]
        if not found[0]:
            seeds = 1 + max((record.config["seed"] for record in self._looked), default=0)
            scales = ways(self.plan.scale, self._looked)
            found += [self._diagnoses(scale, seeds) for scale in scales]
        finished = [[one.record for one in those if one.finished and one.record] for those in found]
        return max(finished, key=len)

    def keep(self) -> None:
        """Write the records that the results lack."""
        for run in self.plan.runs:
            record = self.record_of(run)
            if record is not None:
                place = run_folder(self.folder / RECORDS, run, record.victim.content_hash)
                if not (place / RECORD_FILE).exists() or read_record(place) != record:
                    record.write(place)

    def results(self) -> list[StudyResult]:
        """What became of the studies of the plan."""
        return [self._result(self.plan, key) for key in self.plan.studies]

    def everything(self) -> list[StudyResult]:
        """These, and every other study that is there, in the registry's order.

        The others are there whatever this plan's options: with the seeds that all of their
        series have, by the options by which there are most.
        """
        scales = ways(self.plan.scale, self._records.values())
        others = (self._most(key, scales) for key in STUDIES if key not in self.plan.studies)
        found = {one.key: one for one in (*self.results(), *others) if one is not None}
        return [found[key] for key in STUDIES if key in found]

    def _most(self, key: str, scales: Sequence[Scale]) -> StudyResult | None:
        """A study at the scale of which most seeds are there; None if there is no seed of any."""
        seeds, scale = max(
            ((self._seeds(key, scale), scale) for scale in scales),
            key=lambda found: found[0],
            default=(0, self.plan.scale),
        )
        return self._result(Plan(scale, {key: STUDIES[key]}, seeds), key) if seeds else None

    def _seeds(self, key: str, scale: Scale) -> int:
        """How many seeds of every series came to an end, from the first on without a gap."""
        runs = [RunConfig.read(dict(one.values)) for one in STUDIES[key].series(scale)]
        at = ([run.model_copy(update={"seed": seed}) for run in runs] for seed in count())
        return next(seed for seed, those in enumerate(at) if not all(map(self._ended, those)))

    def _lost_in(self, run: RunConfig) -> Path | None:
        """The folder of a run that diverged; None for any other."""
        victim = self._victim_of(run)
        folder = run_folder(self.work, run, victim)
        finished = run.identity(victim) in self._records
        return folder if has_diverged(folder) and not finished else None

    def _ended(self, run: RunConfig) -> bool:
        return self.record_of(run) is not None or self.diverged(run)

    def _result(self, plan: Plan, key: str) -> StudyResult:
        runs = plan.of(key)
        records = [self.record_of(run) for run in runs]
        return result_of(
            key,
            plan.studies[key],
            plan.scale,
            plan.series[key],
            [record for record in records if record],
            plan.stand_ins(key),
            [run for run in runs if self.diverged(run)],
        )

    def _diagnoses(self, scale: Scale, seeds: int) -> list[Diagnosis]:
        return diagnoses(scale, seeds, self.work, self._looked)

    def _altered(self, records: Mapping[Path, Record]) -> list[str]:
        """What is wrong with records that are a run's by their id and not by their settings.

        They would count as done, and be missing from every study.
        """
        meant = {run.identity(self._victim_of(run)): run.in_full() for run in self.plan.runs}
        return [
            f"{path} is not a valid record: config: expected what its id stands for, got other "
            f"values of {', '.join(names)}. {AGAIN}"
            for path, record in records.items()
            if (names := _differing(record.config, meant.get(record.id, record.config)))
        ]

    def _keep_from(self, results: Iterable[Result]) -> None:
        """Remember the finished ones; a run's own folder is nearer the truth than a copy."""
        found = [result.record for result in results if result.finished and result.record]
        self._records |= {record.id: record for record in found}

    def _victim_of(self, run: RunConfig) -> str:
        """The content of its victim: of the one that is here, else of the one that was."""
        (home,) = homes_of([run], self.work)
        return home.content_hash or self._copied(run)

    def _copied(self, run: RunConfig) -> str:
        """Of a victim that is not here, the content that most records copied; '' for none."""
        hashes = [r.victim.content_hash for r in self._records.values() if _like(r, run)]
        return max(hashes, key=hashes.count, default="")


def _like(record: Record, run: RunConfig) -> bool:
    """Whether it copied the victim of `run`; on other data one name is another victim's."""
    same = (record.config["victim"], record.config.get("data")) == (run.victim, run.data)
    return record.finished and same


def _differing(config: Mapping[str, Any], meant: Mapping[str, Any]) -> list[str]:
    return sorted(n for n in {*config, *meant} if config.get(n, ...) != meant.get(n, ...))


def _places(results: Sequence[Result]) -> list[Path]:
    """Records in the runs' own folders, finished or not."""
    places = [result.folder / RECORD_FILE for result in results if result.folder]
    return [place for place in places if place.exists()]


def _read(read: Callable[[Path], T], paths: Iterable[Path], problems: list[str]) -> dict[Path, T]:
    """What lies at `paths`; what is wrong with those that cannot be read goes to `problems`."""
    found = {}
    for path in paths:
        try:
            found[path] = read(path)
        except RunError as error:
            problems.append(str(error))
    return found
