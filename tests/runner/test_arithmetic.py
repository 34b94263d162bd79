"""In which arithmetic a run is computed, and that its record and flags say so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from copycost.arithmetic import round_to_tf32
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Record
from copycost.runner.victim_precision import arithmetic, check_victim_precision, in_its_precision
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import Precision
from copycost.victims.module import ModuleVictim
from tests.runner.conftest import SMALL, tiny_config, tiny_target


def copied(folder: Path, settings: dict[str, object] | None = None, **more: object) -> Record:
    config = tiny_config(settings=SMALL | (settings or {}), budget=400, evaluations=1, **more)
    return copy_model(config, tiny_target(), folder)


def drowned(record: Record) -> bool:
    return any(flag.name == "estimate-drowned" for flag in record.flags)


def test_the_faithful_setting_is_float32_throughout(tmp_path: Path) -> None:
    record = copied(tmp_path)
    assert record.surroundings.arithmetic == {
        "training": "float32",
        "estimate": "float32",
        "victim": "float32",
        "tf32": "off",
        "epsilon": "0.001",
    }
    assert not drowned(record)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_insisting_on_a_drowned_estimate_is_recorded_and_flagged(
    precision: str, tmp_path: Path
) -> None:
    record = copied(tmp_path, {"epsilon": 1e-4}, precision=precision, estimate_precision=precision)
    used = record.surroundings.arithmetic
    assert used["training"].startswith(precision)
    assert used["estimate"] == used["victim"] == used["training"]
    assert drowned(record)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_default_step_survives_in_low_precision(precision: str, tmp_path: Path) -> None:
    record = copied(tmp_path, precision=precision, student="gap-cnn")
    assert record.surroundings.arithmetic["estimate"].startswith(precision)
    assert record.result["estimate/correlation"] > 0.6
    assert not drowned(record)


def test_a_victim_in_low_precision_drowns_a_student_in_float32(tmp_path: Path) -> None:
    record = copied(tmp_path, {"epsilon": 1e-3}, victim_precision="bfloat16")
    assert record.surroundings.arithmetic["estimate"] == "float32"
    assert record.surroundings.arithmetic["victim"] == "bfloat16"
    assert drowned(record)


def test_random_gradients_are_flagged(tmp_path: Path) -> None:
    assert drowned(copied(tmp_path, {"estimator": "random"}))


def test_a_victim_that_is_not_run_here_has_an_arithmetic_of_its_own(tmp_path: Path) -> None:
    target = tiny_target(SpyVictim(tiny_victim()))
    config = tiny_config(budget=200, evaluations=1)
    record = copy_model(config, target, tmp_path / "left alone")
    assert record.surroundings.arithmetic["victim"] == "its own"
    with pytest.raises(ConfigError, match="victim_precision"):
        copy_model(
            config.model_copy(update={"victim_precision": Precision.TF32}),
            target,
            tmp_path / "chosen",
        )


class Own(ModuleVictim):
    """A module's victim that answers in its own way."""

    def answer(self, x):
        return super().answer(x) / 2


def test_a_victim_that_answers_in_its_own_way_computes_in_its_own_arithmetic():
    engine, own = Engine("cpu", "bfloat16"), Own(TinyNet(), TINY, 4)
    assert in_its_precision(own, engine, None) is own
    assert arithmetic(engine, None, own)["victim"] == "its own"
    assert arithmetic(engine, None, tiny_victim())["victim"] == "bfloat16"
    with pytest.raises(ConfigError, match="arithmetic cannot be chosen"):
        check_victim_precision(own, "bfloat16")


def test_a_module_answers_in_the_arithmetic_it_is_given() -> None:
    victim = tiny_victim()
    x = torch.rand(8, 1, 8, 8)
    exact, rough = victim(x), victim.computed_in(Precision.TF32)(x)
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, atol=0.05, rtol=0)
    assert torch.equal(victim(x), exact), "the victim itself stays as it was"
    net = victim.module
    first = round_to_tf32(x.flatten(1) - 0.5) @ round_to_tf32(net.first).T  # type: ignore[arg-type]
    assert first.shape == (8, 16)
