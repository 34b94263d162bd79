"""The peak speed of a device, measured on matrix products."""

from __future__ import annotations

import time
from statistics import median

import torch

from copycost.arithmetic import computing
from copycost.types import Precision

SIZE = {"cuda": 8192, "cpu": 2048}
"""Rows of the square matrices: large enough that nothing but the product takes time."""
TRIES = 5


def matrix_peak(device: torch.device, precision: str, size: int = 0) -> float:
    """Floating-point operations per second of a square matrix product: the median of `TRIES`.

    `size` is the number of rows; 0 chooses by the device.
    """
    size = size or SIZE[device.type]
    dtype = torch.bfloat16 if precision == Precision.BFLOAT16 else torch.float32
    a = torch.randn(size, size, device=device).to(dtype)
    out = torch.empty_like(a)
    with computing(Precision(precision), device):
        torch.mm(a, a, out=out)  # the first call chooses kernels
        return 2 * size**3 / median(_seconds(a, out) for _ in range(TRIES))


def _seconds(a: torch.Tensor, out: torch.Tensor) -> float:
    synchronise(a.device)
    began = time.perf_counter()
    torch.mm(a, a, out=out)
    synchronise(a.device)
    return time.perf_counter() - began


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
