"""Students at equal queries whose generators were trained in different arithmetic."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from copycost.engine import Engine
from copycost.errors import ConfigError, Interrupted
from copycost.presets.precision import ARMS, BASE, SEEDS
from copycost.runner.audit import Display, NoDisplay
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.record import SAMPLES_FILE, Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import load_target


def arms(names: Sequence[str] = tuple(ARMS), seeds: int = SEEDS) -> dict[str, RunConfig]:
    """Every run by the name of its folder, seed by seed, so that one cut short has compared.

    Raises `ConfigError` for an arm that there is not.
    """
    strange = [name for name in names if name not in ARMS]
    if strange:
        raise ConfigError([f"arm: there is no {', '.join(strange)}. Known: {', '.join(ARMS)}."])
    return {
        f"{name}-seed{seed}": RunConfig.read(
            {
                **BASE,
                **ARMS[name],
                "settings": {**BASE["settings"], **ARMS[name].get("settings", {})},
                "seed": seed,
            }
        )
        for seed in range(seeds)
        for name in names
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
    """Run what is not finished yet under `work`; keep records and samples under `out`.

    Returns the records; fewer than asked for if `stop` ended it early.
    """
    stop, display = stop or Stop(), display or NoDisplay()
    records: list[Record] = []
    try:
        target = load(work / "victims") if load else _target(work / "victims", stop)
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


def _target(folder: Path, stop: Stop) -> Target:
    return load_target(BASE["victim"], None, folder, Engine(BASE["device"]), stop=stop)
