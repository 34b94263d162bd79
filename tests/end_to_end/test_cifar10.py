"""The whole way on real colour images: CIFAR-10 (JPEG q75), a small victim, a small budget.

The images are halved to 16×16: at full size a budget that a test can afford teaches a student
nothing, by whatever attack.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from copycost.datasets import load
from copycost.datasets.base import Dataset, Labelled
from copycost.presets.small import ONE_PASS
from copycost.runner.audit import AuditConfig, audit
from copycost.runner.record import Record
from copycost.runner.target import Target
from copycost.training.recipe import Recipe
from copycost.training.train import accuracy, train
from copycost.victims.module import ModuleVictim

RECIPE = Recipe(architecture="gap-cnn", epochs=4, batch_size=64, peak_lr=0.2, flip=True)


def part(labelled: Labelled, n: int) -> Labelled:
    """The first `n`."""
    return Labelled(labelled.inputs[:n], labelled.labels[:n])


@pytest.fixture(scope="module")
def dataset(real_data: Path) -> Dataset:
    whole = load(f"cifar10-16:{real_data / 'cifar10-jpeg'}")
    return replace(whole, train=part(whole.train, 10_000), test=part(whole.test, 1_000))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_victim_is_copied_better_than_by_noise(dataset, tmp_path):
    module = train(RECIPE, dataset, "cpu", seed=0)
    assert accuracy(module, dataset.test, "cpu") > 0.4
    victim = ModuleVictim(module, dataset.spec, dataset.classes, name="small")
    target = Target(victim, dataset.test, dataset.provenance, "gap-cnn")
    settings = {"batch_size": 64, "schedule": "cosine"}
    runs = AuditConfig.read(
        {
            "settings": {
                "dfme": {**settings, "student_steps": 9, "width": 32},
                "random-noise": settings | ONE_PASS,
            },
            "shared": {"student": "gap-cnn", "budget": 40_000, "evaluations": 3, "device": "cpu"},
        }
    ).runs()
    found: dict[str, Record] = {r.attack: r for r, _ in audit(runs, target, tmp_path)}
    assert found["dfme"].victim.dataset == "CIFAR-10 (JPEG q75), halved to 16×16"
    assert found["dfme"].result["agreement"] > found["random-noise"].result["agreement"] + 0.1
    assert found["dfme"].result["estimate/correlation"] > 0.9
