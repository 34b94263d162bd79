"""Find the device a name means, and check what it supports, without starting anything on it."""

from __future__ import annotations

import os
from collections.abc import Collection

import torch

from copycost.compiling import has_compiler
from copycost.errors import ConfigError
from copycost.types import Compile, Precision

AMPERE = (8, 0)
"""Compute capability of the first NVIDIA GPUs with TF32 and bfloat16."""
NEEDS_AMPERE = (Precision.TF32, Precision.BFLOAT16)

Devices = int | list[int]
"""As Fabric takes devices: their number, or a list of their indices."""


def usable(
    device: str, precisions: Collection[Precision | str | None], compile: Compile | str
) -> tuple[str, Devices]:
    """The accelerator, cpu or cuda, and which of its devices `device` means.

    `device` is auto (CUDA if available), cpu, cuda or cuda:N; a precision of None is not checked.
    Raises `ConfigError` if the device does not exist or does not support what is asked.
    """
    accelerator, devices = _resolve(device)
    _check_compile(accelerator, Compile(compile))
    if accelerator == "cuda":
        index = devices[0] if isinstance(devices, list) else 0
        _check_precisions(index, {Precision(name) for name in precisions if name})
    return accelerator, devices


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_modes() -> None:
    """Raise `ConfigError`, with every fault, if PyTorch's global modes do not suit a run.

    These are the default type and device, gradients and autocast.
    """
    problems = []
    if torch.get_default_dtype() is not torch.float32:
        problems.append(
            f"PyTorch's default type is {torch.get_default_dtype()}, where float32 is expected. "
            "Call torch.set_default_dtype(torch.float32)."
        )
    if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
        problems.append(
            "Gradients are off, and nothing is learnt without them. Call copycost outside of "
            "torch.no_grad and torch.inference_mode, after torch.set_grad_enabled(True)."
        )
    if any(torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")):
        problems.append(
            "torch.autocast is on, and would compute in another arithmetic than the record says. "
            "Call copycost outside of it; the setting precision chooses the arithmetic."
        )
    if torch.get_default_device().type != "cpu":
        problems.append(
            f"PyTorch's default device is {torch.get_default_device()}, where cpu is expected. "
            'Call torch.set_default_device("cpu"); the setting device says what a run computes on.'
        )
    if problems:
        raise ConfigError(*problems)


def _resolve(device: str) -> tuple[str, Devices]:
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu" and not index:
        return "cpu", 1
    if kind != "cuda" or (index and not index.isdigit()):
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, got {device!r}.")
    present = torch.cuda.device_count()
    if int(index or 0) >= present:
        found = f"{present or 'no'} CUDA device{'' if present == 1 else 's'}"
        raise ConfigError(f"device: there is no {device}; PyTorch finds {found} here. Use cpu.")
    return "cuda", [int(index or 0)]


def _check_compile(accelerator: str, compile: Compile) -> None:
    if compile is Compile.GRAPHS and accelerator != "cuda":
        raise ConfigError("compile: graphs needs a CUDA device; use on or off here.")
    if compile is Compile.ON and accelerator == "cpu" and not has_compiler():
        raise ConfigError(
            "compile: a CPU needs a C++ compiler for it, and there is none. Install one, or "
            "use off."
        )


def _check_precisions(index: int, used: Collection[Precision]) -> None:
    coarse = [str(precision) for precision in NEEDS_AMPERE if precision in used]
    if coarse and torch.cuda.get_device_capability(index) < AMPERE:
        name, missing = torch.cuda.get_device_name(index), " or ".join(coarse)
        raise ConfigError(f"precision: {name} cannot compute in {missing}. Use float32.")
