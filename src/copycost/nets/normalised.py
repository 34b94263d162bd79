"""A network that normalises its own inputs, so that its callers need not know how."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from copycost.types import InputSpec


class Normalised(nn.Module):
    """A module applied to `(x - mean) / std`, per channel; both are saved with its weights.

    Victims take inputs in their spec's range. Giving an attacker the range after normalisation
    would reveal what they are not assumed to know.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, module: nn.Module, mean: Tensor, std: Tensor) -> None:
        """`mean` and `std` are [C]; `std` must be positive, which is not checked."""
        super().__init__()
        self.module = module
        self.register_buffer("mean", mean.detach().clone().to(torch.float32))
        self.register_buffer("std", std.detach().clone().to(torch.float32))

    @classmethod
    def blank(cls, module: nn.Module, channels: int) -> Normalised:
        """Wrap `module` with mean 0 and std 1, to be overwritten by a saved state."""
        return cls(module, torch.zeros(channels), torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs [N, C, ...] in the spec's range to the module's logits [N, K]."""
        aligned = (-1, *(1,) * (x.ndim - 2))
        logits: Tensor = self.module((x - self.mean.view(aligned)) / self.std.view(aligned))
        return logits


def in_its_range(module: nn.Module, spec: InputSpec) -> Normalised:
    """Adapt `module`, which takes inputs in [0, 1], to inputs in the range of `spec`."""
    low = torch.full((spec.shape[0],), spec.low)
    return Normalised(module, low, torch.full_like(low, spec.span))
