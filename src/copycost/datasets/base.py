"""A data set: images as bytes, numbers or tokens, their labels, and where they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from copycost.errors import DataError
from copycost.types import InputSpec

_KEPT_AS = {"f": np.float32, "i": np.int64, "u": np.int64}
"""Types in which inputs are kept, by NumPy's kinds; bytes stay bytes."""


# eq=False: comparing tensors gives a tensor, so a generated __eq__ could only raise.
@dataclass(frozen=True, eq=False)
class Labelled:
    """N inputs and their labels. Raises `DataError` if the two do not fit together."""

    inputs: Tensor
    """Images as bytes, uint8 [N, C, H, W]: a quarter of the memory of floats, and of the transfer.
    Or numbers in the range of the victim's inputs, float32 [N, *shape]; or tokens, int64."""
    labels: Tensor
    """[N], int64, from 0."""
    low: float = 0.0
    high: float = 1.0
    """The values that the bytes 0 and 255 stand for."""

    def __post_init__(self) -> None:
        """Check kinds, shapes and lengths; all problems in one error."""
        x, y = self.inputs, self.labels
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
            came = f"{type(x).__name__} and {type(y).__name__}"
            raise DataError(f"expected tensors, got {came}; of arrays take Labelled.from_arrays")
        problems = []
        if not _is_bytes_of_images(x) and not _is_numbers(x):
            problems.append(
                "expected images as uint8 [N, C, H, W], numbers as float32 [N, ...] or tokens as "
                f"int64 [N, ...], got {x.dtype} {list(x.shape)}{_not_of_images(x)}"
            )
        if y.dtype != torch.int64 or y.ndim != 1:
            problems.append(f"expected int64 labels [N], got {y.dtype} {list(y.shape)}")
        if x.ndim and y.ndim and len(x) != len(y):
            problems.append(f"expected a label for each of {len(x):,} inputs, got {len(y):,}")
        if x.numel() == 0:
            problems.append("expected at least one input, got none")
        if problems:
            raise DataError("; ".join(problems))

    @classmethod
    def from_arrays(cls, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Labelled:
        """From inputs [N, ...] and integer labels [N].

        Inputs are images as uint8 [N, C, H, W], numbers as floats, which become float32, or tokens
        as whole numbers of any other type. Raises `DataError` for the rest: values are never
        rounded to bytes or clipped.
        """
        inputs, labels = np.asarray(inputs), np.asarray(labels)
        kept = _KEPT_AS.get(inputs.dtype.kind)
        if kept is None or not np.issubdtype(labels.dtype, np.integer):
            came = f"{inputs.dtype} and {labels.dtype}"
            raise DataError(
                f"expected uint8 images, floats or tokens, and integer labels, got {came}"
            )
        kept = np.uint8 if inputs.dtype == np.uint8 else kept
        # PyTorch warns about memory that it may not write to, such as a file's buffer.
        inputs = np.require(inputs, kept, requirements=["C", "W"])
        return cls(torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64)))

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input; [C, H, W] of an image."""
        return tuple(self.inputs.shape[1:])

    def values(
        self, which: slice | Tensor = slice(None), device: torch.device | str | None = None
    ) -> Tensor:
        """Inputs [n, *shape] as a victim takes them, on `device` (where they are, if None).

        They are float32, those of images in [low, high]; tokens are int64. `which` is a slice, or
        int64 indices [n] or a mask [N] on the inputs' device.
        """
        if self.inputs.dtype != torch.uint8:
            return self.inputs[which].to(device)
        # Moved first: bytes cross to an accelerator four times faster than floats.
        shares = self.inputs[which].to(device).to(torch.float32) / 255
        if (self.low, self.high) == (0.0, 1.0):
            return shares
        return (self.low + (self.high - self.low) * shares).clamp(self.low, self.high)

    def decoded(self) -> Labelled:
        """These images, which are decoded already."""
        return self

    def in_range(self, spec: InputSpec) -> Labelled:
        """These inputs, decoded; bytes stand for values in the range of `spec`.

        Raises `SpecMismatch` for numbers or tokens outside it, or of the wrong kind.
        """
        ready = self.decoded()
        spec.check_shape(ready.values(slice(1)))
        if ready.inputs.dtype != torch.uint8:
            spec.check_range(ready.inputs)
        return replace(ready, low=spec.low, high=spec.high)

    def halved(self) -> Labelled:
        """These images at half the size, [N, C, H // 2, W // 2]; each value is a mean of four."""
        return replace(self, inputs=_halved(self.inputs))


class Undecoded(Labelled):
    """Images that are decoded when they are first looked at.

    Copying a trained victim never uses its training images, and decoding them would take longer
    than everything else before the first query.
    """

    _shape: tuple[int, ...]
    _decode: Callable[[], Tensor]

    def __init__(
        self, shape: tuple[int, ...], labels: Tensor, decode: Callable[[], Tensor]
    ) -> None:
        """Images of `shape`, with `labels` [N]; `decode` gives them as uint8 [N, *shape].

        Raises `DataError` if there is none.
        """
        if not len(labels):
            raise DataError("expected at least one image, got none")
        # A frozen class can only be set like this; the other fields keep their defaults.
        self.__dict__.update(labels=labels, _shape=shape, _decode=decode)

    @cached_property
    def inputs(self) -> Tensor:
        """[N, C, H, W], uint8. Raises `DataError` if an image is damaged or of another size."""
        return self.decoded().inputs

    def decoded(self) -> Labelled:
        """These images, decoded now; raises what `inputs` raises."""
        return Labelled(self._decode(), self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, H, W] of one image."""
        return self._shape

    def halved(self) -> Labelled:
        """These images at half the size, also decoded when they are first looked at."""
        channels, height, width = self._shape
        smaller = (channels, height // 2, width // 2)
        return Undecoded(smaller, self.labels, lambda: _halved(self._decode()))


def _is_bytes_of_images(x: Tensor) -> bool:
    return x.dtype == torch.uint8 and x.ndim == 4


def _not_of_images(x: Tensor) -> str:
    bytes_of_others = x.dtype == torch.uint8 and x.ndim > 1
    return " (bytes are of images: convert tokens to int64)" if bytes_of_others else ""


def _is_numbers(x: Tensor) -> bool:
    return x.dtype in (torch.float32, torch.int64) and x.ndim > 1


def _halved(images: Tensor) -> Tensor:
    return avg_pool2d(images.to(torch.float32), 2).round().to(torch.uint8)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test set over the same classes. Raises `DataError` if they differ."""

    name: str
    """Short, for file names and tables."""
    provenance: str
    """What a figure must call it, such as 'CIFAR-10 (JPEG q75)'."""
    class_names: tuple[str, ...]
    """One for each of the K labels."""
    train: Labelled
    test: Labelled
    collection: str = ""
    """The larger collection that the images are from, at any size and encoding; '' if none."""

    def __post_init__(self) -> None:
        """Check the labels' range and the images' shape; all problems in one error."""
        problems = [] if self.classes > 1 else [f"expected 2 or more classes, got {self.classes}"]
        for part, data in (("train", self.train), ("test", self.test)):
            low, high = (int(v) for v in data.labels.aminmax())
            if low < 0 or high >= self.classes:
                problems.append(
                    f"expected {part} labels from 0 to {self.classes - 1}, got {low} to {high}"
                )
        shapes = [list(data.shape) for data in (self.train, self.test)]
        if shapes[0] != shapes[1]:
            problems.append(f"expected one image shape, got {shapes[0]} and {shapes[1]} (test)")
        if problems:
            raise DataError(f"{self.provenance}: " + "; ".join(problems))

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @property
    def origin(self) -> str:
        """The collection, or else the provenance: equal for two data sets that share images."""
        return self.collection or self.provenance

    @property
    def spec(self) -> InputSpec:
        """Shape and range of one input as a victim sees it: [C, H, W] in [0, 1]."""
        channels, height, width = self.train.shape
        return InputSpec(shape=(channels, height, width))
