"""The state of the process that a run uses, and restores afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from copycost.defences.base import Defence
from copycost.nets.modes import modes_kept
from copycost.switches import switches_kept
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim

_TURN = threading.RLock()


@contextmanager
def process_lent(victim: Victim) -> Iterator[None]:
    """Within the block one run has the process: runs in other threads wait for their turn.

    PyTorch's global random numbers, from which weights are drawn, its precision switches, tracers
    and export belong to the whole process, so two runs at once would spoil each other. The
    switches and the mode of the victim's module are restored after the block.
    """
    with _TURN, switches_kept(), modes_kept(_module_of(victim)):
        yield


def _module_of(victim: Victim) -> nn.Module:
    while isinstance(victim, Defence):
        victim = victim.victim
    return victim.module if isinstance(victim, ModuleVictim) else nn.Module()
