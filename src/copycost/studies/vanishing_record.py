"""What a diagnosis of vanishing gradients leaves: one JSON file that is not a run's record.

Versioned apart from the records of runs; loads no PyTorch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from copycost.errors import RunError
from copycost.files import write_atomically
from copycost.runner.config import Arithmetic
from copycost.runner.record import AGAIN, Facts, Surroundings
from copycost.settings import explained

VERSION: Literal[1] = 1
KIND: Literal["diagnostic: not an attack's result"] = "diagnostic: not an attack's result"
DIAGNOSTIC_FILE = "diagnostic.json"


class Grid(Facts):
    """When and over what the estimate is compared with the truth."""

    moments: int = Field(default=9, ge=2)
    """Moments at which the players are looked at: the start, and evenly up to the end."""
    images: int = Field(default=128, ge=2)
    """N, generated images at which everything is measured."""
    coarse_images: int = Field(default=32, ge=2)
    """The first so many of them, for tf32 and bfloat16 on a device that is slow at these."""
    directions: tuple[int, ...] = Field(default=(1, 10, 100), min_length=1)
    """Numbers m of directions."""
    epsilons: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0)
    """Lengths of the step before the squash; each arithmetic's default comes on top."""
    arithmetics: tuple[Arithmetic, ...] = ("float32", "tf32", "bfloat16")


class Quartiles(Facts):
    """Of one quantity over the images."""

    low: float
    middle: float
    """The median."""
    high: float


class Cell(Facts):
    """The quality of forward differences in one arithmetic at one step, at one moment."""

    arithmetic: str
    """Of both networks at every point, e.g. 'tf32 (emulated)'."""
    epsilon: float
    default: bool
    """Whether this step is the arithmetic's default."""
    images: int
    """Images it was measured at."""
    correlation: float
    """Of slopes along single random directions with the true ones: see `slope_correlation`."""
    still: float
    """Share of those slopes that came out as exactly 0: nothing changed over the step."""
    cosines: dict[int, float]
    """By m: mean cosine of the estimate with the true gradient."""


class Moment(Facts):
    """The two players as they stood after so many queries.

    Gradients by the image are those of one image's gap before the squash, as Euclidean norms.
    """

    queries: int
    accuracy: float
    """Share of held-out images that the student gets right."""
    gap: float
    """Mean disagreement at the images, in the units of the attack's loss."""
    true: Quartiles
    """Norm of the true gradient of the gap that the attacker sees, floor and rounding included."""
    through_victim: Quartiles
    """Of the part of it that runs through the victim's answer, the student's held."""
    unfloored: Quartiles
    """Of the true gradient if probabilities of any size were released: no floor, in float64."""
    estimate: Quartiles
    """Of the attack's own estimate, with its m, ε and arithmetic."""
    flat: float
    """Share of images at which the true gradient is exactly 0."""
    floored: float
    """Share of the victim's probabilities below the attack's floor, all seen as equal to it."""
    blind: float
    """Share of images with a single class above the floor: there the answer hardly moves."""
    generator: float
    """Norm of the gradient of the generator's weights that the attack's own estimate gives."""
    generator_true: float
    """Of the one that the true gradient gives."""
    generator_cosine: float
    """Cosine between these two, over all weights: what is left after averaging over images."""
    student: float
    """Norm of the gradient of the student's weights, on the same images."""
    exact_cosines: dict[int, float]
    """By m: mean cosine of an estimate made of true slopes, the most that m directions can give."""
    cells: list[Cell]


class DiagnosedVictim(Facts):
    """The model that was looked into."""

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
    """DFME played once on a throw-away account, with the victim's gradient looked up beside it."""

    version: Literal[1] = VERSION
    kind: Literal["diagnostic: not an attack's result"] = KIND
    """It used what no attacker has; it is charged to no account and counts in no comparison."""
    id: str
    """Hash of `config` and of the victim's content."""
    config: dict[str, Any]
    """The configuration of the run it plays, in full."""
    grid: Grid
    victim: DiagnosedVictim
    moments: list[Moment]
    budget: int
    spent: int
    """Queries of the throw-away account; what was measured is not among them."""
    student_hash: str
    """sha256 over the student's weights at the end: a run so configured ends with the same
    wherever two such runs do."""
    surroundings: Surroundings
    seconds: float
    """In all."""
    measuring: float
    """Seconds of these that the measurements took."""
    started: str
    """ISO 8601, UTC."""
    ended: str
    """'finished', or what stopped it; a stopped one begins again."""

    @property
    def finished(self) -> bool:
        """Whether the budget was used up, rather than the diagnosis stopped."""
        return self.ended == "finished"

    def write(self, folder: Path) -> Path:
        """Write `folder/diagnostic.json` atomically and return its path."""
        path = folder / DIAGNOSTIC_FILE
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())
        return path


def read_vanishing(path: Path) -> VanishingRecord:
    """Read a record from its file or its folder; `RunError` says what is wrong with it."""
    path = path / DIAGNOSTIC_FILE if path.is_dir() else path
    try:
        data = json.loads(path.read_bytes())
        known = isinstance(data, dict) and data.get("kind") == KIND
        if not known or data.get("version") != VERSION:
            raise RunError(f"{path} is not a diagnosis in version {VERSION}. {AGAIN}")
        return VanishingRecord.model_validate(data)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {explained(error)}. {AGAIN}") from None
