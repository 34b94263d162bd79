"""`copycost detect`, on runs that are made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runner.conftest import tiny_config, tiny_target

from copycost.errors import ConfigError, RunError
from copycost.runner.copy_model import copy_model
from copycost.runner.detecting import detect
from copycost.runner.own_target import own_target

NOISE = {"attack": "random-noise", "settings": {"batch_size": 32, "student_steps": 1}}
TINY = (
    "audit", "--victim", "digits-lenet", "--student", "lenet", "--budget", "400", "--device",
    "cpu", "--threads", "1", "--evaluations", "1", "--seeds", "1", "--record-queries", "bytes",
    "--attack", "random-noise", "--set", "random-noise.student_steps=1", "--attack", "dfme",
    "--set", "dfme.batch_size=8", "--set", "dfme.width=8", "--set", "dfme.latent=8",
)  # fmt: skip
OWN = """
from copycost.detectors.base import Detector, Look


class Patience(Detector):
    def looks(self, stream):
        seen = 0
        for inputs, labels, _ in stream:
            seen += len(labels)
            yield Look(seen, seen / 1000)
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detected")


@pytest.fixture
def runs(copycost: Callable[..., tuple[int, str, str]], out: Path) -> list[str]:
    code, _, err = copycost(*TINY, "--out", str(out))
    assert code == 0, err
    return sorted(str(place.parent) for place in out.glob("*/record.json"))


def test_an_attack_is_told_from_honest_customers(copycost, runs: list[str]) -> None:
    code, printed, err = copycost("detect", *runs, "--json")
    assert code == 0, err
    found = json.loads(printed)
    assert (found["detector"], found["victim"], found["customers"]) == ("prada", "digits-lenet", 20)
    assert (found["calibrated"], found["false_alarms"]) == (True, 0)
    assert 0 < found["threshold"] < 0.2
    by_name = {run["attack"]: run for run in found["runs"]}
    noise, dfme = by_name["random-noise"], by_name["dfme"]
    assert 100 < dfme["alarm"] == dfme["watched"] <= dfme["queries"] <= 400
    assert dfme["suspicion"] > found["threshold"]
    assert noise["queries"] == 400
    assert "random noise" in err
    assert f"after {dfme['alarm']}" in err


def test_a_detector_studies_customers_before_it_judges(copycost, runs: list[str]) -> None:
    code, printed, err = copycost("detect", *runs, "--detector", "confidence", "--json")
    assert code == 0, err
    found = json.loads(printed)
    assert 0 < found["threshold"] < 0.3
    assert [run["alarm"] for run in found["runs"]] == [100, 100]


def test_a_threshold_of_ones_own_may_raise_false_alarms(copycost, runs: list[str]) -> None:
    code, printed, err = copycost("detect", *runs, "--threshold", "0.001", "--json")
    assert code == 0, err
    found = json.loads(printed)
    assert (found["threshold"], found["calibrated"], found["false_alarms"]) == (0.001, False, 20)
    code, printed, err = copycost(
        "detect", *runs, "--threshold", "0.9", "--most", "200", "--customers", "2", "--json"
    )
    found = json.loads(printed)
    assert [(run["alarm"], run["watched"]) for run in found["runs"]] == [(None, 200)] * 2
    assert (found["false_alarms"], found["customers"]) == (0, 2)
    assert "none in 200" in err


def test_a_detector_of_ones_own_is_named_by_its_place(
    copycost, runs: list[str], own_modules: Callable[..., Path]
) -> None:
    own_modules(own_detectors=OWN)
    code, printed, err = copycost(
        "detect", runs[0], "--detector", "own_detectors:Patience", "--threshold", "0.3", "--json"
    )
    assert code == 0, err
    (run,) = json.loads(printed)["runs"]
    assert 300 < run["alarm"] <= 400
    code, _, err = copycost("detect", runs[0], "--detector", "own_detectors:Look")
    assert code == 2
    assert "is no detector" in err


