"""Images as bytes: each value rounded to the nearest of 256 levels of its range."""

from __future__ import annotations

import torch
from torch import Tensor

from copycost.types import InputSpec

LEVELS = 255
"""Steps between the ends of the range: rounding is off by at most half a step."""


@torch.no_grad()
def quantise(x: Tensor, spec: InputSpec, scratch: Tensor | None = None) -> Tensor:
    """The nearest levels, uint8, of inputs in `spec`'s range, of any shape and floating type.

    `scratch` is a float32 tensor of the same shape to reuse for every batch: on a CPU,
    allocating new memory takes longer than the arithmetic.
    """
    scratch = torch.empty_like(x, dtype=torch.float32) if scratch is None else scratch
    torch.mul(x.float(), LEVELS / spec.span, out=scratch)
    if spec.low:
        scratch.sub_(spec.low * LEVELS / spec.span)
    return scratch.round_().clamp_(0, LEVELS).to(torch.uint8)


def dequantise(levels: Tensor, spec: InputSpec) -> Tensor:
    """Values in `spec`'s range, float32, of uint8 `levels` of any shape."""
    low, high = spec.low, spec.high
    return (low + levels.float() * ((high - low) / LEVELS)).clamp(low, high)


def as_bytes(x: Tensor, spec: InputSpec) -> Tensor:
    """`x` (any shape) rounded to its nearest levels, float32: as it is read back from a file."""
    return dequantise(quantise(x, spec), spec)
