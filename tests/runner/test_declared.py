"""What is said of a victim, and what it is judged on, belongs to a run as its weights do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from copycost.datasets.base import Labelled
from copycost.errors import RunError
from copycost.noise import Noise
from copycost.runner import auditor
from copycost.runner.copy_model import copy_model
from copycost.runner.making import maps_its_range
from copycost.runner.target import Target
from copycost.testing import TinyNet
from copycost.types import InputSpec
from copycost.victims.function import FunctionVictim
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import load_model
from tests.runner.conftest import tiny_config, tiny_target

CONFIG = {
    "attack": "random-noise",
    "settings": {"batch_size": 32, "student_steps": 1},
    "budget": 320,
}


class Ranged(nn.Module):
    """The tiny net for images in [-1, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TinyNet()

    def forward(self, x: Tensor) -> Tensor:
        assert x.min() < 0 or x.max() > 1
        answer: Tensor = self.net((x + 1) / 4)
        return answer


def test_held_out_images_come_in_the_range_that_was_declared(tmp_path: Path) -> None:
    plain = tiny_target()
    usual = copy_model(tiny_config(**CONFIG), plain, tmp_path / "usual")
    spec = InputSpec(shape=(1, 8, 8), low=-1.0, high=3.0)
    ranged = Target(ModuleVictim(Ranged(), spec, 4), plain.held_out, "noise")
    record = copy_model(tiny_config(**CONFIG), ranged, tmp_path / "ranged")
    assert record.victim.accuracy == usual.victim.accuracy > 0.8
    x = ranged.held_out.values()
    assert (float(x.min()), float(x.max())) == (-1.0, 3.0)


class Scaled(nn.Module):
    """The tiny net for images in [0, 256]: a power of two, by which nothing is rounded."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TinyNet()

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.net(x / 256)
        return answer


@pytest.mark.parametrize("attack", ["dfme", "frugal", "random-noise"])
def test_the_unit_of_the_inputs_makes_no_difference_to_the_copy(
    tmp_path: Path, attack: str
) -> None:
    """A service that takes 0 to 255 is as easy to copy as one that takes shares."""
    small = {"batch_size": 32, "student_steps": 2}
    generator = {"width": 8, "latent": 8} if attack == "dfme" else {}
    config = tiny_config(attack=attack, settings=small | generator, budget=600)
    plain = tiny_target()
    usual = copy_model(config, plain, tmp_path / "usual")
    spec = InputSpec(shape=(1, 8, 8), high=256.0)
    scaled = replace(plain, victim=ModuleVictim(Scaled(), spec, 4))
    record = copy_model(config, scaled, tmp_path / "scaled")
    assert record.result == usual.result
    x = scaled.held_out.values()
    copies = [load_model(tmp_path / run / "student")[0] for run in ("usual", "scaled")]
    assert torch.equal(copies[1](x), copies[0](x / 256))


def test_a_student_of_the_users_own_is_told_the_range() -> None:
    spec = InputSpec(shape=(1, 8, 8), high=255.0)
    assert maps_its_range("lenet", spec)
    assert not maps_its_range("my_nets:lenet", spec)
    assert not maps_its_range("lenet", replace(spec, high=1.0))


def declared_otherwise() -> list[Target]:
    target = tiny_target()
    module, held_out = target.victim.module, target.held_out  # type: ignore[attr-defined]
    wider = InputSpec(shape=(1, 8, 8), low=0.0, high=2.0)
    fewer = Labelled(held_out.inputs[:50], held_out.labels[:50])
    return [
        replace(target, victim=ModuleVictim(module, wider, 4)),
        replace(target, held_out=fewer),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_a_run_is_not_returned_for_what_was_declared_otherwise(which: int, tmp_path: Path) -> None:
    record = copy_model(tiny_config(**CONFIG), tiny_target(), tmp_path)
    with pytest.raises(RunError, match="another range, output or number of classes, or judged on"):
        copy_model(tiny_config(**CONFIG), declared_otherwise()[which], tmp_path)
    assert copy_model(tiny_config(**CONFIG), tiny_target(), tmp_path) == record


def test_random_numbers_of_another_device_are_named() -> None:
    noise = Noise(0, torch.device("cpu"))
    with pytest.raises(RunError, match="another kind of device than cpu"):
        noise.restore(torch.zeros(16, dtype=torch.uint8))
    noise.restore(noise.state())


def test_an_auditor_pays_a_dear_victim_call_by_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a failure costs what was sent, and no block that was reserved ahead."""
    monkeypatch.setattr(auditor, "CHUNK", 32)
    plain = tiny_target()
    sent = []

    def ask(x: object) -> object:
        sent.append(len(x))  # type: ignore[arg-type]
        if len(sent) == 2:
            raise ConnectionError("503")
        return plain.victim(torch.as_tensor(x)).numpy()

    victim = FunctionVictim(ask, plain.victim.spec, 4, "logits", name="dear")
    target = replace(plain, victim=victim)
    with pytest.raises(Exception, match="503"):
        copy_model(tiny_config(**CONFIG), target, tmp_path)
    record = copy_model(tiny_config(**CONFIG), target, tmp_path)
    assert record.accounts["auditor"].spent + record.spent == sum(sent)
