"""A defence of the user's own on the command line: MODULE:CLASS:NUMBER."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from copycost.errors import ConfigError
from copycost.runner.config import RunConfig
from copycost.runner.fitting import Interface, check_fits
from copycost.types import Access, InputSpec

DEFENCES = """
from copycost.defences.base import Defence


class Gate(Defence):
    wanted = "a share from 0 to 1"

    def __init__(self, victim, share, seed=0):
        super().__init__(victim, f"gate:{share:g}")
        self.share = share

    @classmethod
    def read(cls, text):
        share = super().read(text)
        if share > 1:
            raise ValueError
        return share

    def perturb(self, p):
        unsure = p.max(dim=1, keepdim=True).values < self.share
        return p.where(~unsure, p.new_full((), 1 / p.shape[1]))


class Short(Gate):
    def perturb(self, p):
        return p[:, :-1]


class Broken(Gate):
    def perturb(self, p):
        return p / self.missing


class Lost(Gate):
    @classmethod
    def read(cls, text):
        return {}[text]


class Alone(Defence):
    def __init__(self, victim):
        super().__init__(victim, "alone")

    def perturb(self, p):
        return p


plain = 3
"""
INTERFACE = Interface(InputSpec((1, 8, 8)), 10)


@pytest.fixture(autouse=True)
def defences(own_modules: Callable[..., Path]) -> None:
    own_modules(own_defences=DEFENCES)


def run(*defences: str) -> RunConfig:
    return RunConfig(
        attack="random-noise", victim="v", student="lenet", budget=99, access=Access.PROBABILITIES,
        defences=defences,
    )  # fmt: skip


def test_it_stands_in_front_of_the_victim_in_audits_and_sweeps(copycost, tmp_path):
    out = tmp_path / "runs"
    words = [
        "--victim", "digits-cnn", "--attack", "random-noise", "--student", "lenet", "--budget",
        "300", "--device", "cpu", "--out", str(out), "--json",
    ]  # fmt: skip
    code, _, err = copycost("audit", *words, "--seeds", "1", "--defence", "own_defences:Gate:0.9")
    assert code == 0, err
    (place,) = out.glob("random-noise-*/record.json")
    facts = json.loads(place.read_text())["victim"]
    assert facts["defences"] == ["own_defences:Gate:0.9"]
    assert facts["perturbation"] > 0
    (page,) = out.glob("*/report.html")
    assert "Behind own_defences:Gate:0.9" in page.read_text()
    assert f"probabilities changed by {facts['perturbation']:.2f} (L1" in page.read_text()
    sets = ["--defence-set", "own_defences:Gate:0.9,rounding:1", "--seeds", "1"]
    code, found, err = copycost("sweep", *words, *sets, "--workers", "1")
    assert code == 0, err
    assert json.loads(found)["counts"] == {"finished": 1}


@pytest.mark.parametrize(
    ("defence", "said"),
    [
        (
            "own_defences:Gate:2",
            "needs a share from 0 to 1 after its name: own_defences:Gate:NUMBER",
        ),
        ("own_defences:Gates:0.5", "no defence at 'own_defences:Gates': .*Write MODULE:NAME"),
        ("own_defences:Lost:0.5", "defence own_defences:Lost:0.5 raised KeyError: '0.5'"),
        ("own_defences:plain:0.5", "'own_defences:plain' is no defence, but 3"),
        ("own_defences:Gate", "needs a share from 0 to 1 after its name: own_defences:Gate:NUMBER"),
        ("own_defences:Gate:0.5:1", "needs a share from 0 to 1 after its name"),
    ],
)
def test_what_is_none_is_refused(defence: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(defence)


@pytest.mark.parametrize(
    ("defence", "said"),
    [
        ("Broken", "defences: own_defences:Broken:0.5 raised AttributeError: .*'missing'"),
        ("Alone", r"own_defences:Alone:0.5 raised TypeError: .*takes 2 positional arguments"),
        ("Short", r"defences: expected probabilities of shape \[2, 10\] .*, got shape \[2, 9\]"),
    ],
)
def test_its_faults_are_found_before_anything_is_asked(defence: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        check_fits([run(f"own_defences:{defence}:0.5")], INTERFACE)
    assert "charged" not in str(caught.value)
    check_fits([run("own_defences:Gate:0.5")], INTERFACE)
