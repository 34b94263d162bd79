"""Devices and arithmetic, by Lightning Fabric: the only module that imports it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from copycost.errors import ConfigError


class Precision(StrEnum):
    """The arithmetic of training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """Autocast: weights and sums in float32, products in bfloat16."""


SMALLEST_EPSILON = {Precision.FLOAT32: 0.0, Precision.BFLOAT16: 1.0}
"""Steps of a finite difference below this drown in the rounding of that arithmetic. From the
table in `docs/methods/dfme.md`: bfloat16 estimates the slope at norms from about 1."""

_FABRIC_NAMES: dict[Precision, Any] = {
    Precision.FLOAT32: "32-true",
    Precision.BFLOAT16: "bf16-mixed",
}


class Engine:
    """One device and one arithmetic. TF32 is off: float32 here means float32."""

    def __init__(
        self, device: str = "auto", precision: Precision | str = Precision.FLOAT32
    ) -> None:
        """`device` is auto (CUDA where there is any), cpu, cuda or cuda:N.

        Raises `ConfigError` for a device that is not there.
        """
        self.precision = Precision(precision)
        accelerator, devices = _resolve(device)
        self.fabric = Fabric(
            accelerator=accelerator, devices=devices, precision=_FABRIC_NAMES[self.precision]
        )
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    @property
    def device(self) -> torch.device:
        """Where tensors live."""
        device: torch.device = self.fabric.device
        return device

    def setup(
        self, module: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Move both to the device and wrap them for the chosen arithmetic."""
        wrapped: Any = self.fabric.setup(module, optimizer)
        return wrapped[0], wrapped[1]

    def backward(self, loss: Tensor, gradient: Tensor | None = None) -> None:
        """Backpropagate from `loss`, with `gradient` of its shape if it is not a scalar."""
        self.fabric.backward(loss, gradient=gradient)

    def random(self, seed: int) -> torch.Generator:
        """A generator of random numbers on the device."""
        return torch.Generator(device=self.device).manual_seed(seed)

    @contextmanager
    def estimating(self, wrapped: nn.Module, epsilon: float) -> Iterator[nn.Module]:
        """The network in evaluation mode, in an arithmetic that can resolve a step of `epsilon`.

        That is true float32 unless `epsilon` suits the precision of training.
        """
        module = wrapped if self.resolves(epsilon) else _unwrap(wrapped)
        was_training = wrapped.training
        wrapped.eval()
        try:
            yield module
        finally:
            wrapped.train(was_training)

    def resolves(self, epsilon: float) -> bool:
        """Whether a finite difference over `epsilon` survives the precision of training."""
        return epsilon >= SMALLEST_EPSILON[self.precision]

    def arithmetic(self, epsilon: float | None = None) -> dict[str, str]:
        """What was used, for the record; `epsilon` None if nothing was estimated."""
        used = {"training": str(self.precision), "tf32": "off", "victim": "float32"}
        if epsilon is not None:
            used["estimate"] = str(self.precision if self.resolves(epsilon) else Precision.FLOAT32)
        return used


def use_threads(threads: int | None = None) -> int:
    """Set how many threads one operation may use, and return the number.

    By default OMP_NUM_THREADS, else the cores this process may run on. More threads than
    cores, over all processes of a machine, make PyTorch many times slower.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = threads or int(os.environ.get("OMP_NUM_THREADS", 0)) or cores or 1
    torch.set_num_threads(threads)
    return threads


def _unwrap(module: nn.Module) -> nn.Module:
    inner: nn.Module = getattr(module, "module", module)
    return inner


def _resolve(device: str) -> tuple[str, int | list[int]]:
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu" and not index:
        return "cpu", 1
    if kind != "cuda" or (index and not index.isdigit()):
        raise ConfigError([f"device: expected auto, cpu, cuda or cuda:N, got {device!r}."])
    present = torch.cuda.device_count()
    if int(index or 0) >= present:
        raise ConfigError([f"device: {device} is not there; {present} CUDA devices are. Use cpu."])
    return "cuda", [int(index or 0)]
