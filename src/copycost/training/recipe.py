"""The settings by which a victim is trained. This module does not load PyTorch."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from copycost.nets import ARCHITECTURES


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """Settings of supervised training by SGD with Nesterov momentum.

    Unknown keys and impossible values raise pydantic's `ValidationError`, a `ValueError`.
    """

    architecture: str
    """A name in `copycost.nets.ARCHITECTURES`."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=2)
    """Images per step; a data set smaller than this is one batch."""
    peak_lr: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """Learning rate at its highest."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0, allow_inf_nan=False)
    """Applies to every weight, batch norm's included."""
    warm_up: float = Field(default=0.2, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly to its peak; then it falls
    linearly to 0."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    crop: int = Field(default=0, ge=0)
    """Pixels by which a random crop may shift an image, edges reflected; 0: no cropping."""
    flip: bool = False
    """Whether each image is mirrored left to right with probability 1/2."""
    normalise: bool = True
    """Whether the net subtracts the training set's mean and divides by its std, by channel."""
    precision: Literal["float32", "bf16-mixed"] = "float32"
    """Arithmetic of training; evaluation is in float32."""

    @model_validator(mode="after")
    def _known(self) -> Recipe:
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"no architecture {self.architecture!r} is known, only {known}")
        return self


class VictimPreset(NamedTuple):
    """What `copycost train-victim NAME` needs to know."""

    dataset: str
    """Reference to a data set, as `copycost.load_dataset` takes it."""
    recipe: Recipe
