"""The images that models are asked about."""

from __future__ import annotations

import pytest
import torch

from copycost.noise import Noise
from copycost.ownership import probes
from copycost.ownership.probes import CHUNK, candidates, in_turns
from copycost.types import InputSpec

SPEC = InputSpec(shape=(3, 8, 8))


def test_they_depend_on_nothing_but_shape_and_seed() -> None:
    drawn = candidates(SPEC, 100, seed=3)
    assert (drawn.dtype, list(drawn.shape)) == (torch.uint8, [400, 3, 8, 8])
    assert torch.equal(drawn, candidates(SPEC, 100, seed=3))
    assert not torch.equal(drawn, candidates(SPEC, 100, seed=4))
    signed = candidates(InputSpec(shape=(3, 8, 8), low=-1.0, high=1.0), 100, seed=3)
    assert (signed.int() - drawn.int()).abs().max() <= 1, "the range makes no other images"


def test_all_are_different() -> None:
    drawn = candidates(SPEC, CHUNK, seed=0)
    assert len(drawn.flatten(1).unique(dim=0)) == 4 * CHUNK


def test_few_large_images_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(spec: InputSpec, n: int, random: Noise) -> torch.Tensor:
        drawn.append(n)
        return torch.zeros(n, *spec.shape)

    monkeypatch.setattr(probes, "untrained", counted)
    candidates(InputSpec(shape=(1, 512, 512)), 2, seed=0)
    candidates(InputSpec(shape=(1, 2048, 2048)), 1, seed=0)
    candidates(SPEC, CHUNK // 4 + 1, seed=0)
    assert drawn == [4, 4, 1, 1, 1, 1, CHUNK, 4]


def test_classes_take_turns() -> None:
    labels = torch.tensor([0, 0, 0, 0, 2, 0, 1, 2])
    assert labels[in_turns(labels, 4, 5)].tolist() == [0, 2, 1, 0, 2]
    assert in_turns(labels, 4, 3).tolist() == [0, 4, 6]
