"""Records made in code: the numbers are invented, their shape is that of real runs."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copycost.runner.record import (
    SAMPLES_FILE,
    AccountFacts,
    Point,
    Record,
    Surroundings,
    VictimFacts,
)
from copycost.types import Access, InputSpec

MakeRecord = Callable[..., Record]
MakeRun = Callable[..., Path]


def victim_facts(**changes: Any) -> VictimFacts:
    facts: dict[str, Any] = {
        "name": "cifar10-resnet34",
        "architecture": "resnet34-8x",
        "dataset": "CIFAR-10 (JPEG q75)",
        "classes": 10,
        "spec": InputSpec(shape=(3, 32, 32)),
        "output": Access.LOGITS,
        "content_hash": "5e" * 32,
        "accuracy": 0.955,
        "defended_accuracy": 0.955,
        "self_agreement": 1.0,
    }
    return VictimFacts(**facts | changes)


def rising(agreement: float, spent: int, attack: str, moments: int) -> list[Point]:
    """A curve that starts at chance and ends at `agreement`."""
    points = []
    for step in range(moments):
        share = step / (moments - 1) if moments > 1 else 1.0
        reached = 0.1 + (agreement - 0.1) * (1 - math.exp(-4 * share)) / (1 - math.exp(-4))
        values = {"agreement": reached, "accuracy": reached * 0.97, "kl": 2.3 * (1.05 - reached)}
        if share and attack != "random-noise":
            values |= {
                "student/gap": 2.0 * math.exp(-2 * share),
                "generator/gradient norm": 40 * math.exp(-5 * share),
            }
        points.append(Point(queries=int(spent * share), seconds=120 * share, values=values))
    return points


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Build a record; keyword arguments replace what the test is about, `config` in parts.

    It has one moment, and thus no curves to draw, unless `moments` says otherwise.
    """

    def make(
        attack: str = "dfme",
        seed: int = 0,
        agreement: float = 0.9,
        *,
        budget: int = 150_000,
        spent: int | None = None,
        epsilon: float = 1e-3,
        moments: int = 1,
        victim: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Record:
        spent = budget if spent is None else spent
        config = {
            "attack": attack,
            "settings": {"epsilon": epsilon},
            "victim": "",
            "student": "resnet18-8x",
            "budget": budget,
            "seed": seed,
            "precision": "float32",
            "estimate_precision": None,
            "victim_precision": None,
        }
        fields: dict[str, Any] = {
            "id": f"{attack}-{seed}",
            "given": {"seed": seed},
            "config": config | changes.pop("config", {}),
            "attack": attack,
            "knowledge": "strictly data-free",
            "seed": seed,
            "access": Access.PROBABILITIES,
            "student": "resnet18-8x",
            "victim": victim_facts(**(victim or {})),
            "accounts": {
                "attacker": AccountFacts(budget=budget, spent=spent),
                "auditor": AccountFacts(budget=None, spent=210_000),
            },
            "surroundings": Surroundings(
                hardware="a test machine",
                device="cpu",
                threads=1,
                versions={"python": "3.11", "torch": "2.8"},
                commit="0123abc+",
                arithmetic={"training": "float32", "tf32": "off"},
            ),
            "curve": rising(agreement, spent, attack, moments),
            "seconds": 5025.0 + seed,
            "started": "2026-01-02T03:04:05+00:00",
            "ended": "finished",
        }
        return Record(**fields | changes)

    return make


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory, make_record: MakeRecord) -> MakeRun:
    """Write a record into a run folder of its own, with samples if asked."""

    def make(*args: Any, samples: bool = False, **changes: Any) -> Path:
        record = make_record(*args, **changes)
        folder = tmp_path_factory.mktemp("run")
        record.write(folder)
        if samples:
            (folder / SAMPLES_FILE).write_bytes(picture(record.seed))
        return folder

    return make


def picture(seed: int, size: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
