"""Types that all parts share: what an input is, what an answer reveals, how networks run.

This module does not load PyTorch.
"""

from __future__ import annotations

import math
import struct
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from copycost.errors import SpecMismatch

if TYPE_CHECKING:
    from torch import Tensor


class Access(StrEnum):
    """What one answer reveals, from least to most. Access only ever removes information.

    The same four words say what a victim computes and what its API releases.
    """

    LABEL = "label"
    TOP_K = "top-k"
    PROBABILITIES = "probabilities"
    LOGITS = "logits"

    @property
    def rank(self) -> int:
        """Position from the least revealing level (0) to the most."""
        return list(Access).index(self)

    def covers(self, other: Access) -> bool:
        """Whether this level reveals at least what `other` does."""
        return self.rank >= other.rank


class Modality(StrEnum):
    """What kind of thing one input is."""

    IMAGE = "image"
    AUDIO = "audio"
    TEXT = "text"
    TABULAR = "tabular"


class Precision(StrEnum):
    """An arithmetic in which networks run."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    """Operands of products have 10 mantissa bits; emulated on a device without it."""
    BFLOAT16 = "bfloat16"
    """Autocast: weights and sums in float32, products in bfloat16, with 7 bits of mantissa."""


class Compile(StrEnum):
    """Whether networks are compiled by `torch.compile`, which takes a minute or more at first."""

    OFF = "off"
    ON = "on"
    GRAPHS = "graphs"
    """With CUDA graphs, which spare the host from launching each kernel; on CUDA only."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class InputSpec:
    """What the victim accepts: the shape of one input and the range of its values.

    The range is the one that the oracle takes, by default [0, 1]. The victim normalises inputs
    itself; an attacker is not assumed to know how.
    """

    shape: tuple[int, ...]
    """Shape of one input without the batch axis; images are (C, H, W)."""
    low: float = 0.0
    high: float = 1.0
    modality: Modality = Modality.IMAGE
    vocabulary: int | None = Field(default=None, ge=2)
    """For token inputs, the number of tokens; values are then integers in [0, vocabulary), whatever
    `low` and `high` are, and 0 stands for none, in texts that are shorter than others."""

    @model_validator(mode="after")
    def _possible(self) -> InputSpec:
        if not self.shape or any(size < 1 for size in self.shape):
            raise ValueError(f"shape must hold positive sizes, got {self.shape}")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"low and high must be finite, got [{self.low}, {self.high}]")
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got [{self.low}, {self.high}]")
        if self.modality is Modality.IMAGE and len(self.shape) != 3:
            raise ValueError(
                f"an image's shape is (C, H, W), got {self.shape}; of other inputs declare the "
                "modality, such as Modality.TEXT"
            )
        return self

    @property
    def size(self) -> int:
        """Number of values in one input."""
        return math.prod(self.shape)

    @property
    def span(self) -> float:
        """The distance from one end of the range to the other."""
        return self.high - self.low

    @property
    def half(self) -> float:
        """Half of the `span`."""
        return self.span / 2

    @property
    def middle(self) -> float:
        """The middle of the range."""
        return (self.low + self.high) / 2

    @property
    def in_levels(self) -> bool:
        """Whether 256 levels of the range, one byte a value, are fine enough: images' are."""
        return self.modality is Modality.IMAGE and self.vocabulary is None

    def check_shape(self, x: Tensor) -> None:
        """Raise `SpecMismatch` unless `x` is a batch [N, *shape] of the right kind of number.

        Looks only at metadata, so that it never waits for a device.
        """
        if x.ndim != len(self.shape) + 1 or tuple(x.shape[1:]) != tuple(self.shape):
            raise SpecMismatch(f"inputs of shape [N, {_join(self.shape)}]", _shape(x))
        if self.vocabulary is None and not x.is_floating_point():
            raise SpecMismatch(
                "floating-point values",
                str(x.dtype),
                "give floats, or images as uint8; of tokens declare the vocabulary in InputSpec",
            )
        if self.vocabulary is not None and x.is_floating_point():
            raise SpecMismatch("token numbers", str(x.dtype), "give tokens as int64")

    def check_range(self, x: Tensor) -> None:
        """Raise `SpecMismatch` unless every value of `x` is finite and in range.

        Each end is rounded to float32 if that lies further out: 0.1 becomes 0.10000000149.
        """
        low, high = (
            (self.low, self.high) if self.vocabulary is None else (0.0, self.vocabulary - 1.0)
        )
        low, high = min(low, _as_float32(low)), max(high, _as_float32(high))
        least, most = (float(v) for v in x.detach().aminmax())
        # NaN is not in range either, and no comparison with it holds.
        if least >= low and most <= high:
            return
        if self.vocabulary is not None:
            raise SpecMismatch(
                f"tokens from 0 to {self.vocabulary - 1}",
                f"tokens from {least:.0f} to {most:.0f}",
                "leave out what is not in the vocabulary, or declare a larger one",
            )
        raise SpecMismatch(
            f"inputs in [{low:g}, {high:g}]",
            f"values from {least:g} to {most:g}",
            "map the inputs to the declared range before asking; the victim normalises them",
        )


class Answer(NamedTuple):
    """The oracle's answer to N queries: nothing more than `access` allows."""

    access: Access
    labels: Tensor
    """The victim's first choice, [N], int64."""
    scores: Tensor | None
    """[N, K]: logits, or probabilities (at top-k access 0 outside the top k); None for labels."""

    @classmethod
    def unpack(cls, access: Access, packed: Tensor) -> Answer:
        """Rebuild an answer at `access` from its `packed` form."""
        if access is Access.LABEL:
            return cls(access, packed, None)
        return cls(access, packed.argmax(dim=1), packed)

    def pack(self) -> Tensor:
        """All that needs keeping: scores [N, K], or labels [N] where there are none."""
        return self.labels if self.scores is None else self.scores


def _as_float32(value: float) -> float:
    nearest: float = struct.unpack("f", struct.pack("f", value))[0]
    return nearest


def _join(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)


def _shape(x: Tensor) -> str:
    return f"a tensor of shape [{_join(tuple(x.shape))}]"
