"""What a run takes as its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from copycost import FunctionVictim, InputSpec, ModuleVictim, RunConfig, Target, copy_model, defend
from copycost.datasets import load
from copycost.datasets.base import Labelled
from copycost.defences.base import Defence
from copycost.defences.rounding import Rounding
from copycost.engine import Engine
from copycost.errors import RunError, SpecMismatch
from copycost.nets import ARCHITECTURES
from copycost.runner.targets import load_target
from copycost.sweep.victims import home_of
from copycost.testing import TINY, tiny_victim
from copycost.types import Modality
from copycost.victims.base import Victim
from copycost.victims.saved import Card, save_model
from tests.runner.conftest import tiny_config, tiny_target


def test_a_victim_is_judged_on_the_images_that_it_was_not_trained_on(tmp_path: Path) -> None:
    digits = load("digits")
    card = Card(architecture="lenet", spec=digits.spec, classes=10)
    save_model(tmp_path / "victim", ARCHITECTURES["lenet"](digits.spec, 10), card)
    target = load_target(str(tmp_path / "victim"), "digits", tmp_path, Engine("cpu"))
    assert torch.equal(target.held_out.inputs, digits.test.inputs)
    assert torch.equal(target.held_out.labels, digits.test.labels)
    assert target.dataset == digits.provenance


def test_a_victim_in_this_folder_has_the_folders_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load("digits")
    card = Card(architecture="lenet", spec=digits.spec, classes=10)
    save_model(tmp_path / "mine", ARCHITECTURES["lenet"](digits.spec, 10), card)
    monkeypatch.chdir(tmp_path / "mine")
    assert load_target(".", "digits", tmp_path, Engine("cpu")).victim.name == "mine"
    run = RunConfig(attack="random-noise", victim=".", data="digits")
    assert home_of(run, tmp_path).name == "mine"


def test_images_that_are_not_decoded_yet_can_judge(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name, value in (("a", 0), ("b", 200)):
            place = tmp_path / part / name / "0.png"
            place.parent.mkdir(parents=True)
            Image.new("L", (8, 8), value).save(place)
    data = load(f"folder:{tmp_path}")
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    spec = InputSpec((1, 8, 8), low=-1.0, high=1.0)
    victim = ModuleVictim(module, spec, 2, output="logits", name="mine")
    held_out = Target(victim, data.train, data.provenance).held_out
    assert held_out.values()[0].min() == -1.0
    assert held_out.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("vocabulary", "held_out", "told"),
    [
        (5, torch.tensor([[0, 5]]), "tokens from 0 to 4, got tokens from 0 to 5 in questions; le"),
        (5, torch.rand(1, 2), "token numbers, got torch.float32 in questions; give tokens as i"),
        (None, torch.tensor([[0, 1]]), "floating-point values, got torch.int64 in questions; gi"),
    ],
)
def test_held_out_data_that_the_victim_does_not_take_are_told_as_such(
    vocabulary: int | None, held_out: torch.Tensor, told: str
) -> None:
    spec = InputSpec((2,), modality=Modality.TEXT, vocabulary=vocabulary)
    victim = FunctionVictim(len, spec, 4, "logits", name="texts")
    with pytest.raises(SpecMismatch, match=f"expected held-out {told}"):
        Target(victim, Labelled(held_out, torch.tensor([1])), "questions")


@pytest.mark.parametrize("field", ["dataset", "architecture", "origin"])
@pytest.mark.parametrize("value", [None, 3, Path("my/data"), torch.nn.Linear, "caf\udce9"])
def test_what_a_record_cannot_hold_as_text_is_told_before_anything_is_paid(
    field: str, value: Any
) -> None:
    held_out = tiny_target().held_out
    with pytest.raises(SpecMismatch, match=f"expected text .*as the target's {field}, got"):
        Target(tiny_victim(), held_out, **{"dataset": "noise", field: value})


@pytest.mark.parametrize("name", [3, Path("my/model"), "caf\udce9"])
def test_so_is_a_victims_name(name: Any) -> None:
    with pytest.raises(SpecMismatch, match=r"expected text .*as the victim's name, got"):
        FunctionVictim(len, TINY, 4, "logits", name=name)
    with pytest.raises(SpecMismatch, match=r"expected text .*as the victim's name, got"):
        ModuleVictim(torch.nn.Flatten(), TINY, 4, name=name)


class Blunt(Defence):
    """An owner's own: only the first choice shows."""

    def __init__(self, victim: Victim) -> None:
        super().__init__(victim, "blunt")

    def perturb(self, p: torch.Tensor) -> torch.Tensor:
        return 0.1 + 0.5 * (p == p.amax(1, keepdim=True))


def test_a_defence_that_has_a_name_belongs_to_the_run_and_not_to_the_target() -> None:
    named = r"expected a target without .*'rounding:2'; .*RunConfig.defences: \['rounding:2'\]"
    for victim in (defend(tiny_victim(), ["rounding:2"]), Blunt(Rounding(tiny_victim(), 2))):
        with pytest.raises(SpecMismatch, match=named):
            tiny_target(victim)


def test_two_models_behind_an_owners_own_defence_are_two(tmp_path: Path) -> None:
    targets = [tiny_target(Blunt(tiny_victim(seed=seed))) for seed in (0, 0, 1)]
    assert targets[0].content_hash == targets[1].content_hash != targets[2].content_hash
    config = tiny_config(attack="random-noise", settings={}, budget=64)
    assert copy_model(config, targets[0], tmp_path).victim.name == "blunt"
    with pytest.raises(RunError, match="another victim"):
        copy_model(config, targets[2], tmp_path)
