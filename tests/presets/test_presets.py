"""Every preset is executed at a tiny size: a recipe that nobody runs is soon a dead one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from copycost.datasets.base import Dataset, Labelled
from copycost.presets import PRESETS
from copycost.presets.victims import VICTIMS
from copycost.runner.audit import AuditConfig, audit
from copycost.runner.target import Target
from copycost.training.recipe import Recipe
from copycost.training.train import prepare
from copycost.types import Access
from copycost.victims.module import ModuleVictim

TINY = {"batch_size": 4}


def tiny_dataset(name: str) -> Dataset:
    """Random images of the shape the preset's data has."""
    shape = (1, 8, 8) if name == "digits" else (3, 32, 32)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, *shape), generator=random, dtype=torch.uint8)
    part = Labelled(images, torch.arange(12) % 10)
    return Dataset(name, f"random {name}", tuple("0123456789"), part, part)


def tiny_target(recipe: Recipe, dataset: Dataset) -> Target:
    """The preset's victim, untrained."""
    victim = ModuleVictim(prepare(recipe, dataset, 0), dataset.spec, dataset.classes, Access.LOGITS)
    return Target(victim, dataset.test, dataset.provenance, recipe.architecture)


# Even a few steps of the ResNets at full size take a CPU a quarter of a minute.
CASES = [
    pytest.param(name, marks=pytest.mark.slow)
    if PRESETS[name]["shared"]["student"].endswith("-8x")
    else name
    for name in PRESETS
]


@pytest.mark.parametrize("name", CASES)
def test_every_preset_runs_small(name: str, tmp_path: Path) -> None:
    values = dict(PRESETS[name])
    attacks = values["attacks"]
    values["settings"] = {a: {**values["settings"].get(a, {}), **TINY} for a in attacks}
    values["shared"] = {**values["shared"], "budget": 60, "evaluations": 1, "device": "cpu"}
    runs = AuditConfig.read(values).runs()
    preset = VICTIMS[runs[0].victim]
    target = tiny_target(preset.recipe, tiny_dataset(preset.dataset))
    done = audit(runs, target, tmp_path)
    assert [record.attack for record, _ in done] == list(attacks)
    assert all(record.finished and 50 < record.spent <= 60 for record, _ in done)
