"""PyTorch's global random numbers, which layers such as dropout draw: a run seeds its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor

from copycost.engine import Engine
from copycost.nets.seeded import derive
from copycost.noise import restore_stream


@contextmanager
def own_chance(seed: int, device: torch.device) -> Iterator[None]:
    """Within the block layers draw from `seed`; afterwards the process's own numbers go on."""
    streams = _streams(device)
    before = [stream.get_state() for stream in streams]
    try:
        for stream in streams:
            stream.manual_seed(seed)
        yield
    finally:
        for stream, state in zip(streams, before, strict=True):
            stream.set_state(state)


def runs_chance(seed: int, engine: Engine) -> AbstractContextManager[None]:
    """Within the block layers draw what they draw in a run of `seed`, on each rank its own."""
    return own_chance(derive(seed, f"layers on rank {engine.ranks.rank}"), engine.device)


def chance_state(device: torch.device) -> list[Tensor]:
    """The state of these numbers, for a checkpoint."""
    return [stream.get_state() for stream in _streams(device)]


def restore_chance(device: torch.device, state: Sequence[Tensor]) -> None:
    """Go on from a saved `state`, which is empty in checkpoints of versions that kept none."""
    for stream, kept in zip(_streams(device), state, strict=False):
        restore_stream(stream, kept)


def _streams(device: torch.device) -> list[torch.Generator]:
    """The generators of the host and, if it is a GPU, of the device."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return [torch.default_generator]
    torch.cuda.init()  # type: ignore[no-untyped-call]  # it makes the generators
    return [torch.default_generator, torch.cuda.default_generators[device.index or 0]]
