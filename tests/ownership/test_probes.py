"""The images that models are asked about."""

from __future__ import annotations

import torch

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


def test_classes_take_turns() -> None:
    labels = torch.tensor([0, 0, 0, 0, 2, 0, 1, 2])
    assert labels[in_turns(labels, 4, 5)].tolist() == [0, 2, 1, 0, 2]
    assert in_turns(labels, 4, 3).tolist() == [0, 4, 6]
