"""Carry out a plan: do the unfinished runs, keep the records, and judge the studies by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from copycost.errors import RunError
from copycost.presets.kwon2023 import STUDIES
from copycost.presets.study import Scale
from copycost.reproduce.diagnoses import DIAGNOSES, Diagnosis, diagnoses, seeds_of
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
from copycost.sweep.scheduler import TaskWatcher
from copycost.sweep.sweep import Sweep
from copycost.sweep.victims import SavedHome, home_of

T = TypeVar("T")

RECORDS = "records"
"""Folder of the finished runs' records, among the results."""


class Reproduction:
    """A plan, the folder in which its runs are done, and the folder that keeps their records."""

    def __init__(self, plan: Plan, work: Path, folder: Path) -> None:
        """Runs and victims go under `work`, records and pages under `folder`. Writes nothing.

        Raises `RunError` that names every invalid record, of a run or of a diagnosis, in either.
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
        """The runs that have neither finished nor diverged."""
        return [run for run in self.plan.runs if not self._ended(run)]

    @property
    def lost(self) -> dict[Path, RunConfig]:
        """The runs that diverged, by their folders; another try would cost as much again."""
        found = ((self._lost_in(run), run) for run in self.plan.runs)
        return {folder: run for folder, run in found if folder is not None}

    @property
    def unfinished(self) -> list[Result]:
        """The state of every run in `left`."""
        return Sweep(self.left, self.work).look() if self.left else []

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """The diagnoses that the plan's studies ask for, one per seed; empty if none asks."""
        return self._diagnoses(self.plan.scale, seeds_of(self.plan))

    @property
    def undiagnosed(self) -> list[Diagnosis]:
        """The diagnoses of the plan that are not finished."""
        return [one for one in self.diagnoses if not one.finished]

    @property
    def untrained(self) -> list[SavedHome]:
        """The victims still to be trained for unfinished runs and diagnoses."""
        left = [*self.left, *(one.config for one in self.undiagnosed)]
        return Sweep(left, self.work).untrained if left else []

    def record_of(self, run: RunConfig) -> Record | None:
        """The record of `run` on its present victim; None unless it is finished."""
        return self._records.get(run.identity(self._victim_of(run)))

    def diverged(self, run: RunConfig) -> bool:
        """Whether `run` diverged and has not finished since; False if its folder is gone."""
        return self._lost_in(run) is not None

    def run(
        self, executor: Executor, terms: Terms, stop: Stop, watcher: TaskWatcher | None = None
    ) -> list[Result]:
        """Do the runs that are left, keep every finished run's record, and return all results.

        A victim trained anew on another machine may get other weights. Records of the earlier
        victim then no longer count, and their runs are done again as well.
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
        """Make a diagnosis, unless `stop` has been asked; see `reproduce.diagnoses`."""
        record = None if stop.reason else one.make(self.folder, stop, say)
        if record is not None:
            self._looked.append(record)

    def diagnosed(self) -> list[VanishingRecord]:
        """The finished diagnoses to show, seed by seed.

        Those of the plan, if it asks for any; else those made with the most frequent options.
        """
        found = [self.diagnoses]
        if not found[0]:
            seeds = 1 + max((record.config["seed"] for record in self._looked), default=0)
            scales = ways(self.plan.scale, self._looked)
            found += [self._diagnoses(scale, seeds) for scale in scales]
        finished = [[one.record for one in those if one.finished and one.record] for those in found]
        return max(finished, key=len)

    def keep(self) -> None:
        """Write the finished runs' records that the results lack or hold in another state."""
        for run in self.plan.runs:
            record = self.record_of(run)
            if record is not None:
                place = run_folder(self.folder / RECORDS, run, record.victim.content_hash)
                if not (place / RECORD_FILE).exists() or read_record(place) != record:
                    record.write(place)

    def results(self) -> list[StudyResult]:
        """The results of the plan's studies."""
        return [self._result(self.plan, key) for key in self.plan.studies]

    def everything(self) -> list[StudyResult]:
        """The results of the plan's studies and of all others with runs, in the registry's order.

        The others do not depend on this plan's options: each is shown with the options that give
        it most seeds, and with the seeds that all of its series have.
        """
        scales = ways(self.plan.scale, self._records.values())
        others = (self._most(key, scales) for key in STUDIES if key not in self.plan.studies)
        found = {one.key: one for one in (*self.results(), *others) if one is not None}
        return [found[key] for key in STUDIES if key in found]

    def _most(self, key: str, scales: Sequence[Scale]) -> StudyResult | None:
        """A study at whichever of `scales` has most seeds; None if none has any."""
        seeds, scale = max(
            ((self._seeds(key, scale), scale) for scale in scales),
            key=lambda found: found[0],
            default=(0, self.plan.scale),
        )
        return self._result(Plan(scale, {key: STUDIES[key]}, seeds), key) if seeds else None

    def _seeds(self, key: str, scale: Scale) -> int:
        """Number of seeds, from 0 on without a gap, whose runs ended in every series."""
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
        """Errors of records whose id is that of a planned run, but whose settings differ.

        Such a run would count as done, and yet be missing from every study.
        """
        meant = {run.identity(self._victim_of(run)): run.in_full() for run in self.plan.runs}
        return [
            f"{path} is not a valid record: config: expected what its id stands for, got other "
            f"values of {', '.join(names)}. {AGAIN}"
            for path, record in records.items()
            if (names := _differing(record.config, meant.get(record.id, record.config)))
        ]

    def _keep_from(self, results: Iterable[Result]) -> None:
        """Remember finished records; those in the runs' own folders replace copies of them."""
        found = [result.record for result in results if result.finished and result.record]
        self._records |= {record.id: record for record in found}

    def _victim_of(self, run: RunConfig) -> str:
        """Content hash of the run's victim: the present one, or else the one records copied."""
        return home_of(run, self.work).content_hash or self._copied(run)

    def _copied(self, run: RunConfig) -> str:
        """Content hash that most records give for an absent victim; '' if there are none."""
        hashes = [r.victim.content_hash for r in self._records.values() if _like(r, run)]
        return max(hashes, key=hashes.count, default="")


def _like(record: Record, run: RunConfig) -> bool:
    """Whether a finished record copied the victim of `run`, by its name and its data."""
    same = (record.config["victim"], record.config.get("data")) == (run.victim, run.data)
    return record.finished and same


def _differing(config: Mapping[str, Any], meant: Mapping[str, Any]) -> list[str]:
    return sorted(n for n in {*config, *meant} if config.get(n, ...) != meant.get(n, ...))


def _places(results: Sequence[Result]) -> list[Path]:
    """Records in the runs' own folders, finished or not."""
    places = [result.folder / RECORD_FILE for result in results if result.folder]
    return [place for place in places if place.exists()]


def _read(read: Callable[[Path], T], paths: Iterable[Path], problems: list[str]) -> dict[Path, T]:
    """Read what lies at `paths`; the errors of unreadable ones are appended to `problems`."""
    found = {}
    for path in paths:
        try:
            found[path] = read(path)
        except RunError as error:
            problems.append(str(error))
    return found
