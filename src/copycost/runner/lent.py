"""The state of the process that a run uses, and restores afterwards."""

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
    """Within the block one run has the process: runs in other threads wait for their turn.

    PyTorch's global random numbers, from which weights are drawn, its precision switches, tracers
    and export belong to the whole process, so two runs at once would spoil each other. The
    switches and the mode of the victim's module are restored after the block.
    """
    with _TURN, switches_kept(), _modes_kept(_module_of(victim)):
        yield


def _module_of(victim: Victim) -> nn.Module:
    while isinstance(victim, Defence):
        victim = victim.victim
    return victim.module if isinstance(victim, ModuleVictim) else nn.Module()


@contextmanager
def _modes_kept(module: nn.Module) -> Iterator[None]:
    """Restore the training or evaluation mode of each part: its owner may go on training it."""
    before = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        # From the whole to its parts, as setting a part's mode sets those of its own parts.
        for part, was_training in before.items():
            if part.training != was_training:
                part.train(was_training)
