"""What a record says of the copycost that made it, also where that is a bare copy of its source."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import copycost
from copycost.runner.surroundings import COMMIT, surroundings

LOOK = """
import importlib.metadata, json, sys, torch
def missing(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.version = missing
importlib.metadata.packages_distributions = dict
from copycost.runner.surroundings import surroundings
from copycost.types import InputSpec
from copycost.victims.saved import Card
found = surroundings(torch.device("cpu"), {})
spec = InputSpec(shape=(1, 8, 8))
card = Card(architecture="lenet", spec=spec, classes=2, dataset="", seed=0, test_accuracy=0.5)
json.dump([found.versions["copycost"], found.commit, card.created_by], sys.stdout)
"""


@pytest.mark.parametrize("git", [True, False])
def test_a_bare_copy_of_the_source_knows_its_version_and_is_told_its_commit(
    git: bool, tmp_path: Path
) -> None:
    """As on a machine that is lent: nothing is installed there, and any git is not ours."""
    if git:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    place = Path(copycost.__file__).parent
    shutil.copytree(place, tmp_path / "src" / "copycost", ignore=lambda *_: ["__pycache__"])
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src"), COMMIT: "abc123"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True
    )
    version = copycost.__version__
    assert json.loads(done.stdout) == [version, "abc123", f"copycost {version}"]


@pytest.mark.parametrize(
    ("brought", "told"),
    [({"torch": ["nightly"]}, "1.5, by nightly"), ({}, "not installed as a package")],
)
def test_a_module_may_come_with_another_package(
    brought: dict[str, list[str]], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Lightning's Fabric does with the whole of Lightning."""

    def version(package: str) -> str:
        if package == "torch":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.5"

    monkeypatch.setattr("copycost.runner.surroundings.version", version)
    monkeypatch.setattr("copycost.runner.surroundings.packages_distributions", lambda: brought)
    assert surroundings(torch.device("cpu"), {}).versions["torch"] == told


def test_the_version_is_that_of_the_package() -> None:
    assert importlib.metadata.version("copycost") == copycost.__version__
