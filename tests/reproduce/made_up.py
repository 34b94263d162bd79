"""Results of studies made in code: the numbers are invented, their shape is that of real runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.study import Scale
from copycost.presets.victims import VICTIMS
from copycost.reproduce.result import StudyResult, result_of
from copycost.reproduce.sources import stand_ins
from copycost.runner.config import RunConfig
from copycost.runner.record import AccountFacts, Point, Record, Surroundings, VictimFacts
from copycost.types import Access, InputSpec

MOMENTS = 11
DATA = {
    "digits": "scikit-learn digits",
    "house-numbers-16": "synthetic house numbers, halved to 16×16",
    "house-numbers": "synthetic house numbers",
    "cifar10": "CIFAR-10",
    "svhn": "SVHN",
}
Values = Callable[[str, int, float], Mapping[str, float]]
"""From a series' label, a seed and the share of the budget to what was measured there."""


def measured(label: str, seed: int, share: float) -> dict[str, float]:
    """Losses and norms that shrink, further on SVHN, and accuracy that rises to 0.8 or so."""
    rate = 3 if label == "SVHN" else 2
    reached = 0.1 + (0.7 + 0.01 * seed) * (1 - math.exp(-8 * share)) / (1 - math.exp(-8))
    losses = {
        name: scale * math.exp(-rate * share)
        for name, scale in {
            "generator/gap": 2.0,
            "student/gap": 1.5,
            "student/gradient norm": 1.0,
            "generator/gradient norm": 40.0,
            "estimate/norm": 4.0,
        }.items()
    }
    return {"accuracy": reached, "agreement": reached + 0.01, "kl": 1 - reached} | losses


def record_of(config: RunConfig, label: str, values: Values = measured, **changes: Any) -> Record:
    """The record that a run of `config` could have left."""
    preset = VICTIMS[config.victim]
    points = []
    for moment in range(MOMENTS):
        share = moment / (MOMENTS - 1)
        queries = round(share * config.budget)
        at = dict(values(label, config.seed, share))
        points.append(Point(queries=queries, seconds=60 * share, values=at))
    victim: dict[str, Any] = {
        "name": config.victim,
        "architecture": preset.recipe.architecture,
        "dataset": DATA[preset.dataset],
        "classes": 10,
        "spec": InputSpec(shape=(3, 32, 32)),
        "output": Access.LOGITS,
        "content_hash": "5e" * 32,
        "accuracy": 0.955,
        "defended_accuracy": 0.955,
        "self_agreement": 1.0,
    }
    fields: dict[str, Any] = {
        "id": config.identity("5e" * 32),
        "given": {},
        "config": config.in_full(),
        "attack": config.attack,
        "knowledge": "strictly data-free",
        "seed": config.seed,
        "access": config.access,
        "student": config.student,
        "victim": VictimFacts(**victim | changes.pop("victim", {})),
        "accounts": {
            "attacker": AccountFacts(budget=config.budget, spent=config.budget),
            "auditor": AccountFacts(budget=None, spent=1),
        },
        "surroundings": Surroundings(
            hardware="a test machine",
            device="cpu",
            threads=1,
            versions={"python": "3.11", "torch": "2.8", "copycost": "0.1.0"},
            commit="0123abc",
            arithmetic={"training": "float32"},
        ),
        "curve": points,
        "seconds": 90.0 + 60 * config.seed,
        "started": "2026-01-02T03:04:05+00:00",
        "ended": "finished",
    }
    return Record(**fields | changes)


def planned(key: str, scale: Scale, seeds: int = 3) -> dict[str, list[RunConfig]]:
    """The runs of a study, by series."""
    return {
        label: [RunConfig.read({**values, "seed": seed}) for seed in range(seeds)]
        for label, values in STUDIES[key].series(scale)
    }


def made_up(
    key: str,
    scale: str = "quick",
    *,
    seeds: int = 3,
    finished: int | None = None,
    values: Values = measured,
    **changes: Any,
) -> StudyResult:
    """What became of a study of which `finished` runs of every series are there."""
    runs = planned(key, SCALES[scale], seeds)
    records = [
        record_of(config, label, values, **changes)
        for label, configs in runs.items()
        for config in configs[: seeds if finished is None else finished]
    ]
    places = stand_ins(SCALES[scale], [config for configs in runs.values() for config in configs])
    return result_of(key, STUDIES[key], SCALES[scale], runs, records, places)
