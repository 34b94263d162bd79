"""What a run borrows of its process, and gives back as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = threading.RLock()


@contextmanager
def lent() -> Iterator[None]:
    """Within the block the process is one run's: those of other threads wait for their turn.

    PyTorch's own random numbers, from which weights are drawn, its tracers and its export are the
    whole process's. Two runs at once would spoil each other.
    """
    with _TURN:
        yield
