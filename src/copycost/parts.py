"""Run large batches in parts, so that the activations between layers stay in a CPU's cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PART = 32 * 3 * 32 * 32
"""Input values that a CPU runs at once. Activations of much larger parts leave its cache."""


class InParts(nn.Module):
    """Runs `module` on parts of a batch: whole inputs, about `values` numbers a part at most.

    Only for a module in evaluation mode: in training mode, batch norm depends on the batch.
    """

    def __init__(self, module: nn.Module, values: int = PART) -> None:
        """`values` bounds the size of one part: its inputs times the values of one input."""
        super().__init__()
        self.module, self.values = module, values

    def forward(self, x: Tensor) -> Tensor:
        """Scores of inputs [B, ...], the same as `module` gives for the whole batch."""
        inputs = max(1, self.values // x[0].numel()) if len(x) else 1
        if len(x) <= inputs:
            answer: Tensor = self.module(x)
            return answer
        # Evenly, so that a part of one input is rare: some models squeeze its batch axis away.
        parts = torch.tensor_split(x, math.ceil(len(x) / inputs))
        return torch.cat([self.module(part) for part in parts])


def in_parts(module: nn.Module, device: torch.device) -> nn.Module:
    """`module`, used for inference only, in the form that `device` runs fastest."""
    return InParts(module) if device.type == "cpu" else module
