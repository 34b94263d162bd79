"""Every preset is loadable, documented, and runs: small, but through its own settings."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from copycost.datasets import DATASETS, load
from copycost.datasets.base import Dataset, Labelled
from copycost.presets.victims import VICTIMS
from copycost.training.train import accuracy, train


def head(name):
    return sys.modules[f"copycost.presets.victims.{name.replace('-', '_')}"].__doc__


@pytest.mark.parametrize("name", VICTIMS)
def test_the_head_states_what_a_reader_needs(name):
    preset = VICTIMS[name]
    text = head(name)
    for word in ("Source:", "Command:", "Hardware:", "Time:", "Expected:"):
        assert word in text
    assert f"copycost train-victim {name}\n" in text
    assert "measured" in text  # here, or plainly not
    assert preset.dataset in DATASETS
    module = sys.modules[f"copycost.presets.victims.{name.replace('-', '_')}"]
    assert preset == (module.DATASET, module.RECIPE)


def tiny(shape, count=4):
    chance = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (count, *shape), generator=chance, dtype=torch.uint8)
    both = Labelled(inputs, torch.arange(count) % 3)
    return Dataset("tiny", "made here", ("a", "b", "c"), both, both)


@pytest.mark.parametrize("name", VICTIMS)
def test_every_preset_runs_small(name):
    preset = VICTIMS[name]
    shape = (1, 8, 8) if preset.dataset == "digits" else (3, 8, 8)
    losses = []
    dataset = tiny(shape)
    module = train(
        replace(preset.recipe, epochs=1),
        dataset,
        "cpu",
        0,
        lambda _e, loss, _s: losses.append(loss),
    )
    assert len(losses) == 1
    assert 0 <= accuracy(module, dataset.test, "cpu") <= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "least"), [("digits-cnn", 0.97), ("digits-lenet", 0.96), ("digits-resnet", 0.98)]
)
def test_digits_presets_reach_what_their_heads_expect(name, least, seed):
    preset = VICTIMS[name]
    dataset = load(preset.dataset)
    assert accuracy(train(preset.recipe, dataset, "cpu", seed), dataset.test, "cpu") >= least
