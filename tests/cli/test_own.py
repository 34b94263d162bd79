"""Attacks and students of the user's own, by the names of their places."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copycost.attacks import ATTACKS
from copycost.errors import ConfigError, RunError
from copycost.nets import ARCHITECTURES
from copycost.runner.config import RunConfig
from copycost.victims.saved import load_card, load_model

PAGE = Path(__file__).parents[2] / "docs" / "adding-an-attack.md"
NETS = """
from torch import nn


def linear(spec, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.size, classes))


def for_larger_images(spec, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))
"""
MINE = "extreme_noise:ExtremeNoise"


@pytest.fixture(autouse=True)
def own(own_modules: Callable[..., Path]) -> None:
    """The page's attack and a student."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    own_modules(extreme_noise=block, own_nets=NETS, broken="1 / 0")


def test_an_audit_takes_an_attack_and_a_student_of_ones_own(copycost, tmp_path):
    code, out, err = copycost(
        "audit", "--victim", "digits-lenet", "--attack", MINE, "--budget", "600", "--device", "cpu",
        "--student", "own_nets:linear", "--set", f"{MINE}.bright=0.3", "--seeds", "1",
        "--out", str(tmp_path / "runs"), "--json",
    )  # fmt: skip
    assert code == 0, err
    (run,) = json.loads(out)["runs"]
    assert (run["attack"], run["spent"]) == (MINE, 600)
    (folder,) = (tmp_path / "runs").glob("extreme_noise.ExtremeNoise-seed0-*")
    config = json.loads((folder / "record.json").read_text())["config"]
    assert config["settings"]["bright"] == 0.3
    assert load_card(folder / "student").architecture == "own_nets:linear"
    sys.modules.pop("own_nets")
    with pytest.raises(RunError, match="import own_nets before you load"):
        load_model(folder / "student")


def test_a_student_that_does_not_fit_is_one_clear_line(copycost, tmp_path):
    code, _, err = copycost(
        "audit", "--victim", "digits-lenet", "--attack", "random-noise", "--budget", "600",
        "--device", "cpu", "--student", "own_nets:for_larger_images",
        "--out", str(tmp_path / "runs"),
    )  # fmt: skip
    assert code == 2
    (line,) = [line for line in err.splitlines() if "finite logits" in line]
    assert "got RuntimeError: mat1 and mat2 shapes" in line
    assert "nothing was asked now; mend the student or name another" in line


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere:Attack", "PYTHONPATH=."),
        ("extreme_noise:Other", "no attribute 'Other'"),
        ("broken:Attack", "ZeroDivisionError"),
        (":Attack", "Empty module name"),
        (".own:Attack", "MODULE:NAME"),
        ("own_nets:linear", "is no attack"),
        ("extreme_noise", "Known: dfme"),
    ],
)
def test_what_is_no_attack_is_one_clear_line(place: str, why: str):
    with pytest.raises(ConfigError, match=why):
        RunConfig.read({"attack": place})


def test_a_setting_of_ones_own_attack_is_checked():
    with pytest.raises(ConfigError, match=f"{MINE}.bright"):
        RunConfig.read({"attack": MINE, "settings": {"bright": 2}})


def test_a_student_must_be_a_builder():
    with pytest.raises(ConfigError, match="is no architecture"):
        ARCHITECTURES["sys:path"]
    assert "own_nets:linear" in ARCHITECTURES
    assert MINE in ATTACKS
    assert MINE not in list(ATTACKS)
