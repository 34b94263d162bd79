"""PyTorch's precision switches, which hold for the whole process: set for a run, then restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import attrgetter
from typing import Any

import torch

_OLD = ("cuda.matmul.allow_tf32", "cudnn.allow_tf32")
_NEW = tuple(
    f"{place}fp32_precision"
    for place in (
        *("", "cudnn.", "cuda.matmul.", "cudnn.conv.", "cudnn.rnn."),
        *("mkldnn.matmul.", "mkldnn.conv.", "mkldnn.rnn."),
    )
)
"""Switches since PyTorch 2.9, from the widest, which sets the others, to the narrowest."""


def switch_tf32(on: bool) -> None:
    """Allow or forbid TF32 in the whole process; this affects CUDA only."""
    for switch in _OLD:
        _set(switch, on)


def full_precision() -> None:
    """Compute float32 in full from here on, on every device, whatever the process had set."""
    for switch in _new():
        _set(switch, "none")
    torch.set_float32_matmul_precision("highest")
    switch_tf32(False)


@contextmanager
def switches_kept() -> Iterator[None]:
    """Restore all switches at the end of the block."""
    before = {switch: _read(switch) for switch in ("cudnn.benchmark", *_OLD, *_new())}
    products = None
    with suppress(RuntimeError):
        products = torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        for switch in ("cudnn.benchmark", *_OLD):
            _set(switch, before.pop(switch))
        if products is not None:
            torch.set_float32_matmul_precision(products)
        for switch, value in before.items():
            _set(switch, value)


def _new() -> tuple[str, ...]:
    return _NEW if hasattr(torch.backends, "fp32_precision") else ()


def _read(switch: str) -> Any:
    """The switch's value; None where PyTorch refuses, as newer names were used to set others."""
    try:
        return attrgetter(switch)(torch.backends)
    except RuntimeError:
        return None


def _set(switch: str, value: Any) -> None:
    place, _, name = switch.rpartition(".")
    if value is not None:
        setattr(attrgetter(place)(torch.backends) if place else torch.backends, name, value)
