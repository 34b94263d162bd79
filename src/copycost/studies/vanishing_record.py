"""The record of a diagnosis of vanishing gradients: one JSON file, which is not a run's record.

It has a version of its own, apart from run records. This module does not load PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from copycost.runner.record import AGAIN, Facts, Surroundings
from copycost.types import Precision

VERSION: Literal[1] = 1
KIND: Literal["diagnostic: not an attack's result"] = "diagnostic: not an attack's result"
DIAGNOSTIC_FILE = "diagnostic.json"


class DiagnosisGrid(Facts):
    """When, and over which values, the estimate is compared with the true gradient."""

    moments: int = Field(default=9, ge=2)
    """Number of moments to measure at: the start, and then evenly up to the end."""
    images: int = Field(default=128, ge=2)
    """N, generated images at which everything is measured."""
    coarse_images: int = Field(default=32, ge=2)
    """Number of these, the first, that tf32 and bfloat16 use on a device where they are slow."""
    directions: tuple[int, ...] = Field(default=(1, 10, 100), min_length=1)
    """Numbers m of directions."""
    epsilons: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    """Lengths of the step before the squash; each arithmetic's default is added."""
    arithmetics: tuple[Precision, ...] = tuple(Precision)


class Quartiles(Facts):
    """The quartiles of one quantity over the images."""

    low: float
    middle: float
    """The median."""
    high: float


class DiagnosisCell(Facts):
    """The quality of forward differences in one arithmetic at one step, at one moment."""

    arithmetic: str
    """Of both networks at every point, e.g. 'tf32 (emulated)'."""
    epsilon: float
    default: bool
    """Whether this step is the arithmetic's default."""
    images: int
    """Images it was measured at."""
    correlation: float
    """Correlation of measured with true slopes, along single directions: `slope_correlation`."""
    still: float
    """Share of those slopes that came out as exactly 0: nothing changed over the step."""
    cosines: dict[int, float]
    """By m: mean cosine of the estimate with the true gradient."""


class Moment(Facts):
    """The two players as they stood after `queries` queries.

    Norms are Euclidean. Gradients by the image are of one image's gap, before the squash.
    """

    queries: int
    accuracy: float
    """Share of held-out images that the student gets right."""
    gap: float
    """Mean disagreement at the images, in the units of the attack's loss."""
    true: Quartiles
    """Norm of the true gradient of the gap that the attacker sees, floor and rounding included."""
    through_victim: Quartiles
    """Norm of its part through the victim's answer, with the student's answer held constant."""
    unfloored: Quartiles
    """Norm of the true gradient without the floor on probabilities, in float64."""
    estimate: Quartiles
    """Norm of the attack's own estimate, with its m, ε and arithmetic."""
    flat: float
    """Share of images at which the true gradient is exactly 0."""
    floored: float
    """Share of the victim's probabilities below the attack's floor, all seen as equal to it."""
    blind: float
    """Share of images with a single class above the floor: there the answer hardly moves."""
    generator: float
    """Norm of the gradient of the generator's weights that the attack's own estimate gives."""
    generator_true: float
    """Norm of the one that the true gradient gives."""
    generator_cosine: float
    """Cosine between these two gradients, over all weights, after averaging over images."""
    student: float
    """Norm of the gradient of the student's weights, on the same images."""
    exact_cosines: dict[int, float]
    """By m: mean cosine of an estimate from true slopes, the most that m directions can give."""
    cells: list[DiagnosisCell]


class DiagnosedVictim(Facts):
    """The victim of a diagnosis."""

    name: str
    architecture: str
    dataset: str
    """Provenance of the held-out data."""
    classes: int
    dimensions: int
    """d, values of one input."""
    content_hash: str
    """sha256 over its weights."""
    accuracy: float
    """Share of held-out images that it gets right."""


class VanishingRecord(Facts):
    """One run of DFME on a throw-away account, with the true gradient measured beside it."""

    version: Literal[1] = VERSION
    kind: Literal["diagnostic: not an attack's result"] = KIND
    """A diagnosis uses what no attacker has, so it is in no ledger and counts in no comparison."""
    id: str
    """Hash of `config` and of the victim's content."""
    config: dict[str, Any]
    """The full configuration of the run."""
    grid: DiagnosisGrid
    victim: DiagnosedVictim
    moments: list[Moment]
    budget: int
    spent: int
    """Queries charged to the throw-away account; measurements are not among them."""
    student_hash: str
    """sha256 over the final student's weights: those that a run of `config` ends with, wherever
    two such runs end alike."""
    surroundings: Surroundings
    seconds: float
    """Wall time in all."""
    measuring: float
    """Seconds of these that the measurements took."""
    started: str
    """ISO 8601, UTC."""
    ended: str
    """'finished', or what stopped it; the same command resumes a stopped diagnosis."""

    @property
    def finished(self) -> bool:
        """Whether the budget was used up, rather than the diagnosis stopped."""
        return self.ended == "finished"

    def write(self, folder: Path) -> Path:
        """Write `folder/diagnostic.json` atomically and return its path."""
        return self.write_to(folder / DIAGNOSTIC_FILE)


def read_vanishing(path: Path) -> VanishingRecord:
    """Read a record from its file or its folder; `RunError` says what is wrong with it."""
    path = path / DIAGNOSTIC_FILE if path.is_dir() else path
    return VanishingRecord.read_from(path, "is not a diagnosis", AGAIN)
