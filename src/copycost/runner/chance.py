"""PyTorch's own random numbers, as layers such as dropout draw them: a run's come from its seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from copycost.noise import restore_stream


@contextmanager
def own_chance(seed: int, device: torch.device) -> Iterator[None]:
    """Within the block layers draw by `seed`; the process's own numbers go on after it."""
    streams = _streams(device)
    before = [stream.get_state() for stream in streams]
    try:
        for stream in streams:
            stream.manual_seed(seed)
        yield
    finally:
        for stream, state in zip(streams, before, strict=True):
            stream.set_state(state)


def chance_state(device: torch.device) -> list[Tensor]:
    """Where these numbers stand, for a checkpoint."""
    return [stream.get_state() for stream in _streams(device)]


def restore_chance(device: torch.device, state: Sequence[Tensor]) -> None:
    """Go on from a saved `state`, which is empty in checkpoints from before it was kept."""
    for stream, kept in zip(_streams(device), state, strict=False):
        restore_stream(stream, kept)


def _streams(device: torch.device) -> list[torch.Generator]:
    """Those of the host and of the device, where that is another."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return [torch.default_generator]
    torch.cuda.init()  # type: ignore[no-untyped-call]  # until then there are none
    return [torch.default_generator, torch.cuda.default_generators[device.index or 0]]
