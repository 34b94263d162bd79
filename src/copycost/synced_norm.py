"""Batch norm with the statistics of the whole batch, over all ranks.

On CUDA this is PyTorch's `SyncBatchNorm`. PyTorch has none for the CPU, so this module has one;
it also lets tests compare two processes with one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from copycost.errors import ConfigError

KNOWN = ("torch", "copycost")
"""Packages whose batch norms are known to compute nothing else."""


def synchronised(module: nn.Module, device: torch.device) -> nn.Module:
    """`module` with every batch norm in it synchronised; weights and buffers stay the same.

    Raises `ConfigError` for a batch norm of another package: what else it computes would be lost.
    """
    _refuse_others(module)
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return converted
    return _on_cpu(module)


def _refuse_others(module: nn.Module) -> None:
    kinds = {type(part) for part in module.modules() if isinstance(part, _BatchNorm)}
    others = sorted(kind.__name__ for kind in kinds if kind.__module__.split(".")[0] not in KNOWN)
    if others:
        raise ConfigError(
            f"student: several processes can share batch norms only if they are PyTorch's own, "
            f"got {', '.join(others)}. Start one process, or choose another student."
        )


def _on_cpu(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        setattr(module, name, _on_cpu(child))
    return SyncedNorm(module) if isinstance(module, _BatchNorm) else module


class SyncedNorm(_BatchNorm):
    """A batch norm over several CPU processes, each of which has equally many samples."""

    def __init__(self, norm: _BatchNorm) -> None:
        """Take over the weights and buffers of `norm`."""
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, ...] to the same shape; in training mode with the statistics of all ranks."""
        if not self.training:
            return super().forward(x)
        dims = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        # Not PyTorch's mean, whose gradient is laid out channels first.
        count = x.numel() // x.shape[1]
        mean = _mean_over_ranks(x.float().sum(dims) / count)
        centred = x.float() - mean.view(shape)
        variance = _mean_over_ranks(centred.square().sum(dims) / count)
        self._remember(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return (centred * scale.view(shape)).to(x.dtype)
        scale = scale * self.weight
        return torch.addcmul(self.bias.view(shape), centred, scale.view(shape)).to(x.dtype)

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept inputs of any number of dimensions."""

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, samples: int) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        everywhere = samples * dist.get_world_size()
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        share = self.momentum
        if share is None:  # PyTorch's convention for a cumulative average over all batches
            share = 1 / float(self.num_batches_tracked or 1)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (everywhere / (everywhere - 1)), share)


class _Sum(torch.autograd.Function):
    """The sum over ranks, whose gradient is summed over ranks as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _mean_over_ranks(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total / dist.get_world_size()
