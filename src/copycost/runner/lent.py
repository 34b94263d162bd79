"""What a run borrows of its process, and gives back as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from copycost.defences.base import Defence
from copycost.switches import switches_kept
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

_TURN = threading.RLock()


@contextmanager
def lent(victim: Victim) -> Iterator[None]:
    """Within the block the process is one run's: those of other threads wait for their turn.

    PyTorch's own random numbers, from which weights are drawn, its switches of arithmetic, its
    tracers and its export are the whole process's. Two runs at once would spoil each other.
    Switches, and the mode of the victim's module, are as they were after it.
    """
    with _TURN, switches_kept(), _modes_kept(_module_of(victim)):
        yield


def _module_of(victim: Victim) -> nn.Module:
    while isinstance(victim, Defence):
        victim = victim.victim
    return victim.module if isinstance(victim, ModuleVictim) else nn.Module()


@contextmanager
def _modes_kept(module: nn.Module) -> Iterator[None]:
    """Training or evaluation, of each part: its owner may go on training when he was told."""
    before = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        # From the whole to its parts: a part's mode goes down to its own parts.
        for part, was_training in before.items():
            if part.training != was_training:
                part.train(was_training)
