"""What a run takes as its target."""

from __future__ import annotations

from pathlib import Path

import torch

from copycost.datasets import load
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.runner.targets import load_target
from copycost.victims.saved import Card, save_model


def test_a_victim_is_judged_on_the_images_that_it_was_not_trained_on(tmp_path: Path) -> None:
    digits = load("digits")
    card = Card(architecture="lenet", spec=digits.spec, classes=10)
    save_model(tmp_path / "victim", ARCHITECTURES["lenet"](digits.spec, 10), card)
    target = load_target(str(tmp_path / "victim"), "digits", tmp_path, Engine("cpu"))
    assert torch.equal(target.held_out.inputs, digits.test.inputs)
    assert torch.equal(target.held_out.labels, digits.test.labels)
    assert target.dataset == digits.provenance
