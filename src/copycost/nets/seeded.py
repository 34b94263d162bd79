"""Weights that depend on a seed and on nothing else."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from copycost.types import InputSpec


def derive(seed: int, role: str) -> int:
    """A seed for one `role` in a run, far from those of every other role and seed.

    Without it, a student and a victim of one architecture and seed would start from the same
    weights, and a defence would draw the same noise as the attack.
    """
    digest = hashlib.sha256(f"{role}:{seed}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within the block, modules are built on the CPU from `seed`; outside, nothing changes.

    Weights are drawn on the CPU, whatever device the module is moved to, so that a seed gives
    the same weights on every machine.
    """
    # Not torch.manual_seed, which also resets the generators of every accelerator:
    # fork_rng(devices=[]) does not restore those.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        yield


def build(
    builder: Callable[[InputSpec, int], nn.Module], spec: InputSpec, classes: int, seed: int
) -> nn.Module:
    """Build `builder(spec, classes)` with weights that depend only on `seed`.

    The process's own random state is left unchanged.
    """
    with seeded(seed):
        return builder(spec, classes)


def fresh_copy(module: nn.Module, seed: int) -> nn.Module:
    """A network like `module`, on its device, with new random weights that depend on `seed`.

    Such a network can stand in for a victim, whose weights are not accessible.
    """
    copied = copy.deepcopy(module).cpu()
    with seeded(seed):
        for part in copied.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    return copied.to(next(module.parameters()).device)
