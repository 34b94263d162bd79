"""Global averages: PyTorch's mean to the bit, with a gradient that is one number a channel."""

from __future__ import annotations

import pytest
import torch

from copycost.nets.pooling import GlobalAverage


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(4, 8, 4, 4), (3, 5, 7, 2), (2, 3, 1, 1)])
def test_values_and_gradients_are_those_of_the_mean(shape, layout):
    x = torch.randn(shape).contiguous(memory_format=layout).requires_grad_()
    ours, theirs = GlobalAverage()(x), x.mean(dim=(2, 3))
    assert torch.equal(ours, theirs)
    direction = torch.randn_like(ours)
    (found,) = torch.autograd.grad(ours, x, direction)
    (wanted,) = torch.autograd.grad(theirs, x, direction)
    assert torch.equal(found, wanted)
    assert found.untyped_storage().nbytes() == 4 * ours.numel(), "no image is written for it"
