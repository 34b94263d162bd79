"""The diagnostic runs of the studies that ask for them, beside their runs and none of them."""

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
from copycost.studies.vanishing_record import Grid, VanishingRecord
from copycost.sweep.victims import Home, homes_of

DIAGNOSES = "diagnoses"
"""Folder of the diagnoses' records, among the results."""


@dataclass(frozen=True)
class Diagnosis:
    """A run that is to be looked into, and what there is of it."""

    config: RunConfig
    grid: Grid
    home: Home
    record: VanishingRecord | None
    """Of one that is finished or was stopped in its middle."""

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left."""
        return self.record is not None and self.record.finished

    @property
    def queries_left(self) -> int:
        """What its throw-away account is still asked for."""
        return self.config.budget - (self.record.spent if self.record else 0)

    @property
    def moments_left(self) -> int:
        """Looks at the players that are still to come."""
        return self.grid.moments - (len(self.record.moments) if self.record else 0)

    def make(self, folder: Path, stop: Stop, say: Callable[[str], None]) -> VanishingRecord | None:
        """Make it, or go on with it, under `folder`; None if `stop` came before its beginning."""
        try:
            place = run_folder(folder / DIAGNOSES, self.config, self.home.train(stop))
        except Interrupted:
            return None

        def tell(line: str) -> None:
            say(f"diagnosis of seed {self.config.seed}: {line}")

        target, values = self.home.load(), self.config.model_dump()
        return diagnose(values, target, place, self.grid, stop=stop, say=tell)


def seeds_of(plan: Plan) -> int:
    """How many seeds the studies of `plan` want looked into; 0 if none asks for it."""
    asking = [study for study in plan.studies.values() if study.diagnostic]
    return max((plan.seeds or study.seeds for study in asking), default=0)


def diagnoses(
    scale: Scale, seeds: int, work: Path, records: Sequence[VanishingRecord]
) -> list[Diagnosis]:
    """The diagnoses of the base of `scale`, one a seed, beside what `records` have of them.

    All are of one victim: of the one under `work`, or where there is none, of the one that most
    of them looked into.
    """
    configs, grid = [_run_of(scale, seed) for seed in range(seeds)], Grid(**scale.looks)
    homes, fulls = homes_of(configs, work), [config.in_full() for config in configs]
    alike = [record for record in records if record.grid == grid and record.config in fulls]
    hashes = [record.victim.content_hash for record in alike]
    copied = max(hashes, key=hashes.count, default="")
    return [
        Diagnosis(config, grid, home, _record(alike, config, home.content_hash or copied))
        for config, home in zip(configs, homes, strict=True)
    ]


def _run_of(scale: Scale, seed: int) -> RunConfig:
    """What is looked into is run as it is, uncompiled, whatever the runs are."""
    values = varied(scale.cifar10, budget=scale.diagnosed, seed=seed, compile="off")
    return RunConfig.read(dict(values))


def _record(
    records: Sequence[VanishingRecord], config: RunConfig, victim: str
) -> VanishingRecord | None:
    """Of `config` and `victim`; a finished one before one that was stopped."""
    full = config.in_full()
    found = [r for r in records if r.config == full and r.victim.content_hash == victim]
    return next(iter(sorted(found, key=lambda record: not record.finished)), None)
