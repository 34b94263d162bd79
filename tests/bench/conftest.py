"""A victim that is hardly trained, and a comparison of seconds on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copycost.engine import Engine
from copycost.presets.victims import VICTIMS
from copycost.runner.targets import train_victim

SMALL: dict[str, Any] = {"batch_size": 16, "width": 8, "latent": 8}


@pytest.fixture(scope="session")
def victim(tmp_path_factory) -> Path:
    """A saved victim that knows most digits after two epochs."""
    folder: Path = tmp_path_factory.mktemp("bench") / "victim"
    recipe = replace(VICTIMS["digits-lenet"].recipe, epochs=2)
    train_victim(recipe, "digits", folder, Engine("cpu"))
    return folder


@pytest.fixture
def values(victim) -> dict[str, Any]:
    """Two attacks at two budgets with one seed: four runs of a moment each."""
    return {
        "attacks": ("dfme", "random-noise"),
        "budgets": (120, 240),
        "seeds": 1,
        "threads": 1,
        "settings": {"dfme": SMALL, "random-noise": {"batch_size": 16, "student_steps": 1}},
        "shared": {
            "victim": str(victim), "data": "digits", "student": "lenet", "evaluations": 1,
            "device": "cpu",
        },
        "pgd": {"steps": 2},
        "fresh": {"passes": 2, "batch_size": 16, "checks": 2},
    }  # fmt: skip
