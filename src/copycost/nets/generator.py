"""The base class of generators, which map noise to inputs, and the squash into their range."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from copycost.types import InputSpec


class Generator(nn.Module, ABC):
    """Maps latent vectors to unbounded values, which `squash` brings into the spec's range.

    These are two steps because gradients are estimated between them.
    """

    def __init__(self, spec: InputSpec, latent: int) -> None:
        """Inputs of `spec` come from latent vectors [N, `latent`], standard normal."""
        super().__init__()
        self.spec = spec
        self.latent = latent

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Map latents [N, Z] to inputs [N, *shape] before the squash, unbounded."""


def squash(x: Tensor, spec: InputSpec) -> Tensor:
    """Map unbounded `x` (any shape) into [spec.low, spec.high] by tanh, differentiably.

    Computed in float32 at least: just below 1, bfloat16 only resolves steps of 1/256.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    y = spec.middle + spec.half * torch.tanh(x)
    return y.clamp(spec.low, spec.high)
