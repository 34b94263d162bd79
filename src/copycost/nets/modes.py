"""The training or evaluation mode of a module, left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def modes_kept(module: nn.Module) -> Iterator[None]:
    """Restore the mode of each part of `module` at the end of the block.

    The parts need not be in one mode: some owners train with norms in evaluation mode.
    """
    before = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        # From the whole to its parts, as setting a part's mode sets those of its own parts.
        for part, was_training in before.items():
            if part.training != was_training:
                part.train(was_training)


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Within the block the whole of `module` is in evaluation mode; afterwards as it was found."""
    with modes_kept(module):
        module.eval()
        yield
