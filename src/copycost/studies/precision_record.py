"""The record of the precision study: one JSON file, from which its page and figure are drawn.

It has a version of its own, apart from run records. This module does not load PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from copycost.runner.record import Facts, Surroundings

VERSION: Literal[1] = 1


class PairFacts(Facts):
    """One student and one stand-in for a victim, as they stood when slopes were measured."""

    pair: str
    seed: int
    dataset: str
    """Provenance of the images both were trained on."""
    dimensions: int
    """d, values of one input."""
    student: str
    """Architecture."""
    stand_in: str
    student_accuracy: float
    """Share of held-out images that it gets right."""
    stand_in_accuracy: float
    gap: float
    """Mean disagreement at the points, in the units of DFME's loss."""
    gradient_norm: float
    """Median norm of the true gradient at the points, before the squash."""
    exact_cosines: dict[int, float]
    """By m: mean cosine of an estimate from true slopes, the most that m directions can give."""


class Cell(Facts):
    """The quality of one estimator in one arithmetic at one step."""

    pair: str
    seed: int
    arithmetic: str
    """Of both networks at every point, e.g. 'tf32 (emulated)'."""
    epsilon: float
    form: str
    """Name of the estimator: 'forward' or 'central'."""
    correlation: float
    """Correlation of measured with true slopes, along one random direction per point."""
    cosines: dict[int, float]
    """By m: mean cosine of the estimate with the true gradient."""


class PrecisionRecord(Facts):
    """Everything one call of `copycost precision table` measured."""

    version: Literal[1] = VERSION
    nets: str
    """'small' or 'resnet'."""
    points: int
    """Inputs at which each number was measured, for each pair and seed."""
    pairs: list[PairFacts]
    cells: list[Cell]
    surroundings: Surroundings
    seconds: float
    started: str
    """ISO 8601, UTC."""


def read_precision(path: Path) -> PrecisionRecord:
    """Read a record of the study; `RunError` says what is wrong with it."""
    return PrecisionRecord.read_from(path, "is not a record of this study")
