"""Diagnoses for the studies that ask for them, kept apart from the studies' runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from copycost.errors import Interrupted
from copycost.presets.study import Scale, varied
from copycost.reproduce.plan import Plan
from copycost.runner.audit import run_folder
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.studies.vanishing import diagnose
from copycost.studies.vanishing_record import DiagnosisGrid, VanishingRecord
from copycost.sweep.victims import SavedHome, saved_home_of

DIAGNOSES = "diagnoses"
"""Folder of the diagnoses' records, among the results."""


@dataclass(frozen=True)
class Diagnosis:
    """A run to diagnose, and the record of its diagnosis so far."""

    config: RunConfig
    grid: DiagnosisGrid
    home: SavedHome
    record: VanishingRecord | None
    """Of a finished or a stopped diagnosis; None for one without a record."""

    @property
    def finished(self) -> bool:
        """Whether the diagnosis is finished."""
        return self.record is not None and self.record.finished

    @property
    def queries_left(self) -> int:
        """Queries still to be charged to its throw-away account."""
        return self.config.budget - (self.record.spent if self.record else 0)

    @property
    def moments_left(self) -> int:
        """Moments still to be measured."""
        return self.grid.moments - (len(self.record.moments) if self.record else 0)

    def make(self, folder: Path, stop: Stop, say: Callable[[str], None]) -> VanishingRecord | None:
        """Make or resume it under `folder`; None if `stop` interrupts its victim's training."""
        try:
            place = run_folder(folder / DIAGNOSES, self.config, self.home.train(stop))
        except Interrupted:
            return None

        def tell(line: str) -> None:
            say(f"diagnosis of seed {self.config.seed}: {line}")

        target, values = self.home.load(), self.config.model_dump()
        return diagnose(values, target, place, self.grid, stop=stop, say=tell)


def seeds_of(plan: Plan) -> int:
    """Number of seeds that the studies of `plan` want diagnosed; 0 if none asks for it."""
    asking = [study for study in plan.studies.values() if study.diagnostic]
    return max((plan.seeds or study.seeds for study in asking), default=0)


def diagnoses(
    scale: Scale, seeds: int, work: Path, records: Sequence[VanishingRecord]
) -> list[Diagnosis]:
    """Diagnoses of the base run of `scale` for CIFAR-10, one per seed, with their records, if any.

    All are of one victim: the one under `work`, or if there is none, the one that most of
    `records` are of.
    """
    configs, grid = [_run_of(scale, seed) for seed in range(seeds)], DiagnosisGrid(**scale.looks)
    homes = [saved_home_of(config, work) for config in configs]
    fulls = [config.in_full() for config in configs]
    alike = [record for record in records if record.grid == grid and record.config in fulls]
    hashes = [record.victim.content_hash for record in alike]
    copied = max(hashes, key=hashes.count, default="")
    return [
        Diagnosis(config, grid, home, _record(alike, config, home.content_hash or copied))
        for config, home in zip(configs, homes, strict=True)
    ]


def _run_of(scale: Scale, seed: int) -> RunConfig:
    """The run to diagnose, which is uncompiled even if the study's runs are compiled."""
    values = varied(scale.cifar10, budget=scale.diagnosed, seed=seed, compile="off")
    return RunConfig.read(dict(values))


def _record(
    records: Sequence[VanishingRecord], config: RunConfig, victim: str
) -> VanishingRecord | None:
    """The record of `config` and `victim`: a finished one, else a stopped one, else None."""
    full = config.in_full()
    found = [r for r in records if r.config == full and r.victim.content_hash == victim]
    return next(iter(sorted(found, key=lambda record: not record.finished)), None)
