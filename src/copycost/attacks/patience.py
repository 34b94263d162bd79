"""How long a student trains where steps cost nothing, and how long training is kept stable."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from copycost.attacks.state import Player

STEPS = 12_000
"""Student steps over a whole run, within the bounds of batch size and steps per batch."""


def suited_lessons(budget: int) -> tuple[int, int]:
    """Images per batch, and student steps per batch queried.

    From 1,500 to 1.5 million queries, where no bound applies, a run has about `STEPS` steps in
    all. Batches grow with the square root of the budget: the more answers there are, the fewer
    times each is learnt.
    """
    batch = 2 ** round(math.log2(32 * math.sqrt(budget / 6_000)))
    batch = min(max(batch, 16), 512)
    return batch, min(max(round(STEPS * batch / budget), 4), 128)


def steadied(player: Player, clip: float) -> Player:
    """`player`, with the norm of its gradient bounded by `clip` if it has no normalisation layers.

    With such layers one learning rate suits many nets. Without them, a rate that is too high for
    a net kills its units within a few steps, and later steps cannot revive them.
    """
    normed = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
    if not any(isinstance(layer, normed) for layer in player.network.modules()):
        player.clip = clip
    return player
