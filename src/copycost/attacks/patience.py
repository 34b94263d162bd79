"""How long a student learns where steps are free, and how a long lesson is kept steady."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from copycost.attacks.state import Player

STEPS = 12_000
"""Of the student over a whole run, as far as bounds of a batch and of its steps allow."""


def suited_lessons(budget: int) -> tuple[int, int]:
    """Images a batch, and steps of the student for each batch that is asked.

    Together they make `STEPS` from 1,500 queries to 1.5 million, where no bound holds. Batches
    grow with the square root of the budget: the more answers there are, the fewer times each
    is learnt from.
    """
    batch = 2 ** round(math.log2(32 * math.sqrt(budget / 6_000)))
    batch = min(max(batch, 16), 512)
    return batch, min(max(round(STEPS * batch / budget), 4), 128)


def steadied(player: Player, clip: float) -> Player:
    """`player`, the norm of its gradients bounded by `clip` if it has no normalisation layers.

    With them a rate suits nets of many kinds. Without them one that is too high for a net kills
    its units within a few steps, and no later one can mend it.
    """
    normed = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
    if not any(isinstance(layer, normed) for layer in player.network.modules()):
        player.clip = clip
    return player
