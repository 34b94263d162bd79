"""How long a student learns where steps are free: about as long at any budget."""

from __future__ import annotations

import math

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
