"""Time a look at gradients, of which a diagnosis takes several, with random weights on noise."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from copycost.engine import Engine
from copycost.presets.kwon2023.scales import QUERIES_PER_IMAGE
from copycost.reproduce.timing import PROBE_IMAGES, Kind, target_of
from copycost.studies.vanishing import diagnose
from copycost.studies.vanishing_record import Grid

FEW_IMAGES = 8
"""Of the look by which a slow machine finds out whether it can afford a whole one."""
FEW, MORE = 1, 5
"""Numbers of directions timed: nearly all else of a look is so many times a direction."""
STEPS = 2
"""Of the game between two looks; it is small, and not timed."""


def time_look(kind: Kind, grid: Grid, seconds: float) -> float:
    """Seconds of a look by `grid`, timed in about so many seconds.

    Few directions are timed, and few images where whole looks would take too long.
    """
    device = Engine(kind.config.device).device
    images = min(FEW_IMAGES, grid.images)
    coarse = max(2, grid.coarse_images * images // grid.images)
    few = grid.model_copy(update={"images": images, "coarse_images": coarse})
    times = grid.images / images
    _seconds(kind, few, FEW, device)  # once before the clock counts
    affordable = 4 * MORE * times * _seconds(kind, few, FEW, device) < seconds
    return _look(kind, grid, device) if affordable else times * _look(kind, few, device)


def _look(kind: Kind, grid: Grid, device: torch.device) -> float:
    least, more = (_seconds(kind, grid, directions, device) for directions in (FEW, MORE))
    return least + max(0.0, more - least) * (max(grid.directions) - FEW) / (MORE - FEW)


def _seconds(kind: Kind, grid: Grid, directions: int, device: torch.device) -> float:
    """Of a look over so many directions, on average over two."""
    asked = grid.model_copy(update={"moments": 2, "directions": (directions,)})
    budget = QUERIES_PER_IMAGE * PROBE_IMAGES * STEPS
    values = kind.run_of(PROBE_IMAGES).model_dump() | {"budget": budget}
    with tempfile.TemporaryDirectory(prefix="copycost-estimate-") as held:
        target = target_of(kind.victim, kind.shape, device)
        record = diagnose(values, target, Path(held) / "look", asked)
    return record.measuring / len(record.moments)
