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

AGAIN = 4
"""One in so many tries, those that agree best, is run at the other seeds too."""
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
LARGER: Space = {
    "batch_size": (16, 32, 64),
    "student_lr": (0.02, 0.05, 0.1, 0.2),
    "student_weight_decay": STUDENT["student_weight_decay"],
    "schedule": STUDENT["schedule"],
}
FRUGAL_LARGER: Space = {
    **FRUGAL,
    **LARGER,
    "student_steps": (16, 32, 64),
    "candidates": (4, 8, 16, 32),
    "shift": (0.0, 0.0625),
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
    "twentieth": {
        "dfme": {**LARGER, **GENERATOR, "student_steps": (5, 9, 15), "loss": ("l1", "l2")},
        "frugal": {**FRUGAL_LARGER, "loss": ("l1", "l2")},
    },
    "twentieth-label": {
        "disguide": {**DISGUIDE, **LARGER},
        "frugal": {**FRUGAL_LARGER, "adjustment": (0.0, 0.5, 1.0)},
    },
}


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
