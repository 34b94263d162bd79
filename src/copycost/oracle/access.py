"""What an answer reveals. Access only removes information; it never adds any."""

from __future__ import annotations

import torch
from torch import Tensor

from copycost.errors import SpecMismatch
from copycost.types import Access, Answer


def check_access(computed: Access, released: Access, k: int, classes: int) -> None:
    """Raise `SpecMismatch` if `computed` does not cover `released`, or k is impossible at top-k."""
    if not computed.covers(released):
        raise SpecMismatch(
            f"a victim that computes at least {released}",
            f"one that computes {computed}",
            f"use access {computed}" + ("" if computed is Access.LABEL else " or lower"),
        )
    if released is Access.TOP_K and not 1 <= k <= classes:
        raise SpecMismatch(
            f"k from 1 to {classes} for top-k access",
            str(k),
            f"the victim has {classes} classes; say --top-k {classes} or less (in Python, top_k)",
        )


def release(answer: Tensor, computed: Access, released: Access, k: int) -> Answer:
    """Cut a victim's answer, scores [N, K] or labels [N], down to what is released.

    At top-k access the k largest probabilities are kept as they are, not renormalised, as
    real services do; the others are 0.
    """
    if computed is Access.LABEL:
        return Answer(released, answer, None)
    labels = answer.argmax(dim=1)
    if released is Access.LABEL:
        return Answer(released, labels, None)
    if released is Access.LOGITS:
        return Answer(released, labels, answer)
    p = answer if computed is Access.PROBABILITIES else answer.softmax(dim=1)
    if released is Access.TOP_K:
        # Stable, to pick the first of equals as `argmax` does: the label is among the released.
        order = p.argsort(dim=1, descending=True, stable=True)[:, :k]
        labels, p = order[:, 0], torch.zeros_like(p).scatter(1, order, p.gather(1, order))
    return Answer(released, labels, p)
