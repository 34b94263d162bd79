"""`copycost verify`, on models that are made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.types import InputSpec
from copycost.victims.saved import Card, save_model

OWN = """
from functools import partial

from copycost.testing import tiny_victim
from tests.runner.conftest import tiny_target


def mine(seed=0):
    return tiny_target(tiny_victim(seed=seed))


theirs, first, second, third = (partial(mine, seed) for seed in (7, 8, 9, 10))
"""
COPY = (
    "audit", "--student", "lenet", "--budget", "2000", "--device", "cpu", "--threads", "1",
    "--evaluations", "1", "--seeds", "1", "--attack", "random-noise",
)  # fmt: skip


@pytest.fixture
def few(copycost: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """`copycost verify` with few images."""
    return lambda *words: copycost("verify", *words, "--probes", "100", "--device", "cpu")


def saved(folder: Path, seed: int) -> str:
    """A saved model of 8×8 images and ten classes, with random weights."""

    spec = InputSpec(shape=(1, 8, 8))
    module = build(ARCHITECTURES["lenet"], spec, 10, seed)
    save_model(folder, module, Card(architecture="lenet", spec=spec, classes=10))
    return str(folder)


def test_saved_models_beside_named_controls(few, tmp_path: Path) -> None:
    controls = [
        word
        for seed in range(1, 4)
        for word in ("--control", saved(tmp_path / f"control {seed}", seed))
    ]
    victim, other = saved(tmp_path / "victim", 0), saved(tmp_path / "other", 9)
    copy = saved(tmp_path / "copy", 0)
    code, printed, err = few(copy, other, "--victim", victim, *controls, "--json")
    assert code == 0, err
    assert "3 independent models agree with victim on" in " ".join(err.split())
    found = json.loads(printed)
    assert [one["name"] for one in found["controls"]] == ["control 1", "control 2", "control 3"]
    same, else_ = found["suspects"]
    assert (same["name"], same["agreement"], same["copy_of"]) == ("copy", 1.0, True)
    assert not else_["copy_of"]
    assert (found["probes"], found["victim_queries"], found["seed"]) == (100, 400, 0)
    assert "no sign of it" in err


def test_controls_of_a_listed_victim_are_trained_and_a_runs_student_is_known(
    copycost, few, tmp_path: Path
) -> None:
    out = str(tmp_path / "runs")
    code, _, err = copycost(*COPY, "--victim", "digits-lenet", "--out", out)
    assert code == 0, err
    (run,) = (str(place.parent) for place in Path(out).glob("*/record.json"))
    words = (run, "--victim", "digits-lenet", "--controls", "3", "--out", out, "--json")
    code, printed, err = few(*words)
    assert code == 0, err
    found = json.loads(printed)
    assert [one["name"] for one in found["controls"]] == [
        f"digits-lenet, seed {n}" for n in (1, 2, 3)
    ]
    assert len({one["content_hash"] for one in found["controls"]} | {found["victim_hash"]}) == 4
    (one,) = found["suspects"]
    assert (one["made"]["attack"], one["made"]["budget"]) == ("random-noise", 2000)
    code, again, err = few(*words)
    assert "Training" not in err
    assert json.loads(again) == found


def test_ones_own_models(few, own_modules) -> None:
    own_modules(own_models=OWN)
    asked = ("own_models:theirs", "own_models:mine", "--victim", "own_models:mine")
    code, _, err = few(*asked)
    assert code == 2
    assert "expected 3 independent models or more, got 0" in " ".join(err.split())
    places = [f"own_models:{name}" for name in ("first", "second", "third", "mine")]
    named = [word for place in places for word in ("--control", place)]
    code, printed, err = few(*asked, *named[:6], "--json")
    assert code == 0, err
    other, same = json.loads(printed)["suspects"]
    assert other["agreement"] < same["agreement"] == 1
    assert err.count("own_models:mine decides what is asked. Go on only if you own") == 1
    code, _, err = few(*asked, *named)
    assert code == 2
    assert "expected models other than the victim" in " ".join(err.split())


def test_bad_input_is_one_line(few, tmp_path: Path) -> None:
    place = saved(tmp_path / "model", 0)
    for words, said in (
        ((str(tmp_path), "--victim", place), "expected the folder of a run or of a saved model"),
        ((place, "--victim", "digit-cnn"), "Did you mean 'digits-cnn'?"),
        ((place, "--victim", place, "--control", place), "or more, got 1"),
        ((place, "--victim", place, "--data", "digits"), "Leave --data out"),
        ((place, "--victim", "digits-cnn", "--controls", "2"), "or equal to 3"),
    ):
        code, _, err = few(*words)
        assert code == 2
        assert said in " ".join(err.split())