def test_what_cannot_be_looked_at_is_refused(copycost, runs: list[str], tmp_path: Path) -> None:
    def said(*words: str) -> str:
        code, _, err = copycost("detect", *words)
        assert code == 2
        return " ".join(err.split())

    assert "There is no detector 'prado'. Known: prada, confidence. Did you" in said(
        *runs, "--detector", "prado"
    )
    assert "threshold: expected a number, got nan" in said(*runs, "--threshold", "nan")
    copy_model(tiny_config(**NOISE, budget=64), tiny_target(), tmp_path / "silent")
    unnamed = said(str(tmp_path / "silent"))
    assert "data: the record of tiny does not name the data" in unnamed
    assert "Name that by --data" in unnamed
    assert "against one victim, got digits-lenet, tiny" in said(runs[0], str(tmp_path / "silent"))
    assert "answers to 120 held-out inputs, and the data have 445" in said(
        str(tmp_path / "silent"), "--data", "digits"
    )
    assert str(tmp_path / "none") in said(str(tmp_path / "none"))


def test_from_python_with_a_target_of_ones_own(
    tmp_path: Path, own_modules: Callable[..., Path]
) -> None:
    own_modules(
        own_targets="from dataclasses import replace\n\n"
        "from copycost import Labelled\n"
        "from tests.runner.conftest import tiny_target\n\n\n"
        "def target():\n"
        "    told = tiny_target()\n"
        "    few = told.held_out\n"
        "    return replace(told, held_out=Labelled(few.inputs[:90], few.labels[:90]))\n"
    )
    target = own_target("own_targets:target", None)
    config = tiny_config(**NOISE, budget=64, record_queries="exact", victim="own_targets:target")
    copy_model(config, target, tmp_path / "kept")
    with pytest.raises(ConfigError, match="about 90 held-out inputs, which are too few for prada"):
        detect("prada", [tmp_path / "kept"])
    found = detect("prada", [tmp_path / "kept"], fixed=0.5)
    assert [(run.alarm, run.suspicion, run.watched) for run in found.runs] == [(None, None, 64)]
    with pytest.raises(ConfigError, match="about 45 held-out inputs, which are too few for conf"):
        detect("confidence", [tmp_path / "kept"])
    assert detect("confidence", [tmp_path / "kept"], fixed=0.5).runs[0].alarm is None
    silent = tiny_config(**NOISE, budget=64, victim="own_targets:target")
    copy_model(silent, target, tmp_path / "silent")
    with pytest.raises(RunError, match=r"silent.*transfer|keeps no"):
        detect("prada", [tmp_path / "silent"], fixed=0.5)
    (tmp_path / "kept" / "auditor.safetensors").unlink()
    with pytest.raises(RunError, match="lacks auditor"):
        detect("prada", [tmp_path / "kept"], fixed=0.5)
    with pytest.raises(ConfigError, match="no runs to look at"):
        detect("prada", [])


@pytest.mark.parametrize("more", [{"access": "label"}, {"defences": ("rounding:1",)}])
def test_confidence_needs_what_the_model_itself_says(
    tmp_path: Path, own_modules: Callable[..., Path], more: dict[str, Any]
) -> None:
    own_modules(own_targets="from tests.runner.conftest import tiny_target as target")
    given = {**NOISE, "budget": 64, "record_queries": "exact", "victim": "own_targets:target"}
    copy_model(tiny_config(**given | more), tiny_target(), tmp_path / "kept")
    with pytest.raises(ConfigError, match=r"kept: confidence needs the model's own probabilities"):
        detect("confidence", [tmp_path / "kept"], fixed=0.5)


def test_confidence_reads_logits_as_probabilities(
    tmp_path: Path, own_modules: Callable[..., Path]
) -> None:
    own_modules(own_targets="from tests.runner.conftest import tiny_target as target")
    found = []
    for access in ("logits", "probabilities"):
        given = {**NOISE, "budget": 200, "record_queries": "exact", "access": access}
        config = tiny_config(**given, victim="own_targets:target")
        copy_model(config, tiny_target(), tmp_path / access)
        (run,) = detect("confidence", [tmp_path / access], fixed=1.0).runs
        found.append(run.suspicion)
    assert found[0] is not None
    assert found[0] == pytest.approx(found[1])
