"""Every preset is executed at a tiny size: a recipe that nobody runs is soon a dead one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from copycost import presets
from copycost.attacks import ATTACKS
from copycost.datasets.base import Dataset, Labelled
from copycost.presets import PRESETS
from copycost.presets.victims import VICTIMS
from copycost.runner.audit import AuditConfig, audit
from copycost.runner.config import RunConfig
from copycost.runner.record import read_record
from copycost.runner.target import Target
from copycost.settings import read_settings
from copycost.training.train import prepare
from copycost.types import Access
from copycost.victims.module import ModuleVictim

TINY = {"batch_size": 4}
SHORT = {"epochs": 1, "last_epochs": 1, "synthesis_steps": 2, "gan_steps": 1}
"""What takes long and asks nothing."""


def tiny_dataset(name: str) -> Dataset:
    """Random images of the shape the preset's data has."""
    shape = (1, 8, 8) if name == "digits" else (3, 32, 32)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, *shape), generator=random, dtype=torch.uint8)
    part = Labelled(images, torch.arange(12) % 10)
    return Dataset(name, f"random {name}", tuple("0123456789"), part, part)


@cache
def tiny_target(victim: str) -> Target:
    """The victim of a preset, untrained; the presets that share it share this one."""
    preset = VICTIMS[victim]
    dataset = tiny_dataset(preset.dataset)
    module = prepare(preset.recipe, dataset, 0)
    model = ModuleVictim(module, dataset.spec, dataset.classes, Access.LOGITS)
    return Target(model, dataset.test, dataset.provenance, preset.recipe.architecture)


def tiny(attack: str) -> dict[str, int]:
    """Settings that make each of its steps, and what it learns after them, short."""
    known = ATTACKS[attack].__dataclass_fields__
    # Eight steps at the real rate on the same four images make a student's weights explode.
    once = {"student_steps": 1} if attack == "frugal" else {}
    return {**TINY, **once, **{name: value for name, value in SHORT.items() if name in known}}


def two_steps(config: RunConfig) -> int:
    """Queries that two steps take, and a few more that pay for no third."""
    attack = read_settings(ATTACKS[config.attack], dict(config.settings))
    return int(2 * attack.batch_size * attack.queries_per_image + 1)


WITH_A_POOL_OF_THE_USERS = [
    name
    for name in PRESETS
    if PRESETS[name]["shared"].get("pool", "").startswith(("folder:", "cifar10"))
]


def tiny_pool(file: Path) -> str:
    """As many random photographs as JBDA starts with, and a few more."""
    images = np.random.default_rng(0).integers(0, 256, (160, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(160) % 10
    np.savez(file, x_train=images, y_train=labels, x_test=images, y_test=labels)
    return f"npz:{file}"


# Even two steps of the ResNets at full size take a CPU ten seconds.
CASES = [
    pytest.param(name, marks=pytest.mark.slow)
    if PRESETS[name]["shared"]["student"].endswith(("-8x", "-22-2"))
    else name
    for name in PRESETS
]


@pytest.fixture(autouse=True)
def _few_images_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack's look at its own health would take most of the time."""
    for place in ("generative.DIAGNOSED", "estimating.DIAGNOSED"):
        monkeypatch.setattr(f"copycost.attacks.{place}", 2)


PLACES = Path(presets.__file__).parent
HEADS = sorted(path for path in PLACES.glob("*.py") if path.stem not in ("__init__", "study"))
MEASURED = {
    "digits": ("results/digits", "seed0"),
    "precision": ("results/precision/digits-cnn", ""),
}
"""By preset, the folder of the records that its head times, and which of them are one seed's."""


def head(name: str) -> dict[str, str]:
    """What the head of a preset's file says, by the word before the colon."""
    text = ast.get_docstring(ast.parse((PLACES / f"{name}.py").read_text("utf-8"))) or ""
    return dict(
        re.findall(r"^([A-Z]\w+): +(.*?)(?=^[A-Z]\w+: |\Z)", text, re.MULTILINE | re.DOTALL)
    )


@pytest.mark.parametrize("name", [path.stem for path in HEADS])
def test_the_head_of_a_preset_says_what_it_is_and_how_long_it_takes(name: str) -> None:
    said = head(name)
    assert {"Paper", "Command", "Hardware", "Expected"} <= set(said)
    time = said.get("Time", said["Hardware"]).replace("--max-minutes", "")
    assert re.search(r"\b(second|minute|hour)s?\b|\bnot measured\b", time), time


@pytest.mark.parametrize("name", MEASURED)
def test_times_of_heads_are_those_of_the_records(name: str) -> None:
    folder, of_one_seed = MEASURED[name]
    root = Path(__file__).parents[2]
    found = [read_record(p) for p in (root / folder).rglob(f"*{of_one_seed}*/record.json")]
    minutes = round(sum(record.seconds for record in found) / 60)
    assert f"{minutes} minutes" in head(name)["Time"]


def test_fixmatch_takes_as_many_steps_as_its_authors_with_nearly_their_batches() -> None:
    (config,) = AuditConfig.read(dict(PRESETS["fixmatch-cifar10-250"])).runs()
    attack: Any = read_settings(ATTACKS["fixmatch"], dict(config.settings))
    batches = attack.batches(SimpleNamespace(answers=range(config.budget)))
    assert (config.budget, batches, attack.epochs * batches) == (250, 4, 2**20)
    assert config.budget / batches == pytest.approx(64, abs=2)


@pytest.mark.parametrize("name", CASES)
def test_every_preset_runs_small(name: str, tmp_path: Path) -> None:
    values = dict(PRESETS[name])
    attacks = values["attacks"]
    values["settings"] = {a: {**values["settings"].get(a, {}), **tiny(a)} for a in attacks}
    values["shared"] = {**values["shared"], "evaluations": 1, "device": "cpu"}
    if name in WITH_A_POOL_OF_THE_USERS:
        values["shared"]["pool"] = tiny_pool(tmp_path / "pool.npz")
    budget = max(two_steps(run) for run in AuditConfig.read(values).runs())
    values["shared"]["budget"] = budget
    runs = AuditConfig.read(values).runs()
    done = audit(runs, tiny_target(runs[0].victim), tmp_path)
    assert [record.attack for record, _ in done] == list(attacks)
    assert all(record.finished and 0.8 * budget < record.spent <= budget for record, _ in done)
