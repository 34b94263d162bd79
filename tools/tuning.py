"""Choose the settings of a comparison, with equally many tries for each attack.

    python -m tools.tuning digits WORK > results/bench/digits/tuning.json
    python -m tools.tuning digits-label WORK > results/bench/digits-label/tuning.json
    python -m tools.tuning digits-pool WORK > results/bench/digits-pool/tuning.json
    python -m tools.tuning twentieth WORK > results/frugal/twentieth/tuning.json
    python -m tools.tuning twentieth-label WORK > results/frugal/twentieth/tuning-label.json

Each attack, on digits random noise too, is tried with its present settings and others from its
space: all at one seed, the best ones also at others, and the best by median agreement is chosen.
The comparison reports other seeds. Runs lie under WORK; the same command resumes them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from copycost.attacks import ATTACKS
from copycost.presets import pool_digits, small
from copycost.runner.audit import fit
from copycost.runner.config import RunConfig
from copycost.runner.folder import has_diverged
from copycost.runner.record import Record
from copycost.settings import write_settings
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local
from copycost.sweep.sweep import Sweep
from tools.passages.tuning import Trial, Tuned, Tuning
from tools.spaces import SPACES, Space

AGAIN = 4
"""One in so many tries, those that agree best, is run at the other seeds too."""
WORKERS = 2

Settings = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how often each attack is tried."""

    bench: str
    preset: Mapping[str, Any]
    tries: int
    seeds: tuple[int, ...] = (100, 101, 102)
    more: Mapping[str, int] = field(default_factory=dict)
    """Budgets of the attacks that do not have the shared one."""


_COSINE: Settings = {"width": 32, "schedule": "cosine"}
_LARGER: Settings = {
    "victim": "house-numbers-16",
    "student": "gap-cnn",
    "device": "cpu",
    "budget": 6_000,
}
COMPARISONS = {
    "digits": Comparison("bench-digits", small.PRESET, 20),
    "digits-label": Comparison("bench-digits-label", small.PRESET_LABEL, 12),
    "digits-pool": Comparison("bench-digits-pool", pool_digits.PRESET, 16),
    "twentieth": Comparison(
        "frugal-twentieth",
        {
            "threads": 1,
            "settings": {
                "dfme": _COSINE | {"batch_size": 16, "student_steps": 9, "student_weight_decay": 0},
                "frugal": {"batch_size": 32, "student_steps": 64, "members": 1},
            },
            "shared": _LARGER,
        },
        tries=12,
        seeds=(100, 101),
        more={"dfme": 120_000},
    ),
    "twentieth-label": Comparison(
        "frugal-twentieth",
        {
            "threads": 1,
            "settings": {
                "disguide": _COSINE | {"batch_size": 32},
                "frugal": {
                    "batch_size": 32,
                    "student_steps": 64,
                    "members": 1,
                    "shift": 0.0625,
                    "balanced": False,
                    "adjustment": 0.0,
                },
            },
            "shared": _LARGER | {"access": "label"},
        },
        tries=8,
        seeds=(100, 101),
        more={"disguide": 120_000},
    ),
}


@dataclass
class Try:
    """Settings of an attack, and the agreement that they reach at each seed."""

    settings: Settings
    agreement: list[float]

    @property
    def median(self) -> float:
        """Median agreement over the seeds so far."""
        return median(self.agreement)


Tries = Mapping[str, Sequence[Try]]


def draw(space: Space, now: Settings, tries: int, random: Random) -> list[Try]:
    """`tries` different settings, of which `now` comes first."""
    found = {json.dumps(now, sort_keys=True): now}
    while len(found) < tries:
        drawn = now | {key: random.choice(values) for key, values in space.items()}
        found.setdefault(json.dumps(drawn, sort_keys=True), drawn)
    return [Try(settings, []) for settings in found.values()]


def in_full(attack: str, settings: Settings) -> Settings:
    """`settings` and plain defaults, so that no default that suits a budget replaces one tried."""
    return write_settings(ATTACKS[attack]()) | settings


def run_at(seed: int, tries: Tries, compared: Comparison, work: Path) -> list[Record]:
    """Run every trial at a seed and note its agreement; a run that diverged has learnt nothing."""
    preset = compared.preset
    trials = [(attack, trial) for attack, some in tries.items() for trial in some]
    shared = preset["shared"] | {"evaluations": 1}
    runs = [
        RunConfig.read(
            fit(shared, attack)
            | {"attack": attack, "settings": in_full(attack, trial.settings), "seed": seed}
            | {"budget": compared.more.get(attack, shared["budget"])}
        )
        for attack, trial in trials
    ]
    sweep = Sweep(runs, work)
    results = sweep.run(Local(), Terms(sweep.folder, WORKERS, preset["threads"]))
    records = []
    for (_, trial), result in zip(trials, results, strict=True):
        if not result.finished and not has_diverged(result.folder):
            raise SystemExit(f"{result.name}: {result.state}: {result.error}")
        record = result.record if result.finished else None
        trial.agreement.append(record.result["agreement"] if record else 0.0)
        records += [record] if record else []
    return records


def main(name: str, work: str) -> None:
    """Tune the comparison called `name` and print the record."""
    compared, spaces = COMPARISONS[name], SPACES[name]
    now, count = compared.preset["settings"], compared.tries
    tries = {
        attack: draw(space, now[attack], count, Random(f"{name} {attack}"))
        for attack, space in spaces.items()
    }
    first, *others = compared.seeds
    records = run_at(first, tries, compared, Path(work))
    best = {
        attack: sorted(some, key=lambda one: one.median, reverse=True)[: count // AGAIN]
        for attack, some in tries.items()
    }
    for seed in others:
        records += run_at(seed, best, compared, Path(work))
    around = {r.surroundings.model_dump_json(): r.surroundings for r in records}
    tuning = Tuning(
        bench=compared.bench,
        victim=records[0].victim,
        budget=compared.preset["shared"]["budget"],
        seeds=compared.seeds,
        attacks={
            attack: Tuned(
                space={key: tuple(values) for key, values in space.items()},
                budget=compared.more.get(attack),
                chosen=max(best[attack], key=lambda one: one.median).settings,
                trials=tuple(Trial(**vars(one)) for one in tries[attack]),
            )
            for attack, space in spaces.items()
        },
        surroundings=tuple(around.values()),
    )
    sys.stdout.write(tuning.model_dump_json(indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
