"""Compare students at equal queries whose generators were trained in different arithmetic."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from copycost.engine import Engine
from copycost.errors import ConfigError, Interrupted
from copycost.presets.precision import COMPARISONS, SEEDS
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.record import SAMPLES_FILE, Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import load_target
from copycost.runner.watchers import Display, NoDisplay


def arms(
    victim: str = "digits-cnn", names: Sequence[str] = (), seeds: int = SEEDS
) -> dict[str, RunConfig]:
    """The runs of all arms on `victim`, or of those in `names`, by the names of their folders.

    They go seed by seed, so that an interrupted comparison has compared the arms at some seeds.
    Raises `ConfigError` for an unknown victim or arm.
    """
    if victim not in COMPARISONS:
        raise ConfigError(f"victim: expected one of {', '.join(COMPARISONS)}, got {victim}.")
    base, known = COMPARISONS[victim]
    strange = [name for name in names if name not in known]
    if strange:
        raise ConfigError(f"arm: there is no {', '.join(strange)}. Known: {', '.join(known)}.")
    return {
        f"{name}-seed{seed}": RunConfig.read(
            {
                **base,
                **known[name],
                "settings": {**base["settings"], **known[name].get("settings", {})},
                "seed": seed,
            }
        )
        for seed in range(seeds)
        for name in names or known
    }


def compare(
    runs: dict[str, RunConfig],
    out: Path,
    work: Path,
    *,
    stop: Stop | None = None,
    display: Display | None = None,
    load: Callable[[Path], Target] | None = None,
) -> list[Record]:
    """Do the unfinished runs under `work`; keep records and samples of finished ones under `out`.

    All `runs` copy one victim. Returns their records: fewer than `runs` if `stop` ends it early.
    """
    stop, display = stop or Stop(), display or NoDisplay()
    records: list[Record] = []
    try:
        folder = work / "victims"
        target = load(folder) if load else _target(next(iter(runs.values())), folder, stop)
    except Interrupted:
        return records
    for number, (name, config) in enumerate(runs.items(), start=1):
        if stop.reason:
            break
        try:
            with display.run(config, f"{number}/{len(runs)} {name}:") as watcher:
                record = copy_model(config, target, work / name, stop=stop, watcher=watcher)
        except Interrupted:
            break
        if record.finished:
            record.write(out / name)
            shutil.copyfile(work / name / SAMPLES_FILE, out / name / SAMPLES_FILE)
        records.append(record)
    return records


def _target(config: RunConfig, folder: Path, stop: Stop) -> Target:
    return load_target(config.victim, None, folder, Engine(config.device), stop=stop)
