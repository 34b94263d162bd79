"""The diagnostic run of the studies that ask for one, beside their runs and not one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from copycost.presets.study import varied
from copycost.reproduce.plan import Plan
from copycost.runner.audit import run_folder
from copycost.runner.config import RunConfig
from copycost.runner.kept_training import Interrupted
from copycost.runner.stopping import Stop
from copycost.studies.vanishing import diagnose
from copycost.studies.vanishing_record import DIAGNOSTIC_FILE, Grid, read_vanishing
from copycost.sweep.victims import homes_of

DIAGNOSES = "diagnoses"
"""Folder of the diagnoses' records, among the results."""


def diagnosis(
    plan: Plan, work: Path, folder: Path, stop: Stop, say: Callable[[str], None]
) -> Path | None:
    """The folder of the finished diagnosis of `plan`'s base; made now if the plan asks for it.

    None if it is not there and no study of the plan asks for one, or if `stop` ended it early:
    it goes on the next time. The victim lies, or is trained, under `work`.
    """
    scale = plan.scale
    # What is looked into is run as it is, whatever the runs are.
    values = varied(scale.cifar10, budget=scale.diagnosed, seed=0, compile="off")
    config = RunConfig.read(dict(values))
    (home,) = homes_of([config], work)
    grid = Grid(**scale.looks)
    earlier = _finished(config, grid, home.content_hash, folder)
    if earlier is not None or not plan.diagnostic or stop.reason:
        return earlier
    try:
        place = run_folder(folder / DIAGNOSES, config, home.train(stop))
    except Interrupted:
        return None
    record = diagnose(values, home.load(), place, grid, stop=stop, say=say)
    return place if record.finished else None


def _finished(config: RunConfig, grid: Grid, victim: str | None, folder: Path) -> Path | None:
    """Where a finished diagnosis of `config` lies: of `victim`, or of any if that is not here."""
    for place in sorted((folder / DIAGNOSES).glob(f"*/{DIAGNOSTIC_FILE}")):
        record = read_vanishing(place)
        same = record.config == config.in_full() and record.grid == grid
        if record.finished and same and victim in (None, record.victim.content_hash):
            return place.parent
    return None
