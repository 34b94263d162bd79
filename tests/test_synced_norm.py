"""Batch norms over several processes; that two are as one is in `tests.runner.test_ranks`."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from copycost.errors import ConfigError
from copycost.synced_norm import SyncedNorm, synchronised


class WithReLU(nn.BatchNorm2d):
    """Does more than its name says, as some libraries' batch norms do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).relu()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batch_norms_that_do_more_are_refused_and_not_replaced(device):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(WithReLU(2)), nn.BatchNorm2d(2))
    with pytest.raises(ConfigError, match=r"only if they are PyTorch's own, got .*WithReLU"):
        synchronised(network, torch.device(device))
    assert not [part for part in network.modules() if isinstance(part, SyncedNorm)]


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_running_statistics_move_as_pytorch_moves_them(monkeypatch, momentum):
    monkeypatch.setattr(dist, "all_reduce", lambda total: None)
    monkeypatch.setattr(dist, "get_world_size", lambda: 1)
    plain = nn.BatchNorm1d(3, momentum=momentum)
    ours = synchronised(nn.BatchNorm1d(3, momentum=momentum), torch.device("cpu"))
    assert isinstance(ours, SyncedNorm)
    for seed in range(3):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(ours(x), plain(x))
    assert ours.state_dict().keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
