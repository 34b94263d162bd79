"""The study of precision at a tiny size: its record, its arms, its command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runner.conftest import SMALL, tiny_target
from typer.testing import CliRunner

from copycost.arithmetic import default_step
from copycost.cli.app import app
from copycost.datasets import load
from copycost.datasets.base import Dataset, Labelled
from copycost.errors import ConfigError, RunError
from copycost.presets.precision import COMPARISONS, MEANINGS
from copycost.runner.record import read_record
from copycost.studies import pairs
from copycost.studies.pairs import PAIRS, Pair, enlarged_digits
from copycost.studies.precision import PrecisionGrid, measure
from copycost.studies.precision_record import read_precision
from copycost.studies.students import arms, compare
from copycost.types import Precision

CPU = torch.device("cpu")


def tiny_data() -> Dataset:
    digits = load("digits")
    part = Labelled(digits.train.inputs[:64], digits.train.labels[:64])
    return replace(digits, train=part, test=part)


def tiny(pair: Pair) -> Pair:
    short: dict[str, Any] = {"epochs": 1, "batch_size": 32}
    return replace(
        pair,
        data=tiny_data,
        victim=replace(pair.victim, **short),
        student=replace(pair.student, **short),
        seeds=1,
    )


def test_low_precision_drowns_a_small_step_and_not_a_larger_one() -> None:
    pair = replace(PAIRS["small"][0], seeds=1)
    grid = PrecisionGrid(points=64, directions=(1, 4), epsilons=(1e-3, 0.3))
    record = measure("small", [pair], CPU, grid)
    found = {(c.arithmetic, c.epsilon, c.form): c for c in record.cells}
    assert len(found) == 3 * 2 * 2
    for form in ("forward", "central"):
        assert found["float32", 1e-3, form].correlation > 0.99
        assert abs(found["bfloat16", 1e-3, form].correlation) < 0.5
        assert found["bfloat16", 0.3, form].correlation > 0.8
        assert found["tf32 (emulated)", 0.3, form].correlation > 0.8
    (facts,) = record.pairs
    assert facts.stand_in_accuracy > 0.9
    exact = found["float32", 1e-3, "forward"].cosines
    assert exact == pytest.approx(facts.exact_cosines, abs=5e-3)
    assert facts.exact_cosines[4] > 1.5 * facts.exact_cosines[1]


def test_the_resnets_are_measured_the_same_way(tmp_path: Path) -> None:
    grid = PrecisionGrid(points=2, directions=(1,), epsilons=(0.3,), arithmetics=(Precision.TF32,))
    record = measure("resnet", [tiny(pair) for pair in PAIRS["resnet"]], CPU, grid)
    assert {facts.student for facts in record.pairs} == {"resnet18-8x"}
    assert {cell.form for cell in record.cells} == {"forward", "central"}
    path = record.write_to(tmp_path / "resnet.json")
    assert read_precision(path) == record
    path.write_text("{}")
    with pytest.raises(RunError, match="of this study: expected version 1, got None"):
        read_precision(path)


def test_the_same_seed_measures_the_same() -> None:
    grid = PrecisionGrid(points=8, directions=(1,), epsilons=(0.1,), arithmetics=(Precision.TF32,))
    pair = tiny(PAIRS["small"][0])
    first, second = (measure("small", [pair], CPU, grid) for _ in range(2))
    assert first.cells == second.cells
    assert first.pairs == second.pairs


def test_slopes_are_those_of_one_direction_however_many_are_asked_for() -> None:
    found = []
    for directions in ((1,), (1, 4)):
        grid = PrecisionGrid(8, directions, epsilons=(0.1,), arithmetics=(Precision.FLOAT32,))
        record = measure("small", [tiny(PAIRS["small"][0])], CPU, grid)
        found.append([cell.correlation for cell in record.cells])
    assert found[0] == found[1]


def test_enlarged_digits_are_the_same_images() -> None:
    small, big = load("digits"), enlarged_digits()
    assert big.spec.size == 48 * small.spec.size
    assert torch.equal(small.test.labels, big.test.labels)
    shrunk = torch.nn.functional.avg_pool2d(big.test.inputs[:20].float(), 4)[:, :1]
    assert float((shrunk - small.test.inputs[:20].float()).abs().mean()) < 25


@pytest.mark.parametrize("victim", COMPARISONS)
def test_every_arm_has_a_meaning_and_asks_the_same_number_of_queries(victim: str) -> None:
    known = COMPARISONS[victim].arms
    assert set(known) <= set(MEANINGS)
    runs = arms(victim)
    assert len(runs) == 3 * len(known)
    assert {(run.victim, run.budget) for run in runs.values()} == {(victim, 120_000)}
    assert runs["tf32-unsafe-seed2"].estimate_precision == "tf32"
    assert runs["random-seed0"].settings["estimator"] == "random"
    assert runs["frozen-seed0"].settings["generator_lr"] == 1e-12


def test_what_there_is_not_is_not_compared() -> None:
    assert set(MEANINGS) == {arm for compared in COMPARISONS.values() for arm in compared.arms}
    with pytest.raises(ConfigError, match="no float16"):
        arms(names=["float16"])
    with pytest.raises(ConfigError, match="expected one of digits-cnn, house-numbers-16"):
        arms("digits-lenet")


@pytest.mark.parametrize("victim", COMPARISONS)
def test_the_wide_step_is_that_of_bfloat16(victim: str) -> None:
    values = {"digits-cnn": 8 * 8, "house-numbers-16": 3 * 16 * 16}[victim]
    wide = arms(victim)["float32-wide-seed0"].settings["epsilon"]
    assert wide == pytest.approx(default_step(values, Precision.BFLOAT16).epsilon, rel=0.02)


def test_the_arms_are_run_and_their_records_kept(tmp_path: Path) -> None:
    known = COMPARISONS["digits-cnn"].arms

    def small(name: str) -> dict[str, object]:
        own = known[name].get("settings", {})
        return {"settings": {**SMALL, **own}, "budget": 400, "evaluations": 1}

    runs = {
        f"{name}-seed0": arms(names=[name], seeds=1)[f"{name}-seed0"].model_copy(update=small(name))
        for name in known
    }
    records = compare(runs, tmp_path / "out", tmp_path / "work", load=lambda folder: tiny_target())
    flagged = {
        name
        for name, record in zip(known, records, strict=True)
        if any(flag.name == "estimate-drowned" for flag in record.flags)
    }
    assert {"bfloat16-unsafe", "random", "preset-rate-random"} <= flagged
    assert not flagged & {"float32", "bfloat16", "preset-rate-float32", "preset-rate-bfloat16"}
    assert len({record.spent for record in records}) == 1
    for name in runs:
        assert read_record(tmp_path / "out" / name).finished


def test_the_command_writes_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PAIRS", {"small": (tiny(PAIRS["small"][0]),)})
    arguments = ["precision", "table", "--device", "cpu", "--points", "4", "--threads", "1"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    record = read_precision(tmp_path / "small.json")
    assert record.points == 4
    assert '"nets": "small"' in result.stdout
