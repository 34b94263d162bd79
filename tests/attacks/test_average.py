"""An average over time against the formula written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from copycost.attacks.average import WeightAverage


def learner() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def change(network: nn.Module, step: int) -> None:
    with torch.no_grad():
        for number, value in enumerate(network.state_dict().values()):
            value.copy_(torch.full_like(value, step * step + number))


@pytest.mark.parametrize("every", [1, 3])
def test_weights_and_buffers_follow_the_formula(every):
    network = learner()
    average = WeightAverage(network, momentum=0.9, every=every)
    start = {k: v.clone() for k, v in network.state_dict().items()}
    assert all(torch.equal(v, start[k]) for k, v in average.network.state_dict().items())
    expected = [0.0] * len(start)
    for step in range(1, 11):
        change(network, step)
        average.follow(network)
        for i in range(len(expected)):
            if step <= every:
                expected[i] = step * step + i
            elif step % every == 0:
                expected[i] = 0.9 * expected[i] + 0.1 * (step * step + i)
        for (name, value), wanted in zip(
            average.network.state_dict().items(), expected, strict=True
        ):
            if value.is_floating_point():
                torch.testing.assert_close(value, torch.full_like(value, wanted), msg=name)
    assert int(average.network.state_dict()["1.num_batches_tracked"]) == {1: 106, 3: 87}[every]


def test_shares_no_memory_and_takes_no_gradient():
    network = learner()
    average = WeightAverage(network, momentum=0.5)
    change(network, 7)
    assert not any(bool((p == 49).all()) for p in average.network.parameters())
    assert not any(p.requires_grad for p in average.network.parameters())
    assert not average.network.training
    assert all(p.requires_grad for p in network.parameters())


def test_goes_on_from_its_state():
    network = learner()
    whole, parts = WeightAverage(network, 0.8, every=2), WeightAverage(network, 0.8, every=2)
    for step in range(1, 4):
        change(network, step)
        whole.follow(network)
        parts.follow(network)
    resumed = WeightAverage(learner(), 0.8, every=2)
    resumed.restore(parts.state())
    for step in range(4, 9):
        change(network, step)
        whole.follow(network)
        resumed.follow(network)
    theirs = resumed.network.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in whole.network.state_dict().items())
