"""Attacks and students of the user's own, by the names of their places."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


RAISING = """
from extreme_noise import ExtremeNoise

ASKED = 96


class Raising(ExtremeNoise):
    def step(self, s, oracle, n):
        if oracle.spent >= ASKED:
            raise KeyError("of my own")
        return super().step(s, oracle, n)


class Reading(Raising):
    def step(self, s, oracle, n):
        open("/nowhere/weights.npz")


class Greedy(ExtremeNoise):
    def step(self, s, oracle, n):
        return super().step(s, oracle, oracle.budget + 1)
"""


@pytest.fixture
def audited(copycost, tmp_path) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """An audit of two attacks, one of one's own: exit status, what is printed, what is said."""

    def run(attack: str, *more: str) -> tuple[int, dict[str, Any], str]:
        code, out, err = copycost(
            "audit", "--victim", "digits-lenet", "--budget", "320", "--device", "cpu",
            "--student", "own_nets:linear", "--attack", attack, "--attack", "random-noise",
            "--set", f"{attack}.batch_size=32", "--evaluations", "5", "--seeds", "1",
            "--out", str(tmp_path / "runs"), "--json", *more,
        )  # fmt: skip
        return code, json.loads(out) if out else {}, err

    return run


@pytest.mark.parametrize(
    ("attack", "error", "last_line"),
    [
        ("Raising", "KeyError: 'of my own'", "KeyError: 'of my own'"),
        ("Reading", "FileNotFoundError: [Errno 2]", "FileNotFoundError: [Errno 2]"),
        ("Greedy", "321 more queries would cross", "copycost.errors.BudgetExceeded: 321"),
    ],
)
def test_an_attack_that_raises_is_loud_and_alone_and_its_traceback_is_kept(
    audited, own_modules, tmp_path, attack, error, last_line
):
    own_modules(raising=RAISING)
    code, told, err = audited(f"raising:{attack}")
    assert code == 1
    assert [(run["attack"], run["ended"]) for run in told["runs"]] == [("random-noise", "finished")]
    (failed,) = told["failed"]
    assert (failed["attack"], failed["seed"]) == (f"raising:{attack}", 0)
    assert failed["error"].startswith(error)
    file = Path(failed["error_file"])
    assert file.parent.name.startswith(f"raising.{attack}-seed0-")
    trace = file.read_text()
    assert trace.startswith("Traceback (most recent call last)")
    assert "raising.py" in trace
    assert trace.splitlines()[-1].startswith(last_line)
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert line == (
        f"error: raising:{attack} seed 0: {failed['error']} Its traceback is in {file}."
    )
    assert "1 of 2 runs failed: see above." in err
    assert "Traceback (most" not in err
    page = Path(told["report"]).read_text().replace("\u00a0", " ")
    assert f"1 run failed and is not on this page: raising:{attack} seed 0." in page


def test_once_the_attack_is_mended_the_same_command_goes_on(audited, own_modules, tmp_path):
    own_modules(raising=RAISING)
    _, told, _ = audited("raising:Raising", "--record-queries", "bytes")
    file = Path(told["failed"][0]["error_file"])
    sys.modules.pop("raising")
    own_modules(raising=RAISING.replace("ASKED = 96", "ASKED = 320"))
    code, told, err = audited("raising:Raising", "--record-queries", "bytes")
    assert code == 0, err
    assert told["failed"] == []
    record = json.loads((file.parent / "record.json").read_text())
    (line,) = record["resumed"]
    assert "went on from" in line
    assert record["accounts"]["attacker"]["spent"] <= 320
    assert not file.exists()
