"""Time a look, the measurement of one moment in a diagnosis, with random weights on noise."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from copycost.engine import Engine
from copycost.presets.kwon2023.scales import QUERIES_PER_IMAGE
from copycost.reproduce.timing import PROBE_IMAGES, Kind, target_of
from copycost.studies.vanishing import diagnose
from copycost.studies.vanishing_record import DiagnosisGrid

FEW_IMAGES = 8
"""Images of the look with which a slow machine finds out whether a full one takes too long."""
FEW, MORE = 1, 5
"""Numbers of directions timed; the time of a look is nearly linear in this number."""
STEPS = 2
"""Steps of the attack between two looks; few, and not timed."""


def time_look(kind: Kind, grid: DiagnosisGrid, seconds: float) -> float:
    """Seconds of a look by `grid`, timed in about so many seconds.

    Few directions are timed, and few images if full looks would take too long; the rest is
    extrapolated.
    """
    device = Engine(kind.config.device).device
    images = min(FEW_IMAGES, grid.images)
    coarse = max(2, grid.coarse_images * images // grid.images)
    few = grid.model_copy(update={"images": images, "coarse_images": coarse})
    times = grid.images / images
    _seconds(kind, few, FEW, device)  # once before the clock counts
    affordable = 4 * MORE * times * _seconds(kind, few, FEW, device) < seconds
    return _look(kind, grid, device) if affordable else times * _look(kind, few, device)


def _look(kind: Kind, grid: DiagnosisGrid, device: torch.device) -> float:
    least, more = (_seconds(kind, grid, directions, device) for directions in (FEW, MORE))
    return least + max(0.0, more - least) * (max(grid.directions) - FEW) / (MORE - FEW)


def _seconds(kind: Kind, grid: DiagnosisGrid, directions: int, device: torch.device) -> float:
    """Seconds of a look over so many directions, the mean of two."""
    asked = grid.model_copy(update={"moments": 2, "directions": (directions,)})
    budget = QUERIES_PER_IMAGE * PROBE_IMAGES * STEPS
    values = kind.run_of(PROBE_IMAGES).model_dump() | {"budget": budget}
    with tempfile.TemporaryDirectory(prefix="copycost-estimate-") as held:
        target = target_of(kind.victim, kind.shape, device)
        record = diagnose(values, target, Path(held) / "look", asked)
    return record.measuring / len(record.moments)
