"""Learning rate as a share of its peak, by the share `t` in [0, 1) of training that is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal


def one_cycle(t: float, warm_up: float) -> float:
    """Linear rise until `warm_up`, then linear fall to 0 at t = 1; a share in [0, 1].

    The triangle of Smith & Topin, Super-Convergence (arXiv:1708.07120), without its last phase.
    """
    return t / warm_up if t < warm_up else (1 - t) / (1 - warm_up)


def cosine(t: float, warm_up: float) -> float:
    """Linear rise until `warm_up`, then half a cosine down to 0 at t = 1; a share in [0, 1].

    Loshchilov & Hutter, SGDR (arXiv:1608.03983), without restarts.
    """
    if t < warm_up:
        return t / warm_up
    return (1 + math.cos(math.pi * (t - warm_up) / (1 - warm_up))) / 2


SCHEDULES: dict[Literal["one-cycle", "cosine"], Callable[[float, float], float]] = {
    "one-cycle": one_cycle,
    "cosine": cosine,
}
"""Schedules by their names in a recipe."""
