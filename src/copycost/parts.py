"""Large batches answered in parts, so that what lies between two layers stays in the cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PART = 32 * 3 * 32 * 32
"""Values of the inputs a CPU answers at once. Much larger ones leave its cache between layers."""


class InParts(nn.Module):
    """`module`, given at most about `values` numbers at a time, and always whole inputs.

    Only for a module in evaluation mode: in training, batch norm looks at the batch.
    """

    def __init__(self, module: nn.Module, values: int = PART) -> None:
        """`values` bounds the numbers of one part, inputs times values of an input."""
        super().__init__()
        self.module, self.values = module, values

    def forward(self, x: Tensor) -> Tensor:
        """Scores of inputs (B, ...), the same as the module's own for all at once."""
        inputs = max(1, self.values // x[0].numel()) if len(x) else 1
        if len(x) <= inputs:
            answer: Tensor = self.module(x)
            return answer
        # Evenly: some models squeeze what they answer one input.
        parts = torch.tensor_split(x, math.ceil(len(x) / inputs))
        return torch.cat([self.module(part) for part in parts])


def in_parts(module: nn.Module, device: torch.device) -> nn.Module:
    """`module`, which answers and does not train, as a `device` runs it fastest."""
    return InParts(module) if device.type == "cpu" else module
