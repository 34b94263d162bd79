"""Choose the settings of a comparison on digits: as many tries for each attack, the floor included.

    python tools/tuning.py digits WORK > results/bench/digits/tuning.json
    python tools/tuning.py digits-label WORK > results/bench/digits-label/tuning.json
    python tools/tuning.py digits-pool WORK > results/bench/digits-pool/tuning.json

An attack is tried with the settings it has now and with others drawn from its space: all of
them at one seed, the best again at two more, and the best median agreement of those is chosen. The
seeds are none of those that the comparison reports. Runs lie under WORK; the same command goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from copycost.bench.tuning import Trial, Tuned, Tuning
from copycost.presets import pool_digits, small
from copycost.runner.audit import fit
from copycost.runner.config import RunConfig
from copycost.runner.folder import has_diverged
from copycost.runner.record import Record
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local
from copycost.sweep.sweep import Sweep

TRIES = {"digits": 20, "digits-label": 12, "digits-pool": 16}
AGAIN = 4
"""Of so many tries one is run at the other seeds too."""
SEEDS = (100, 101, 102)
WORKERS = 2

Settings = dict[str, Any]
Space = Mapping[str, Sequence[Any]]

STUDENT: Space = {
    "batch_size": (8, 16, 32, 64),
    "student_lr": (0.01, 0.02, 0.05, 0.1, 0.2),
    "student_weight_decay": (0.0, 5e-4, 2e-3),
    "schedule": ("cosine", "constant"),
}
GENERATOR: Space = {
    "width": (16, 32, 64),
    "latent": (64, 256),
    "generator_lr": (2e-5, 1e-4, 5e-4, 2e-3),
}
DISGUIDE: Space = {
    **STUDENT,
    **GENERATOR,
    "student_steps": (1, 2),
    "replay_steps": (3, 8, 16),
    "grey_every": (0, 8),
}
SYNTHESIS: Space = {
    "batch_size": (250, 500),
    "latent": (64, 256),
    "generator_lr": (3e-4, 1e-3, 3e-3),
    "synthesis_steps": (10, 20, 40),
    "epochs": (5, 10, 20),
}
FRUGAL: Space = {
    **STUDENT,
    "student_steps": (8, 16, 32),
    "members": (1, 2),
    "candidates": (2, 4, 8),
    "balanced": (True, False),
    "recent": (0.25, 0.5, 0.75),
}
POOL: Space = {**STUDENT, "batch_size": (16, 32, 64), "epochs": (25, 50, 100)}
NOISE: Space = {**STUDENT, "distribution": ("uniform", "normal")}
SPACES: dict[str, dict[str, Space]] = {
    "digits": {
        "dfme": {**STUDENT, **GENERATOR, "student_steps": (5, 9, 15)},
        "maze": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (2, 5, 10),
            "replay_steps": (5, 10, 20),
            "directions": (1, 2),
        },
        "disguide": DISGUIDE,
        "dual-student": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (2, 5, 10),
            "generator_sees": ("unsquashed", "image"),
            "average_every": (1, 10),
        },
        "frugal": FRUGAL,
        "random-noise": NOISE,
    },
    "digits-label": {
        "disguide": DISGUIDE,
        "dual-student": {
            **STUDENT,
            **GENERATOR,
            "student_steps": (1, 2, 5),
            "generator_sees": ("unsquashed", "image"),
            "average_every": (1, 10),
            "label_loss": ("cross-entropy", "l1-one-hot"),
        },
        "dfms-hl": {**STUDENT, **GENERATOR, "diversity": (50.0, 500.0)},
        "dfms-hl-proxy": {
            **STUDENT,
            **GENERATOR,
            "gan_steps": (50, 100, 200),
            "proxies_asked": (1_000, 2_000, 4_000),
            "epochs": (10, 20, 40),
        },
        "ideal": {**STUDENT, **SYNTHESIS, "spread": (0.5, 5.0)},
        "qedg": {**STUDENT, **SYNTHESIS, "last_epochs": (10, 40)},
        "frugal": FRUGAL,
        "random-noise": NOISE,
    },
    "digits-pool": {
        "in-distribution": POOL,
        "knockoff": {**POOL, "rounds": (1, 2, 4)},
        "knockoff-adaptive": {
            **POOL,
            "groups": (10, 30),
            "window": (25, 100),
            "scout_lr": (5e-4, 5e-3, 5e-2),
        },
        "active-thief": {
            **POOL,
            "strategy": ("entropy", "k-centre", "random"),
            "rounds": (2, 4),
            "first": (0.1, 0.3, 0.5),
        },
        "jbda": {
            **POOL,
            "epochs": (5, 10, 20),
            "last_epochs": (50, 100),
            "seeds": (50, 150, 300),
            "distance": (0.05, 0.1, 0.3),
            "direction": ("answer", "random-class"),
            "moves": (1, 2),
        },
        "fixmatch": {
            **POOL,
            "epochs": (15, 30, 60),
            "ratio": (3, 7),
            "threshold": (0.8, 0.95),
            "weight": (0.3, 1.0),
            "shift": (0.0, 0.125),
        },
        "random-noise": NOISE,
    },
}
PRESETS = {
    "digits": small.PRESET,
    "digits-label": small.PRESET_LABEL,
    "digits-pool": pool_digits.PRESET,
}


@dataclass
class Try:
    """Settings of an attack, and the agreements they led to, a seed each."""

    settings: Settings
    agreement: list[float]

    @property
    def median(self) -> float:
        """Over the seeds so far."""
        return median(self.agreement)


Tries = Mapping[str, Sequence[Try]]


def draw(space: Space, now: Settings, tries: int, random: Random) -> list[Try]:
    """`tries` different settings, the first of which are those of `now`."""
    found = {json.dumps(now, sort_keys=True): now}
    while len(found) < tries:
        drawn = now | {key: random.choice(values) for key, values in space.items()}
        found.setdefault(json.dumps(drawn, sort_keys=True), drawn)
    return [Try(settings, []) for settings in found.values()]


def run_at(seed: int, tries: Tries, preset: Mapping[str, Any], work: Path) -> list[Record]:
    """Run every trial at a seed and note its agreement; a run that diverged has learnt nothing."""
    trials = [(attack, trial) for attack, some in tries.items() for trial in some]
    shared = preset["shared"] | {"evaluations": 1}
    runs = [
        RunConfig.read(
            {**fit(shared, attack), "attack": attack, "settings": trial.settings, "seed": seed}
        )
        for attack, trial in trials
    ]
    sweep = Sweep(runs, work)
    results = sweep.run(Local(), Terms(sweep.folder, WORKERS, preset["threads"]))
    for (_, trial), result in zip(trials, results, strict=True):
        if not result.finished and not has_diverged(result.folder):
            raise SystemExit(f"{result.name}: {result.state}: {result.error}")
        trial.agreement.append(result.record.result["agreement"] if result.finished else 0.0)
    return [result.record for result in results if result.finished]


def main(name: str, work: str) -> None:
    """Print the record of it."""
    preset, spaces = PRESETS[name], SPACES[name]
    tries = {
        attack: draw(space, preset["settings"][attack], TRIES[name], Random(f"{name} {attack}"))
        for attack, space in spaces.items()
    }
    first, *others = SEEDS
    records = run_at(first, tries, preset, Path(work))
    best = {
        attack: sorted(some, key=lambda one: one.median, reverse=True)[: TRIES[name] // AGAIN]
        for attack, some in tries.items()
    }
    for seed in others:
        records += run_at(seed, best, preset, Path(work))
    around = {r.surroundings.model_dump_json(): r.surroundings for r in records}
    tuning = Tuning(
        bench=f"bench-{name}",
        victim=records[0].victim,
        budget=preset["shared"]["budget"],
        seeds=SEEDS,
        attacks={
            attack: Tuned(
                space={key: tuple(values) for key, values in space.items()},
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
